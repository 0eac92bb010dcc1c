"""Forgets a person: every version, list, rejected record and dead row, and the files beside.

In: a source and a person's id there. Out: a warehouse in which nothing says that there was one, a
keyed tombstone that keeps the next load from bringing them back, and counts of what went.

One transaction puts the tombstone and takes the rows, in every table of every schema that has the
person's id or key; the figures of crawls then add up as if the tombstone had stood from the first
day. What else finds the person, the keys of their versions and their addresses, waits beside the
tombstone: whatever fails later (the build, a session that keeps dead rows, the scan) leaves the
erasure open, and to run it again looks for all of it once more.
"""
