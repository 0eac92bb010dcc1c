"""The sources there are, each in a package of its own."""
