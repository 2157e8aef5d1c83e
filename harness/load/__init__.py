"""The load process: Locust and gevent on one side, the plan and the row files on the other.

An operation of this project's stories, in the order of the modules it meets:

    hooks        Locust's events: ready, zero, drained, quit, exit code; `Pacer`, from which locustfiles derive
    find_run     which run that is
    session      one run as this process gets ready for it: plan, region, stories
    load_run     one run being played; the one way out
    pacer        starts every operation of the plan at its intended moment, whatever the region does (open loop)
    crowd        starts each user's next one when that user has had the answer and has thought (closed loop)
    walk_in      Locust's own users as such users, when a shape says how many there are
    operations   what is in flight, from its start to its row; dropped, cut off and unfinished ones too
    driver       plays a flow: answers its wants with attempts over the wire, and writes one row for each
    http_face    an attempt as HTTP, and what an answer (or none) means
    connections  one HTTP/1.1 exchange, sent exactly once, with connection slots that are counted
    resolver     names under `.test` from the region's DNS on the wire, under a caching policy; nothing off loopback
    recorder     operation rows, gauges and the summary, closed on every way out
    observing    Locust's own statistics, told of every attempt
    shaping      how many users `locustfiles/shapes.py` wants, and `phases`, what phase the run is in

Several processes share one schedule:

    workers      the master: who takes part, one zero for all, and what became of each (`member`)
    worker       its share of the schedule, paced there, and its rows brought home
    handshake    what they say to each other; `offset`, how far their clocks are apart; `shipping`, rows over the wire

Anybody's own locustfile is recorded by the plugin, and watched in a tab on Locust's page:

    plugin       the file that is given to Locust; `plugin_hooks`, its events, and `plugin_settings`, its options
    plugin_*     one test of it: `session`, `recording` (requests to rows), `plan`, `hosts`, `region`, `told`
    plugin_tab   the Recovery tab of such a process
    ports        what a timeline, or a person who presses a button, does to the region
    web          the Recovery tab itself, and `blackstart web` (`web_run` is the locustfile it gives to Locust)

`clock` is the only file that reads a clock, and `memory` keeps the garbage collector out of the way.

Importing this package loads nothing; its modules load gevent, and `hooks` loads Locust, which patches sockets. So no
other kind of process imports them.
"""
