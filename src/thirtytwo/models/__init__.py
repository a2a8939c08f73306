"""The families of generators: models with their losses, and the contract that they keep."""
