"""Files, paths, seeds, devices and intervals: what every other package may use."""
