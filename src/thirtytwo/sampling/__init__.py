"""Sampling: a noise stream per image, and for each family the images and arrays drawn from a trained model."""
