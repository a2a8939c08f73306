"""Raw data: known archives, downloads, and the procedural set."""
