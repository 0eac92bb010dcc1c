"""The house itself: settings, the embedded PostgreSQL, the daily run, the command."""
