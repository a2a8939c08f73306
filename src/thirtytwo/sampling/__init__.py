"""Sampling: noise per image, and what each family draws from its trained models."""
