"""Samplers of a flow."""
