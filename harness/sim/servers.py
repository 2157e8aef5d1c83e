"""The table store in virtual time: the same station and tables as live, with the heap where aiohttp stands.

The work happens when the station says Done, also for callers who have gone. The server writes the served rows that its
live twin writes, and offers faults and actions under the same names. What it must not do is decide anything: a decision
here would be a second implementation. All other components are hosted (`host.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from harness.flows.wants import Cause
from harness.models.station import Done, Station
from harness.models.store_controls import StoreControls
from harness.models.table import TableStore
from harness.record.rows import RowWriter
from harness.sim.heap import Heap, Ticket, cancel
from harness.sim.network import Exchange

Params = Mapping[str, Any]
Switch = tuple[Callable[[Params], None], Callable[[], None]]  # inject, heal
_NO_CAUSE = Cause.NONE
_INF = math.inf


def _ns(at_s: float) -> int:
    return -1 if math.isnan(at_s) else round(at_s * 1e9)


class StoreServer:
    """The component `kv`: one station, one set of tables."""

    def __init__(
        self, heap: Heap, station: Station, seed: int, max_age_s: float, silent: bool, rows: RowWriter
    ) -> None:
        self.max_age_s = max_age_s
        self.down = False
        self.since_s = -math.inf
        self.station = station
        self.table = TableStore()
        self._heap = heap
        self._silent = silent
        self._rows = rows
        self._inside: dict[int, Exchange] = {}
        self._wake: Ticket | None = None
        self._wake_s = math.inf  # when it rings; inf when it does not
        self._controls = StoreControls(station, seed)
        self._erring = False  # the error fault is on
        self._deaf = False  # the partition fault keeps everything from it
        self.faults = {
            **{name: self._fault(name) for name in ("latency", "capacity", "errors")},
            "crash": (self._crash, self._restart),
            "partition": (lambda params: self._cut_off(True), lambda: self._cut_off(False)),
        }
        self.actions: dict[str, Callable[[Params], object]] = {
            "drop_queue": self._drop_queue,
            **{name: self._action(name) for name in ("add_capacity", "throttle_intake", "open_intake")},
        }

    def arrive(self, exchange: Exchange) -> None:
        """Offer the request to the station."""
        _, _, attempt, _, _, _, n, _, deadline_s, criticality = exchange.want
        now_s = self._heap.now_s
        if self._deaf:
            return
        if self.down:
            exchange.break_off()
            return
        if self._erring and self._controls.hits(attempt):
            self._row(attempt, now_s, math.nan, now_s, 0.0, exchange)
            exchange.fail(Cause.INJECTED)
            return
        cause = self.station.offer(attempt, now_s, deadline_s, criticality, 0, n == 0)
        if cause is _NO_CAUSE:
            self._inside[attempt] = exchange
        else:
            self._row(attempt, now_s, math.nan, now_s, 0.0, exchange)
            if not self._silent:
                exchange.fail(cause)
        self._settle()

    def gave_up(self, exchange: Exchange) -> None:
        """Tell the station; only with the convention `cancellation` does it change anything."""
        if self.station.spec.cancellation:
            done = self.station.cancel(exchange.want.attempt_id, self._heap.now_s)
            if done is not None:
                self._done(done)
        self._settle()

    def gauges(self, now_s: float) -> dict[str, float]:
        """The station's readings."""
        return {**self.station.gauges(now_s), "items": float(self.table.items())}

    def export(self) -> dict[str, Any]:
        """Tables and effect log."""
        return self.table.export()

    def close(self) -> None:
        """Write the rows of what is still inside."""
        for attempt, exchange in self._inside.items():
            self._rows.add(attempt, 0, _ns(exchange.arrived_s), -1, -1, 0, int(exchange.gone))
        self._inside.clear()

    def _woken(self) -> None:
        self._wake = None
        self._wake_s = _INF
        for done in self.station.advance(self._heap.now_s):
            self._done(done)
        self._arm(self.station.next_event_s())

    def _settle(self) -> None:
        now_s = self._heap.now_s
        next_s = self.station.next_event_s()
        if next_s <= now_s:
            for done in self.station.advance(now_s):
                self._done(done)
            next_s = self.station.next_event_s()
        if next_s != self._wake_s:
            self._arm(next_s)

    def _arm(self, next_s: float) -> None:
        if self._wake is not None:
            cancel(self._wake)
        self._wake = self._heap.at(next_s, self._woken) if next_s < _INF else None
        self._wake_s = next_s

    def _done(self, done: Done) -> None:
        attempt, cause, arrived_s, began_s, ended_s, service_s = done
        exchange = self._inside.pop(attempt)
        if cause is _NO_CAUSE:
            self._rows.add(
                attempt, 0, round(arrived_s * 1e9), round(began_s * 1e9), round(ended_s * 1e9),
                round(service_s * 1e9), exchange.gone,
            )  # fmt: skip
            operation, params, _ = exchange.want[1]
            status, _, body = self.table.perform(operation, params, attempt, ended_s)
            if status == 200:
                exchange.reply(body)
            else:
                exchange.fail(Cause.CONFLICT if status == 409 else Cause.SERVER_ERROR, status=status)
            return
        self._row(attempt, arrived_s, began_s, ended_s, service_s, exchange)
        if not self._silent:
            exchange.fail(Cause.DROPPED)

    def _row(
        self, attempt: int, arrived_s: float, began_s: float, ended_s: float, service_s: float, exchange: Exchange
    ) -> None:
        self._rows.add(attempt, 0, _ns(arrived_s), _ns(began_s), _ns(ended_s), _ns(service_s), int(exchange.gone))

    def _fault(self, name: str) -> Switch:
        def on(params: Params) -> None:
            self._controls.on[name](params, self._heap.now_s)
            self._erring = self._erring or name == "errors"
            self._settle()

        def off() -> None:
            self._controls.off[name](self._heap.now_s)
            self._settle()

        return on, off

    def _crash(self, params: Params) -> None:
        """All work inside is lost, also that in the slots; tables were written down."""
        now_s = self._heap.now_s
        self._settle()
        self.down, self.since_s = True, now_s
        self.station.lose_all(now_s)
        for attempt, exchange in self._inside.items():
            self._rows.add(attempt, 0, _ns(exchange.arrived_s), -1, _ns(now_s), 0, 1)
            exchange.break_off()
        self._inside.clear()
        self._settle()

    def _restart(self) -> None:
        self.down = False

    def _cut_off(self, deaf: bool) -> None:
        self._deaf = deaf

    def _drop_queue(self, params: Params) -> dict[str, int]:
        dropped = self._controls.drop_queue(self._heap.now_s)
        for done in dropped:
            self._done(done)
        self._settle()
        return {"dropped": len(dropped)}

    def _action(self, name: str) -> Callable[[Params], object]:
        def act(params: Params) -> object:
            found = self._controls.act[name](params, self._heap.now_s)
            self._settle()
            return found

        return act
