"""Measurements behind every claim of speed or memory."""
