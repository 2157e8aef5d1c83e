"""The region over HTTP and DNS: thin asyncio faces over `harness.models`, one process per component.

    contract    what a component module offers, and what it is given
    shell       one process: plan, zero, rows, signals, the end
    control     the control port: faults with a time to live, actions, gauges, health
    http_face   the cheap HTTP server every component answers on
    driver      drives flows over real sockets
    virtual     the same services in virtual time, for tests
    dns, kv, apps/*    the components

Nothing here decides anything: capacity, queues, tables, races and app logic are brains in `harness.models` and
`harness.policies`, which take the time as an argument. What is here reads the one clock, owns the sockets and writes
the rows.
"""
