"""The locustfile of `blackstart web`, which starts Locust with it: the experiment's load, begun by the Start button.

It lies here, beside modules whose names are nobody else's, because Locust puts a locustfile's folder first on the path.
"""

from __future__ import annotations

from harness.load.web.play import Experiment, attach

__all__ = ["Experiment"]

attach()
