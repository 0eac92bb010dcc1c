"""The lakehouse: what was published, as Apache Iceberg tables that any tool can read."""
