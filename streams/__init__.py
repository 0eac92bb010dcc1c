"""The change feed: what changed in the warehouse, as messages of Kafka topics."""
