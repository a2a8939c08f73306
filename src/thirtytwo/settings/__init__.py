"""Settings: params.yaml, checked and resolved into one small file a stage and run."""
