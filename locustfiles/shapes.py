"""How many users there are, over time: shapes for any locustfile, this project's or one's own.

    blackstart serve experiments/slow_dependency.yaml                                         in one terminal
    locust -f locustfiles/kv_reads.py,locustfiles/shapes.py --shape spike --users 50          in another

`--shape` is one of ramp, step, diurnal, spike (a herd that leaves and comes back) and by_phase; what each does, and its
options, are in `harness/load/shaping.py` and in `--help`. `Shape` goes by the option; on Locust's page, with
`--class-picker`, each can be picked under the name of its class. Under a shape every user of a story is one who asks,
waits and thinks (a closed loop), so their number matters; without one it does not.

A shape may return user classes as well as their number, and that is a trap: they govern only users that are *added*,
and who is there stays what they are. So none here does. What changes with the phase of the run is how many there are; a
user who is to behave by the phase reads it (`harness.load.phases`), and then one class of users is enough.
"""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from locust import LoadTestShape, events

from harness.errors import HarnessError
from harness.load.shaping import Shaping, add_options

events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]  # as all of Locust's


class Shape(LoadTestShape):
    """The shape that `--shape` names."""

    use_common_options = True
    kind: ClassVar[str | None] = None

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._shaping = Shaping(self.kind)

    def tick(self) -> tuple[int, float] | None:
        """What Locust asks about once a second; None ends the test."""
        assert self.runner is not None, "Locust sets it before the first tick"
        options: Any = self.runner.environment.parsed_options
        try:
            return self._shaping.tick(options, self.get_run_time())  # type: ignore[no-untyped-call]
        except HarnessError as error:
            logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - meant to be read, not debugged
            return None


class Ramp(Shape):
    """From none to all, straight."""

    kind = "ramp"


class Step(Shape):
    """From none to all, in steps."""

    kind = "step"


class Diurnal(Shape):
    """Night and day."""

    kind = "diurnal"


class Spike(Shape):
    """A herd that leaves and comes back."""

    kind = "spike"


class ByPhase(Shape):
    """As many as the phase of the run wants."""

    kind = "by_phase"
