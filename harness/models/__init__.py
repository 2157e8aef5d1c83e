"""Brains of the region: tables and names with explicit `now_s`; no sockets, no clock."""
