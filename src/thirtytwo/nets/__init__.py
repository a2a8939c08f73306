"""Network architectures, without losses and data; imports nothing from the rest of the package."""
