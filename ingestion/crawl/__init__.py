"""Reading the API: pages, records, and the proof that nothing is missing."""
