"""API → landing: crawls the source completely or not at all, and keeps every version.

In: the pages of a paginated API. Out: the tables of `raw_moovitamix` in PostgreSQL.
"""

PIPELINE = "listen_history"
"""Name of the dlt pipeline, as people type it."""
