"""The read-only HTTP API: recommendations, similar and popular tracks, health, metrics."""
