"""The subcommands of `listenhouse`."""
