"""Gauge rows: every component's gauges and every process's share of a core, four times a second.

A loop of `read; sleep(0.25)` drifts by the time of its own reading, and most when the machine is busiest, which is
when the readings matter. Readings are due on an absolute grid instead:

    due_k = start + k * period;   a reading too late for the next point of the grid skips points, it never queues

All components are asked side by side with a patience shorter than the period, so one stalled service costs its own row
only. A missing reading is a missing row: nothing is made up. The file's header lists the gauges it holds, so it is
opened at the first reading; a gauge that appears later is named once in the journal.

Own gauges: `cpu_share` of each process (processor time over wall time: 1 is one whole core) and the `host`'s
`cpu_share` (of all cores together) and `steal_share`; the orchestrator's `tick_lag_s` says how late the reading began.
"""

from __future__ import annotations

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
PATIENCE_S = 0.2  # shorter than the period, so that readings never overlap

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
        """Append the readings of one moment and hand them to the operating system."""
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


async def sample(
    components: Sequence[str],
    read: Read,
    meter: CpuMeter,
    file: GaugeFile,
    clock: RunClock,
    start_s: float,
    emit: Emit,
) -> None:
    """Read all gauges at `start_s + k * PERIOD_S`, for ever. Each moment is written, then emitted as a Tick.

    The first moment waits until every component has answered (at most 2 s), so that the header knows every gauge.
    """
    k, first = 0, True
    while True:
        due_s = start_s + k * PERIOD_S
        await clock.sleep_until_s(due_s)
        lag_s = clock.now_s() - due_s
        answers = await _ask_all(components, read, patience_s=2.0 if first else PATIENCE_S, persist=first)
        first = False
        now_s = clock.now_s()
        rows = [(a.t_s, name, gauge, value) for name, a in answers.items() for gauge, value in a.gauges.items()]
        own = {**meter.read(now_s), ("orchestrator", "tick_lag_s"): lag_s}
        rows += [(now_s, name, gauge, value) for (name, gauge), value in own.items()]
        file.write(rows)
        emit(Tick(now_s, {(name, gauge): value for _, name, gauge, value in rows}))
        k = max(k + 1, int((now_s - start_s) / PERIOD_S) + 1)


async def _ask_all(components: Sequence[str], read: Read, patience_s: float, persist: bool) -> dict[str, Readings]:
    answers: dict[str, Readings] = {}

    async def ask(component: str) -> None:
        answer = await read(component, patience_s)
        while answer is None and persist:
            await trio.sleep(0.02)
            answer = await read(component, patience_s)
        if answer is not None:
            answers[component] = answer

    with trio.move_on_after(patience_s):
        async with trio.open_nursery() as nursery:
            for component in components:
                nursery.start_soon(ask, component)
    return {component: answers[component] for component in components if component in answers}


def _used_s(process: psutil.Process) -> float | None:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return None
    return float(times.user + times.system)
