"""What was read becomes versions in the database: the merge, the ledger of crawls, quarantine."""
