"""Programs for who changes the project; none is part of what is installed."""
