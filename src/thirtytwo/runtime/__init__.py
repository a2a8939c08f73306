"""Paths, files, downloads, errors and signals: what surrounds the work and never shapes a result, hence no stage depends on it."""
