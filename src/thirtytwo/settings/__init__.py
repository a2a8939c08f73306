"""Settings: params.yaml, checked and resolved into one small file per stage and name."""
