"""Behaviour over several steps, without I/O: a flow yields what it wants and is sent what came of it."""
