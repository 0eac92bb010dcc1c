"""The sanity check that a person can run any time: `listenhouse check`.

In: settings. Out: findings about source, landing and marts. Reads only, starts nothing.
"""
