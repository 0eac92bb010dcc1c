"""What every run leaves behind in schema `ops`: runs, steps, loads, requests, dbt's results."""
