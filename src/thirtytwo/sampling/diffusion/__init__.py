"""Samplers of a diffusion model."""
