"""The read-only HTTP API: recommendations, similar and popular tracks, health, metrics.

In: the tables of schema `recommendations` and two marts. Out: a FastAPI application.
"""
