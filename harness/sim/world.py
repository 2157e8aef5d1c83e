"""The world: a run of the region in virtual time, from the same plan, leaving the same folder.

Nothing is decided here. Stories, calls, policies, apps, the station, the table store, the name server and the DNS
automation are the very objects that run live; a world gives them a heap for a clock (`heap.py`) and `network.py` for
sockets. `region.py` has the services, `load.py` whoever uses them, `operators.py` the timeline, `records.py` what is
written down; this file begins them, reads the gauges four times a second, and drains.

    world = World(plan, folder); world.run()      rows, gauges and journal as a live run writes them

Deterministic: the same plan writes the same bytes. Leaves out what only machines have (CPU, garbage collection, timers
that fire late), so a run here is always valid as far as the generator goes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from harness.errors import RunError
from harness.memory import MemoryGuard
from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.sim.heap import Heap
from harness.sim.load import Load
from harness.sim.network import Delays
from harness.sim.operators import Operators
from harness.sim.records import Records
from harness.sim.region import Region
from harness.timeline import Due

GAUGE_PERIOD_S = 0.25
_LOOK_PERIOD_S = 5.0  # at the process's memory


class World:
    """One run. `run` may be called once."""

    def __init__(self, plan: Plan, folder: RunFolder, delays: Delays | None = None) -> None:
        self.plan = plan
        self.heap = Heap()
        self._records = Records(folder, self.heap)
        self.region = Region(plan, self.heap, delays or Delays(), self._records)
        self.load = Load(self.region, self.heap, self._records)
        self._tell = partial(self._records.tell, "orchestrator")
        self._operators = Operators(plan, self.heap, self._perform, self._tell)

    def run(self) -> None:
        """Play the run to the end of its drain and close every file, also when it fails. Raises RunError."""
        plan, heap = self.plan, self.heap
        for phase in plan.phases:
            heap.at(phase.start_s, partial(self._tell, "phase", name=phase.name))
        self._operators.begin()
        self.region.begin()
        heap.at(0.0, self._read_gauges)
        self.load.begin()
        guard = MemoryGuard(tidy=False)  # a collector that walks every open operation costs a fifth of the time
        try:
            heap.at(0.0, partial(self._look, guard))
            heap.run(plan.end_s)
        except RunError as error:  # what was recorded is kept whole, and judged invalid for this reason
            self._tell("stop", state="failed", why=str(error))
            self._close(whole=False)
            raise
        finally:
            guard.release()
        self._close()

    def readings(self) -> dict[str, dict[str, float]]:
        """Every component's gauges at this moment."""
        return self.region.readings() | {"load": self.load.readings()}

    def summary(self) -> dict[str, Any]:
        """What a load process writes at its end: `load-0.json`."""
        return self.load.summary()

    def _perform(self, due: Due) -> Callable[[], None]:
        """Do a deed; what writes down what was noted meanwhile. Raises ValueError when it is refused."""
        with self._records.hold() as tell_all:
            self.region.do(due)
        return tell_all

    def _read_gauges(self) -> None:
        readings = self.readings()
        self._records.read(readings)
        self._operators.read(readings)
        self.heap.after(GAUGE_PERIOD_S, self._read_gauges)

    def _look(self, guard: MemoryGuard) -> None:
        guard.look()
        self.heap.after(_LOOK_PERIOD_S, partial(self._look, guard))

    def _close(self, *, whole: bool = True) -> None:
        self._operators.end()
        if whole:
            self.region.export()
        self.region.cut_checks()
        self.load.cut()
        self.region.close()
        self._records.close()
