"""Drills: break a run in a known way, run again, and compare with a run that nothing broke.

In: a seed. Out: nothing but equal tables, or the difference and the seed that replays it.
`make drill N=200` runs random ones; the tests of this folder run a fixed set, and each fault
by name.
"""
