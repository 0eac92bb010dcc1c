"""A mutation check of the dbt project: which wrong changes of its SQL would no test notice?

`make mutate` changes the models and macros in one place at a time, and runs dbt's tests and the
tests in `tests/dbt_project` against each. docs/testing.md says how to read what it reports.
"""
