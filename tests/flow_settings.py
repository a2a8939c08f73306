"""Settings of a small flow."""

SETTINGS = {
    "objective": "flow_matching", "prediction": "velocity", "weighting": "velocity", "times": "uniform", "time_mean": 0.0, "time_std": 1.0,
    "coupling": "independent", "equal_times": 0.5, "training_guidance": 0.0, "adaptive_power": 0.0,
    "conditional": False, "label_dropout": 0.0, "warmup": 0, "width": 8, "width_multipliers": [1, 2], "blocks": 1,
    "attention_resolutions": [4], "heads": 1, "dropout": 0.0, "time_conditioning": "scale_shift", "patch": 8,
    "steps": 12, "epochs": 0, "batch_size": 8, "lr": 2e-3, "betas": [0.9, 0.999], "clip_norm": 1.0,
    "horizontal_flip": False, "ema_decay": 0.9, "validate_every": 4, "checkpoint_every": 5, "snapshot_every": 0,
}  # fmt: skip
MEAN_FLOW = {"objective": "mean_flow", "conditional": True, "label_dropout": 0.2, "training_guidance": 0.5}


class Gaussian:
    """The flow of data from N(mean, std^2), in closed form, with u as `Flow.mean_velocity`.

    x_t has mean (1 - t) m and variance s_t^2 = (1 - t)^2 s^2 + t^2. In one dimension the flow keeps quantiles, so that
    (x_t - (1 - t) m) / s_t is constant along it.
    """

    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def scale(self, t):
        return ((1 - t) ** 2 * self.std**2 + t**2) ** 0.5

    def at(self, x, t, r):
        """Where the flow carries x from time t to time r."""
        return (1 - r) * self.mean + self.scale(r) * (x - (1 - t) * self.mean) / self.scale(t)

    def velocity(self, x, t):
        """d/dr of `at` at r = t."""
        slope = (t - (1 - t) * self.std**2) / self.scale(t) ** 2
        return -self.mean + slope * (x - (1 - t) * self.mean)

    def mean_velocity(self, x, r, t):
        return (x - self.at(x, t, r)) / (t - r)
