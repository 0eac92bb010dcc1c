"""The metrics of the warehouse, for Prometheus."""
