"""The Recovery tab: a run as it recovers, in Locust's own web page, with buttons for whoever operates it.

    follow, journal, sofar   what a run folder says so far: windows, moments, the verdict so far     (numpy, no gevent)
    watching                 a process of its own that follows a run and prints what is new, twice a second
    feed, relay              what it prints, kept once and handed to any number of browsers
    state, desk              what can be done to this region; one press of a button, checked, done and written down
    door                     who may ask: loopback, origin, token, login
    vega                     the drawing library, out of an installed package
    routes, tab              the addresses under `/blackstart`, and the one object behind them
    play                     the load of `blackstart web`, begun by Locust's Start button (with `harness.live.web`)
    crew                     the same when workers make the load and this process is their master

The process that makes the load must not be late, and ten milliseconds are late already. So nothing is computed in it
for the page: rows are counted by another process from the files, as in any other run, and here lines are passed on.

Importing this package loads nothing.
"""
