"""Scores from arrays of images and features; never from models of generators."""
