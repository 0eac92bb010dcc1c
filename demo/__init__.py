"""Weeks of a simulated world in a few minutes, to see pages with a past: `make demo`."""
