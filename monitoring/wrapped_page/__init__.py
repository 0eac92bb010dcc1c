"""Wrapped: a month or a year of listening on one page, to be shared."""
