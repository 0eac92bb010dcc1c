"""What Prometheus asks and alerts on."""
