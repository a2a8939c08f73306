"""Sampling an autoencoder."""
