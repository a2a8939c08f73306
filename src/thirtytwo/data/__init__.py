"""From raw files to arrays: sources, preparation, batches."""
