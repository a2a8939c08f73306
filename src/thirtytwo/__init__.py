"""ThirtyTwo: train, sample, evaluate and compare image generators at 32x32."""

__version__ = "0.1.0"
