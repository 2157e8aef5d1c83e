"""What the load process writes down: operation rows, attempt rows, gauges, and one summary.

A recorder that loses its tail makes a run look healthier than it was, and losing it is easy: Locust keeps only sums,
and its workers drop what they had when told to quit. So rows go to files of our own, reach the operating system every
0.25 s, and end in a closing count on every way out that leaves us a moment: drained, Ctrl-C, SIGTERM, the parent's
death. `close` may be called from all of them and acts once.

    rows/<worker>-operation.rows   one per operation that was due, dropped and unfinished ones included
    rows/<worker>-attempt.rows     one per attempt, layer 0
    rows/<worker>-gauge.rows       component "load", 4 readings a second
    <worker>.json                  scheduled = started + dropped; lateness; what was left unfinished

Of several workers each is a component of its own in the gauges ("load-0", "load-1"), because readings of one name are
one curve. Their waiting work is then left to the rows, which count it over all of them; `orbit` and `slot_queue` are
what each had.

Leaves out: what Locust's own statistics show; they are fed as well, and never read back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.record.folder import RunFolder
from harness.record.layouts import Outcome
from harness.record.rows import RowWriter

FLUSH_EVERY_S = 0.25
COMPONENT = "load"
_OF_ONE = {"waiting_orbit": "orbit", "waiting_slot": "slot_queue"}


class Recorder:
    """All files of one load process. `worker` names it ("load-0"), `alone` says there is no other; ids in rows index
    the name lists given here. `zero_ns` is the run's zero as its plan has it.
    """

    def __init__(
        self,
        folder: RunFolder,
        worker: int,
        zero_ns: int,
        stories: Sequence[str],
        apps: Sequence[str],
        targets: Sequence[str],
        gauges: Sequence[str],
        alone: bool = True,
    ) -> None:
        self.name = f"load-{worker}"
        self.summary_path = folder.path / f"{self.name}.json"
        self._folder = folder
        self._worker = worker
        workers = [f"load-{k}" for k in range(worker + 1)]
        names = {"story": list(stories), "app": list(apps), "worker": workers}
        self._operations = self._writer("operation", zero_ns, names)
        self.attempts = self._writer("attempt", zero_ns, {"target": list(targets)})
        told = list(gauges) if alone else [_OF_ONE.get(name, name) for name in gauges]
        component = COMPONENT if alone else self.name
        self._gauges = self._writer("gauge", zero_ns, {"component": [component], "gauge": told})
        self._gauge_ids = {name: number for number, name in enumerate(gauges)}
        self.outcomes = [0] * len(Outcome)
        self._closed = False

    def operation(
        self, op: int, story: int, app: int, times_ns: tuple[int, int, int, int], outcome: Outcome, attempts: int
    ) -> None:
        """One operation has ended. `times_ns`: intended, started, finished, deadline; -1 for what there was not."""
        self.outcomes[outcome] += 1
        self._operations.add(op, story, app, self._worker, *times_ns, outcome, attempts)

    def gauges(self, t_ns: int, values: Mapping[str, float]) -> None:
        """One reading of each gauge."""
        for name, value in values.items():
            self._gauges.add(t_ns, 0, self._gauge_ids[name], value)

    def flush(self) -> None:
        """Hand everything so far to the operating system."""
        for writer in (self._operations, self.attempts, self._gauges):
            writer.flush()

    def close(self, summary: Mapping[str, Any]) -> None:
        """Close all rows with their counts and write the summary; the first call counts."""
        if self._closed:
            return
        self._closed = True
        for writer in (self._operations, self.attempts, self._gauges):
            writer.close()
        self._folder.write_json(self.summary_path, dict(summary))

    def _writer(self, kind: str, zero_ns: int, names: Mapping[str, Sequence[str]]) -> RowWriter:
        name = f"{self.name}-{kind}"
        return RowWriter(self._folder.rows / f"{name}.rows", kind, name, zero_ns, names)
