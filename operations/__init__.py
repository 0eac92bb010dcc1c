"""The roof: what knows every part of the house, and runs it: the command, the day, the services."""
