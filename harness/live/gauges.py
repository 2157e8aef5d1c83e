"""Gauge rows: every component's gauges and every process's share of a core, four times a second.

A loop of `read; sleep(0.25)` drifts by the time of its own reading, and most when the machine is busiest, which is
when the readings matter. Readings are due on an absolute grid instead:

    due_k = start + k * period;   whoever comes too late for the next point of the grid skips points, and never queues

Each component is asked on its own, so one that is slow to answer has fewer rows and costs the others none. Patience is
much longer than the period, because a service that answers late is the one whose gauges matter (its loop lag tells
why). A missing reading is a missing row: nothing is made up. The file's header lists the gauges it holds, so it is
opened at the first reading; a gauge that appears later is named once in the journal.

Own gauges: `cpu_share` of each process (processor time over wall time: 1 is one whole core) and the `host`'s
`cpu_share` (of all cores together) and `steal_share`; the orchestrator's `tick_lag_s` says how late the reading began.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import psutil
import trio

from harness.live.clock import RunClock
from harness.live.control import Readings
from harness.live.events import Emit, Tick
from harness.live.log import RunLog
from harness.record.rows import RowWriter

PERIOD_S = 0.25
PATIENCE_S = 2.0
_ASK_AGAIN_S = 0.02

_HOST_TIMES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")  # guest time is within user

Read = Callable[[str, float], Awaitable[Readings | None]]
Row = tuple[float, str, str, float]  # t_s, component, gauge, value


class CpuMeter:
    """Shares of a core used since the last reading, per process and for the host."""

    def __init__(self, pids: Mapping[str, int], now_s: float) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._used_s = {name: _used_s(process) for name, process in self._processes.items()}
        self._host = psutil.cpu_times()
        self._at_s = now_s

    def read(self, now_s: float) -> dict[tuple[str, str], float]:
        """{(component, gauge): share}; a process that has ended is left out."""
        wall_s = now_s - self._at_s
        if wall_s <= 0.0:
            return {}
        shares = {}
        for name, process in self._processes.items():
            used_s = _used_s(process)
            before_s, self._used_s[name] = self._used_s[name], used_s
            if used_s is not None and before_s is not None:
                shares[name, "cpu_share"] = (used_s - before_s) / wall_s
        host, self._host, self._at_s = self._host, psutil.cpu_times(), now_s
        spent = {field: now - then for field, now, then in zip(host._fields, self._host, host, strict=True)}
        total_s = sum(spent.get(field, 0.0) for field in _HOST_TIMES)
        if total_s > 0.0:
            shares["host", "cpu_share"] = 1.0 - (spent["idle"] + spent.get("iowait", 0.0)) / total_s
            shares["host", "steal_share"] = spent.get("steal", 0.0) / total_s
        return shares


class GaugeFile:
    """The gauge rows of a run. The first batch fixes which components and gauges the header names."""

    def __init__(self, path: Path, zero_monotonic_ns: int, log: RunLog) -> None:
        self._path = path
        self._zero_ns = zero_monotonic_ns
        self._log = log
        self._writer: RowWriter | None = None
        self._components: dict[str, int] = {}
        self._gauges: dict[str, int] = {}
        self._unknown: set[tuple[str, str]] = set()

    def write(self, rows: Sequence[Row]) -> None:
        """Append readings and hand them to the operating system; none are no reason to open the file."""
        if not rows:
            return
        if self._writer is None:
            self._components = {name: i for i, name in enumerate(dict.fromkeys(row[1] for row in rows))}
            self._gauges = {name: i for i, name in enumerate(sorted({row[2] for row in rows}))}
            names = {"component": list(self._components), "gauge": list(self._gauges)}
            self._writer = RowWriter(self._path, "gauge", "orchestrator", self._zero_ns, names)
        for t_s, component, gauge, value in rows:
            if component in self._components and gauge in self._gauges:
                self._writer.add(round(t_s * 1e9), self._components[component], self._gauges[gauge], value)
            elif (component, gauge) not in self._unknown:
                self._unknown.add((component, gauge))
                text = f"gauge {component}.{gauge} appeared after the first reading and is not recorded"
                self._log.write("note", text=text)
        self._writer.flush()

    def close(self) -> None:
        """Write the closing count."""
        if self._writer is not None:
            self._writer.close()


class Inbox:
    """Answers as they come: those not yet written, and each component's latest."""

    def __init__(self, components: Sequence[str]) -> None:
        self.new: list[tuple[str, Readings]] = []
        self.latest: dict[str, Readings] = {}
        self.all_began = trio.Event()  # every component has answered once
        self._silent = set(components)

    def put(self, component: str, answer: Readings) -> None:
        """Take an answer in."""
        self.new.append((component, answer))
        self.latest[component] = answer
        self._silent.discard(component)
        if not self._silent:
            self.all_began.set()

    def fresh(self, now_s: float) -> dict[tuple[str, str], float]:
        """Each component's latest gauges, unless they are older than PATIENCE_S."""
        fresh = {who: answer for who, answer in self.latest.items() if now_s - answer.t_s <= PATIENCE_S}
        return {(who, gauge): value for who, answer in fresh.items() for gauge, value in answer.gauges.items()}

    def take(self) -> list[Row]:
        """The rows of all answers not taken before."""
        rows = [(answer.t_s, who, gauge, value) for who, answer in self.new for gauge, value in answer.gauges.items()]
        self.new.clear()
        return rows


async def sample(
    components: Sequence[str], read: Read, meter: CpuMeter, file: GaugeFile, clock: RunClock, start_s: float, emit: Emit
) -> None:
    """Read all gauges from `start_s` on, for ever; what came is written, and emitted as a Tick, every PERIOD_S.

    The first writing waits until every component has answered (at most PATIENCE_S), so the header knows all gauges.
    """
    inbox = Inbox(components)
    try:
        async with trio.open_nursery() as nursery:
            for component in components:
                nursery.start_soon(_follow, component, read, clock, start_s, inbox)
            await clock.sleep_until_s(start_s)
            with trio.move_on_after(PATIENCE_S):
                await inbox.all_began.wait()
            while True:
                due_s = _next_s(clock.now_s(), start_s)
                await clock.sleep_until_s(due_s)
                now_s = clock.now_s()
                own = {**meter.read(now_s), ("orchestrator", "tick_lag_s"): now_s - due_s}
                file.write([*inbox.take(), *((now_s, who, gauge, value) for (who, gauge), value in own.items())])
                emit(Tick(now_s, {**inbox.fresh(now_s), **own}))
    finally:
        file.write(inbox.take())


async def _follow(component: str, read: Read, clock: RunClock, start_s: float, inbox: Inbox) -> None:
    """Ask one component at every point of the grid that it leaves time for."""
    due_s = start_s
    while True:
        await clock.sleep_until_s(due_s)
        answer = await read(component, PATIENCE_S)
        if answer is not None:
            inbox.put(component, answer)
            due_s = _next_s(clock.now_s(), start_s)
        elif component in inbox.latest:
            due_s = _next_s(clock.now_s(), start_s)
        else:  # it has not begun yet: the header waits for it
            due_s = clock.now_s() + _ASK_AGAIN_S


def _next_s(now_s: float, start_s: float) -> float:
    """The first point of the grid after now."""
    return start_s + (math.floor((now_s - start_s) / PERIOD_S + 1e-9) + 1) * PERIOD_S


def _used_s(process: psutil.Process) -> float | None:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return None
    return float(times.user + times.system)
