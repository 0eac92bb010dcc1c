"""The Grafana dashboard, written in code, and how Grafana is told of it."""
