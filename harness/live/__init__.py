"""The live engine: real processes, real sockets, one orchestrator on trio.

    clock         the only clock of this process
    net           the run's own 127.R.0.0/16, and every port in it checked
    children      start, watch and end the processes of a run
    control       the services' control ports, over httpx
    timeline      what is due when, and the ledger of what must be undone
    gauges        gauge rows, four a second
    canary        the outside probe
    stop          stop conditions
    log           journal entries, also those made before zero is known
    orchestrate   one run from the first file to the manifest

Nothing here imports Locust: `trio.run` fails in any process where it was imported.
"""
