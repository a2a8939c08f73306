"""Samplers of an EDM."""
