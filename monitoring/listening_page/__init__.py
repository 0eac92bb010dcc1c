"""The listening dashboard: who listens to what, from the marts alone."""
