"""The command `thirtytwo` for one-off jobs. Each subcommand is a module with `run(args) -> exit code`."""
