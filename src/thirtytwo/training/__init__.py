"""The training loop, its checkpoints, and loading what it has trained."""
