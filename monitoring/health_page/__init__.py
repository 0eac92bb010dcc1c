"""The health page: how the warehouse is today, what is wrong, and what to do."""
