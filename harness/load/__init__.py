"""The load process: Locust and gevent on one side, the plan and the row files on the other.

Modules, in the order an operation meets them:

    pacer        starts every operation of the plan at its intended moment, whatever the region does (open loop)
    driver       plays a flow: answers its wants with attempts over the wire, and writes one row for each
    connections  one HTTP/1.1 exchange, sent exactly once, with connection slots that are counted
    resolver     names under `.test` from the region's DNS on the wire, under a caching policy; nothing off loopback
    recorder     operation rows, gauges and the summary, closed on every way out
    session      one run as the load process sees it: its plan, its region, its stories
    hooks        Locust's events: ready, zero, drained, quit, exit code

Importing this package loads nothing; importing its modules loads gevent, and `hooks` and `pacer` load Locust, which
patches sockets. So no other kind of process imports them.
"""
