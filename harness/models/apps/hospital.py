"""A hospital: records that must be readable, charts that must be written once and in order, and pages that can wait.

    read       a patient's record: the store's, or, when it does not answer in time, the copy at hand
    chart      one entry in a patient's chart: on paper while the store is away, entered later by clerks
    page       who is on call: a read, and the first to be turned away when it is crowded
    schedule   a day's plan: likewise

Reading is the safety class: criticality 0, never shed here, and first in line at a store with priorities. The copy at
hand is a read-only replica on the ward, made before the run and refreshed by every read; it says how old it is.

Charts are harder. A write without an answer may have happened, so it is repeated under its own key until that is known.
Entering the pile in any order is not good enough: a dose charted before the one it follows is a wrong chart. So each
patient has a line, and only the head of a line is ever being written; who charts while an earlier entry of the patient
is not confirmed writes on the paper behind it. An entry's number (`order`) is given when it is taken. Clerks work at a
human rate, whatever the store can do. `in_order` False is the naive pile: an entry whose replay failed comes back when
its own wait is over, and later ones pass it. Then the audit finds them.

Paper is durable, and so is the number of each entry; the replica is on a disk. When the paper is full, charting fails,
and order is no longer promised. Leaves out: pages that write, reading what is on paper, merging two versions.
Source: downtime practice; `incident.md` section 5.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import Any, NamedTuple

from harness.flows.fallbacks import Replica
from harness.flows.wants import Answer, Request, Want
from harness.models.apps.app import AppSpec, Serving
from harness.models.apps.base import AppRequest, Response
from harness.models.apps.owing import OwingApp, OwingSpec, whole
from harness.models.apps.shedding import Partitions
from harness.models.component import Given
from harness.models.outbox import Item, OutboxSpec
from harness.policies.priority import PartitionedSpec

PAPER = "paper"
_CALL = 1
_NO_LIMIT = 1 << 60


class HospitalSpec(NamedTuple):
    """The knobs of the app. `paper` None: charting fails while the store is away."""

    app: AppSpec
    owing: OwingSpec
    paper: OutboxSpec | None
    in_order: bool
    local_replica: bool
    patience_s: float  # how long the store may take before the replica is read instead
    priority: PartitionedSpec | None
    patients: int  # with a copy at hand from before the run


class Chart(NamedTuple):
    """One entry. `order` is its place among all entries taken, given once."""

    op: int
    patient: int
    key: str
    order: int
    taken_s: float


class Hospital(OwingApp):
    """The brain of the app."""

    def __init__(self, spec: HospitalSpec, given: Given) -> None:
        box = (spec.paper or OutboxSpec(1, None, 1.0, 1))._replace(capacity=_NO_LIMIT)  # the room is counted here
        super().__init__(spec.app, spec.owing, {PAPER: box}, given)
        self.spec = spec
        self.partitions = Partitions(spec.priority)
        self.replica: Replica[int] = Replica()
        self.replica_served_total = 0
        self.paper_total = 0
        self._box = self.boxes[PAPER]
        self._room = 0 if spec.paper is None else spec.paper.capacity
        self._orders: dict[int, int] = {}  # operation -> its number, kept for ever
        self._charts: dict[int, Chart] = {}  # taken and not over, by operation
        self._boxed: set[int] = set()  # of these, with the clerks
        self._confirmed: set[int] = set()
        self._lines: dict[int, deque[int]] = {}  # patient -> operations, the first of which may be written
        if spec.local_replica:
            for patient in range(spec.patients):
                self.replica.put(patient, {"patient": patient}, given.now_s)

    def serve(self, request: AppRequest, now_s: float) -> Serving:
        """Operations `read` {patient}, `chart` {patient, key?}, `page` {ward} and `schedule` {ward}."""
        if not self.partitions.admits(request.criticality, self.door.inside - 1, now_s):
            return Response(503, "queue_full"), now_s
        try:
            match request.operation:
                case "read":
                    return (yield from self._read(whole(request.params, "patient"), request, now_s))
                case "chart":
                    return (yield from self._chart(whole(request.params, "patient"), request, now_s))
                case "page" | "schedule" as table:
                    return (yield from self._look_up(table, whole(request.params, "ward"), request, now_s))
                case _:
                    pass
        except ValueError as error:
            return Response(400, "bad_request", {"message": str(error)}), now_s
        said = f"no {request.operation!r}; there are: chart, page, read, schedule"
        return Response(404, "unknown_operation", {"message": said}), now_s

    def replay(self, box: str, item: Item, now_s: float) -> Generator[Want, Answer, tuple[bool, float]]:
        """A clerk enters what is on paper."""
        chart: Chart = item.payload
        result, _ = yield from self.system_told(self._write_of(chart), chart.op, now_s)
        done = self.is_done(result)
        if done:
            self._confirm(chart, result.ended_s)
        return done, result.ended_s

    def gauges(self, now_s: float) -> dict[str, float]:
        """The shared ones; `waiting_paper` counts those that stand in a patient's line too."""
        return {
            **super().gauges(now_s),
            "waiting_paper": float(self._on_paper() - self._box.sending),
            "paper_total": float(self.paper_total),
            "replica_served_total": float(self.replica_served_total),
            "crowded_out_total": float(self.partitions.refused_total),
        }

    def export(self) -> dict[str, Any]:
        """For the audit: every entry that is not confirmed is owed, wherever it stands."""
        waiting = [chart for op, chart in self._charts.items() if op in self._boxed or self._is_behind(chart)]
        return {**super().export(), "owed": [(chart.op, chart.taken_s) for chart in waiting]}

    # Reading

    def _read(self, patient: int, request: AppRequest, now_s: float) -> Serving:
        ask = Request("read", {"table": "patients", "key": str(patient)}, write=False)
        if self.spec.local_replica:  # leave time to read the copy while somebody still waits for it
            request = request._replace(deadline_s=min(request.deadline_s, now_s + self.spec.patience_s))
        result, _ = yield from self.told(ask, request, _CALL, now_s)
        now_s = result.ended_s
        if result.ok:
            record = (result.reply.body or {}).get("item") or {"patient": patient}
            if self.spec.local_replica:
                self.replica.put(patient, record, now_s)
            return Response(200, "", {"record": record}), now_s
        known = self.replica.stale(patient, now_s)
        if known is None:
            return Response(503, "dependency"), now_s
        self.replica_served_total += 1
        self.degraded_total += 1
        return Response(200, "", {"record": known.value, "degraded": "replica", "age_s": known.age_s}), now_s

    def _look_up(self, table: str, ward: int, request: AppRequest, now_s: float) -> Serving:
        ask = Request("read", {"table": table, "key": str(ward)}, write=False)
        result, _ = yield from self.told(ask, request, _CALL, now_s)
        return Response(200, "", {table: ward}) if result.ok else Response(503, "dependency"), result.ended_s

    # Charting

    def _chart(self, patient: int, request: AppRequest, now_s: float) -> Serving:
        op = request.op
        if op in self._confirmed:
            return Response(200, "", {"chart": op}), now_s
        chart = self._charts.get(op)
        if chart is None:
            chart = self._take(op, patient, str(request.params.get("key", op)), now_s)
            if self._is_behind(chart):
                if self._on_paper() > self._room:
                    self._leave(chart, now_s)
                    return Response(503, "queue_full"), now_s
                self.paper_total += 1
        if op in self._boxed or self._is_behind(chart):
            return self._written_down(op), now_s
        return (yield from self._write(chart, request, now_s))

    def _take(self, op: int, patient: int, key: str, now_s: float) -> Chart:
        """Give an entry its number, once, and its place in the patient's line."""
        order = self._orders.setdefault(op, len(self._orders) + 1)
        chart = self._charts[op] = Chart(op, patient, key, order, now_s)
        if self.spec.in_order and self.spec.paper is not None:
            self._lines.setdefault(patient, deque()).append(op)
        return chart

    def _write(self, chart: Chart, request: AppRequest, now_s: float) -> Serving:
        done = kept = False
        try:
            result, _ = yield from self.told(self._write_of(chart), request, _CALL, now_s)
            done, now_s = self.is_done(result), result.ended_s
        finally:  # also when the caller, or the process, has gone: the write may have happened
            if done:
                self._box.settle(chart.op)
                self._confirm(chart, now_s)
            elif chart.op not in self._confirmed:
                kept = self._put_on_paper(chart, now_s)
        if chart.op in self._confirmed:
            return Response(200, "", {"chart": chart.op}), now_s
        return self._written_down(chart.op) if kept else Response(503, "dependency"), now_s

    def _put_on_paper(self, chart: Chart, now_s: float) -> bool:
        """Owe the entry from now on; False when there is no paper, or none left."""
        if chart.op in self._boxed:
            return True
        if self._on_paper() >= self._room:
            self._leave(chart, now_s)
            return False
        self.paper_total += 1
        self._hand_over(chart, now_s)
        return True

    def _hand_over(self, chart: Chart, now_s: float) -> None:
        """To the clerks: nobody's entry of this patient comes before it."""
        self._boxed.add(chart.op)
        self._box.add(chart.op, chart, now_s)

    def _confirm(self, chart: Chart, now_s: float) -> None:
        self._confirmed.add(chart.op)
        self._leave(chart, now_s)

    def _leave(self, chart: Chart, now_s: float) -> None:
        """The entry is over; the next one of the patient may be entered."""
        self._charts.pop(chart.op, None)
        self._boxed.discard(chart.op)
        line = self._lines.get(chart.patient)
        if line is None or chart.op not in line:
            return
        was_first = line[0] == chart.op
        line.remove(chart.op)
        if not line:
            del self._lines[chart.patient]
        elif was_first:
            self._hand_over(self._charts[line[0]], now_s)

    def _is_behind(self, chart: Chart) -> bool:
        """Whether an earlier entry of the patient is not confirmed."""
        line = self._lines.get(chart.patient)
        return line is not None and line[0] != chart.op

    def _on_paper(self) -> int:
        """Entries with the clerks, and behind another of their patient."""
        return len(self._boxed) + sum(len(line) - 1 for line in self._lines.values())

    def _written_down(self, op: int) -> Response:
        self.degraded_total += 1
        return Response(200, "", {"chart": op, "degraded": PAPER})

    def _write_of(self, chart: Chart) -> Request:
        record = {"op": chart.op, "of": chart.patient, "order": chart.order}
        return self.write_of("charts", chart.key, record)
