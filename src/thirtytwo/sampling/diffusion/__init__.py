"""Sampling a diffusion model."""
