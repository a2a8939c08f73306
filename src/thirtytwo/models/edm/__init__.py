"""EDM and consistency tuning."""
