"""The command `thirtytwo`: what DVC is too coarse for. Each subcommand is a module with `run(args) -> exit code`."""
