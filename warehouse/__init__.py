"""The ground that every part stands on: settings, errors, sessions, locks, logs, `ops`."""
