"""Settings of a small EDM, and the exact one of Gaussian data."""

SETTINGS = {
    "objective": "denoising", "prediction": "preconditioned", "sigma_data": 0.5, "noise_mean": -1.2, "noise_std": 1.2, "stages": 3, "stage_factor": 2.0,
    "pair_weighting": "step", "distance": "squared", "huber": 0.01, "conditional": False, "label_dropout": 0.0, "warmup": 0, "width": 8,
    "width_multipliers": [1, 2], "blocks": 1, "attention_resolutions": [4], "heads": 1, "dropout": 0.0,
    "time_conditioning": "scale_shift", "patch": 8, "steps": 12, "epochs": 0, "batch_size": 8, "lr": 2e-3,
    "betas": [0.9, 0.999], "clip_norm": 1.0, "horizontal_flip": False, "ema_decay": 0.9, "validate_every": 4,
    "checkpoint_every": 5, "snapshot_every": 0,
}  # fmt: skip
CONDITIONAL = {"conditional": True, "label_dropout": 0.2}
CONSISTENCY = {"objective": "consistency", "distance": "huber", "conditional": True}


class Gaussian:
    """Denoising of data from N(mean, std^2), in closed form: x = x_0 + sigma epsilon has variance std^2 + sigma^2."""

    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def denoise(self, x, sigma):
        """E[x_0 | x] (Bishop 2006, eq. 2.116)."""
        return (self.std**2 * x + sigma**2 * self.mean) / (self.std**2 + sigma**2)

    def end(self, x, sigma, lower=0.0):
        """Where the probability flow carries x from sigma to `lower`; it keeps quantiles in one dimension."""
        scale = ((self.std**2 + lower**2) / (self.std**2 + sigma**2)) ** 0.5
        return self.mean + scale * (x - self.mean)
