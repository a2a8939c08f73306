"""Raw data to arrays of 32x32 images."""
