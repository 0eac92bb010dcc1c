"""What runs beside the day: PostgreSQL, the simulator, the API; where it is, how it starts."""
