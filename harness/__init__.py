"""Blackstart measures the restart of a system after an outage is repaired.

The map, in the order data flows (nothing on the right is known on its left):

    experiment.yaml -> spec -> plan -> live (real sockets) ----+
                                 \\---> sim  (virtual time) ----+-> record -> analyse -> compare -> report

The ground (`errors`, `units`, `seeds`) is standard library only; `policies`, `flows` and `models` hold every
decision as plain arithmetic with time and chance as arguments, so one implementation serves every engine.
Importing this package loads nothing else: each engine lives behind its own name.
"""

__version__ = "0.1.0"
