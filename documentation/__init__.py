"""The documentation's site, beyond the pages that are written by hand in docs/."""
