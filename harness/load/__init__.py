"""The load process: Locust and gevent on one side, the plan and the row files on the other.

Modules, in the order an operation meets them:

    pacer        starts every operation of the plan at its intended moment, whatever the region does (open loop)
    operations   what is in flight, from its start to its row; dropped, cut off and unfinished ones too
    driver       plays a flow: answers its wants with attempts over the wire, and writes one row for each
    http_face    an attempt as HTTP, and what an answer (or none) means
    connections  one HTTP/1.1 exchange, sent exactly once, with connection slots that are counted
    resolver     names under `.test` from the region's DNS on the wire, under a caching policy; nothing off loopback
    recorder     operation rows, gauges and the summary, closed on every way out
    load_run     one run being played; the one way out
    session      one run as this process gets ready for it: plan, region, stories
    find_run     which run that is
    hooks        Locust's events: ready, zero, drained, quit, exit code

`clock` is the only file that reads a clock, and `memory` keeps the garbage collector out of the way.

Importing this package loads nothing; its modules load gevent, and `hooks` loads Locust, which patches sockets. So no
other kind of process imports them.
"""
