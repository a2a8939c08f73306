"""Sampling a GAN."""
