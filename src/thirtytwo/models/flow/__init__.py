"""Flow matching and mean flows."""
