"""What `thirtytwo doctor --plan` and `thirtytwo repro` know about runs before they start."""
