"""Brains of the dependent apps, one file each: what an app does with a request, and what it owes when it cannot.

Pure: no sockets, no clock. `mock_services/apps/` gives each a face on the wire; the simulated world drives the same
brain on an event heap.
"""
