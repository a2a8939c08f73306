"""Settings of a small diffusion model."""

SETTINGS = {
    "schedule": "linear", "timesteps": 100, "beta_start": 1e-4, "beta_end": 0.02, "prediction": "epsilon",
    "loss": "l2", "weighting": "simple", "conditional": False, "label_dropout": 0.0, "warmup": 0, "width": 16,
    "width_multipliers": [1, 2], "blocks": 1,
    "attention_resolutions": [], "heads": 1, "dropout": 0.0, "time_conditioning": "scale_shift", "patch": 2,
    "steps": 10, "epochs": 0, "batch_size": 8, "lr": 2e-3, "betas": [0.9, 0.999], "clip_norm": 1.0,
    "horizontal_flip": False, "ema_decay": 0.9, "validate_every": 5, "checkpoint_every": 5,
    "snapshot_every": 0,
}  # fmt: skip
