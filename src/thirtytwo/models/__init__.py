"""Families of generators: each model with its losses, and the interface that all of them implement."""
