"""The kernel: the request path compiled, for the thousands of runs of a sweep.

The world says what happened in one run, in objects, at some ten thousand attempts a second. A sweep asks where the
tipping point lies, and needs millions. So the event loop, the line and the retry loop are written once more, over
tables of numbers (`kernel_*.py`), and every decision in them is a policy's own step, compiled. World and kernel agree
row for row on every plan that both can run.

    run_kernel(plan) -> KernelRows       operation, attempt and served rows, as the world writes them
    run_summary(plan) -> Summary         counts per window only: memory grows with the work in flight
    why_not(plan)                        what the kernel cannot express

`rows_of` and `summary_of` take a `Model` instead, for questions that no experiment file asks. Compiling takes seconds,
once per combination of policy types; settings do not matter, and the result is kept on disk (`kernel_jit`).

Leaves out: apps between caller and store, hedging, lines by rank, names that do not resolve. `blackstart simulate`
has them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness import seeds
from harness.errors import RunError, SpecError
from harness.plan import Plan
from harness.policies.entry import steps_of
from harness.policies.server import admission_steps, drop_steps
from harness.sim import kernel_state as k
from harness.sim.heap import PENDING_MAX
from harness.sim.kernel_draws import opening
from harness.sim.kernel_loop import MORE_DUE, OVER, close, play
from harness.sim.kernel_plan import DISTRIBUTIONS, Edge, Model, model_of, order_of, refusal_of, why_not
from harness.sim.kernel_steps import NO_ADMISSION, NO_BUDGET, canonical
from harness.sim.network import Delays

__all__ = [
    "Edge",
    "KernelRows",
    "Model",
    "Summary",
    "model_of",
    "rows_of",
    "run_kernel",
    "run_summary",
    "summary_of",
    "why_not",
]

_SOME: Final = 256  # rows at first; tables double
_PART: Final = 1 << 16  # operations given to the loop at a time
BLOCK: Final = 1024  # as in harness.plan; a test compares the arrivals


class KernelRows(NamedTuple):
    """Structured arrays with the layouts of `harness.record.layouts`, in the order in which a world writes them."""

    operation: NDArray[Any]
    attempt: NDArray[Any]
    served: NDArray[Any]


class Summary(NamedTuple):
    """One run, counted. `windows` is a structured array, one row per `window_s`:

    due good late failed throttled unfinished    operations, by intended start
    attempts                                     attempts, by the time they were sent
    began delay_s                                jobs that ended by now, by the start of service; their waits summed
    queue orbit open                             at the window's end: jobs in line, calls between attempts, calls open
    """

    window_s: float
    windows: NDArray[Any]
    attempts: int
    events: int


def run_kernel(plan: Plan, delays: Delays | None = None) -> KernelRows:
    """All rows of one run. Raises SpecError, saying which part, for a plan the kernel cannot express."""
    return rows_of(_checked(plan, delays))


def run_summary(plan: Plan, window_s: float = 1.0, delays: Delays | None = None) -> Summary:
    """The counts of one run in windows of `window_s`. Raises SpecError as `run_kernel` does."""
    return summary_of(_checked(plan, delays), window_s)


def rows_of(model: Model) -> KernelRows:
    """All rows of one run."""
    rows, _, _ = _play(model, 1, model.end_s)
    return KernelRows(*rows)


def summary_of(model: Model, window_s: float = 1.0) -> Summary:
    """The counts of one run. Raises ValueError unless the window is above 0 s."""
    if not window_s > 0.0:
        raise ValueError(f"window: {window_s:g} s; it must be above 0 s")
    _, now, windows = _play(model, 0, window_s)
    return Summary(window_s, windows, int(now["attempts"]), int(now["events"]))


def _checked(plan: Plan, delays: Delays | None) -> Model:
    reason = why_not(plan)
    if reason is not None:
        raise SpecError(reason)
    return model_of(plan, delays)


def _play(model: Model, keep_rows: int, window_s: float) -> tuple[tuple[NDArray[Any], ...], Any, NDArray[Any]]:
    station = model.station
    problem = station.complaint()
    if problem is not None:
        raise ValueError(f"station: {problem}")
    admission = station.server.admission or NO_ADMISSION
    client = model.client._replace(budget=model.client.budget or NO_BUDGET)
    specs = tuple(map(canonical, (client.backoff, client.budget, client.breaker, client.limiter)))
    server = tuple(map(canonical, (admission, station.server.drop)))
    calls = tuple(None if spec is None else canonical(steps_of(spec).start(spec, 0.0)) for spec in specs[1:])
    drop = station.server.drop
    state = (
        canonical(admission_steps(admission).start(server[0], 0.0)),
        None if drop is None else canonical(drop_steps(drop).start(server[1], 0.0)),
    )
    now = np.zeros(1, k.NOW)
    _set(now, mean_s=station.mean_s, slowdown=1.0, wake_s=math.inf, dns_until_s=-math.inf, slots=station.slots)
    _set(now, window_end_s=window_s)
    _set(now, **dict.fromkeys(("line_first", "line_last", "timer_first", "timer_last", "road_first", "road_last"), -1))
    _set(now, **dict.fromkeys(("connect_first", "connect_last", "found_first", "found_last", "asking_first"), -1))
    _set(now, **dict.fromkeys(("asking_last", "done_first", "done_last", "left_first"), -1))
    edges = np.zeros(len(model.edges), k.EDGE)
    for number, edge in enumerate(model.edges):
        _set(edges[number], **edge._asdict())
    run = _Run(
        now, _rules(model, client, keep_rows, window_s), edges, specs, server,
        [np.zeros(_SOME, dtype) for dtype in (k.EXCHANGE, k.TALK, k.TIMED, k.END)] + [np.zeros(_SOME)],
        [np.zeros(_SOME if keep_rows else 1, dtype) for dtype in (k.OPERATION_ROW, k.ATTEMPT_ROW, k.SERVED_ROW)],
        np.zeros(max(1, math.ceil(model.end_s / window_s)), k.WINDOW),
    )  # fmt: skip
    run.play(arrivals(model), calls, state)
    written = (int(now["operations"][0]), int(now["attempts"][0]), int(now["served"][0]))
    rows = tuple(table[:count] for table, count in zip(run.rows, written, strict=True)) if keep_rows else ()
    return rows, now[0], run.windows


class _Run:
    """The tables of one run, and what the loop wants from outside: more room, and the next operations."""

    def __init__(
        self, now: Any, rules: Any, edges: Any, client: Any, server: Any, tables: Any, rows: Any, windows: Any
    ) -> None:
        self.now, self.rules, self.edges = now, rules, edges
        self.client, self.server = client, server
        self.tables, self.rows, self.windows = tables, rows, windows
        self._link(0, "free_exchange", 0)
        self._link(1, "free_talk", 0)

    def play(self, blocks: Iterator[NDArray[np.float64]], calls: Any, state: Any) -> None:
        """Play the run to the end of its drain."""
        due = next(blocks, _NONE_DUE)
        while True:
            said, calls, state = play(
                self.now, self.rules, self.edges, due, self.client, calls, self.server, state, tuple(self.tables),
                tuple(self.rows), self.windows,
            )  # fmt: skip
            if said == OVER:
                break
            if said == MORE_DUE:
                due = next(blocks, _NONE_DUE)
                self.now["due"] = 0
            else:
                self._make_room(int(self.now["in_exchanges"][0]) + 4)
        xs, ts = self.tables[0], self.tables[1]
        open_ = np.flatnonzero(ts["state"] != k.FREE)
        inside = np.flatnonzero(xs["job"] != k.NOWHERE)
        self._make_room(open_.size + inside.size + 4)
        close(
            self.now, self.rules, xs, ts, open_[np.argsort(ts["op"][open_])], inside[np.argsort(xs["number"][inside])],
            tuple(self.rows), self.windows,
        )  # fmt: skip

    def _make_room(self, more: int) -> None:
        now = self.now[0]
        if now["in_exchanges"] > PENDING_MAX:
            raise RunError(
                f"kernel: {now['in_exchanges']} attempts are under way at {now['now_s']:.3f} s, the most allowed is "
                f"{PENDING_MAX}; look for a retry storm without end, or shorten the run"
            )
        xs, ts, timed, ends, idle = range(5)
        if now["free_exchange"] < 0:
            self.tables[idle] = _doubled(self.tables[idle])
            self._grow_linked(xs, "free_exchange")
        if now["free_talk"] < 0:
            self._grow_linked(ts, "free_talk")
        for number, used in ((timed, now["timed"]), (ends, now["ends"] + now["waiting"])):
            while used + 2 > self.tables[number].size:
                self.tables[number] = _doubled(self.tables[number])
        if self.rules["keep_rows"][0]:
            for number, used in enumerate((now["operations"], now["attempts"], now["served"])):
                while used + more > self.rows[number].size:
                    self.rows[number] = _doubled(self.rows[number])

    def _grow_linked(self, number: int, first: str) -> None:
        held = self.tables[number].size
        self.tables[number] = _doubled(self.tables[number])
        self._link(number, first, held)

    def _link(self, number: int, first: str, held: int) -> None:
        """Thread the slots from `held` on into the list of free ones, which is empty."""
        table = self.tables[number]
        table["free_after"][held:] = np.arange(held + 1, table.size + 1)
        table["free_after"][-1] = -1
        self.now[first] = held


_NONE_DUE: Final = np.zeros(0)


def _doubled(table: NDArray[Any]) -> NDArray[Any]:
    wider = np.zeros(2 * table.size, table.dtype)
    wider.view(np.uint8)[: table.nbytes] = table.view(np.uint8)  # as bytes: by fields it takes ten times as long
    return wider


def arrivals(model: Model) -> Iterator[NDArray[np.float64]]:
    """The moments of `harness.plan.arrivals_s`, a part at a time, so that a long load is never held whole."""
    if model.due_s is not None:
        if model.due_s.size:
            yield np.ascontiguousarray(model.due_s, np.float64)
        return
    generator = np.random.Generator(np.random.PCG64(seeds.mix(model.seed, seeds.stream_id(f"arrivals/{model.story}"))))
    begun, last_s = 0, 0.0
    while True:
        if model.process == "even":
            part = np.arange(begun, begun + _PART) / model.rate_per_s
            begun += _PART
        else:  # sums within blocks, as the plan has them, or the last bits differ
            blocks = []
            for _ in range(max(1, min(_PART, round(model.load_end_s * model.rate_per_s)) // BLOCK)):
                blocks.append(last_s + np.cumsum(generator.exponential(1.0 / model.rate_per_s, BLOCK)))
                last_s = float(blocks[-1][-1])
            part = np.concatenate(blocks)
        kept = part[part < model.load_end_s]
        if kept.size:
            yield kept
        if kept.size < part.size:
            return


def _set(table: Any, **columns: Any) -> None:
    for name, value in columns.items():
        table[name] = value


def _rules(model: Model, client: Any, keep_rows: int, window_s: float) -> NDArray[Any]:
    station, seed = model.station, model.seed
    admission = admission_steps(station.server.admission or NO_ADMISSION)
    refusal, status = refusal_of(admission.refusal)
    order, lifo_after_s = order_of(station.server.discipline)
    name = f"load/{model.story}"
    rules = np.zeros(1, k.RULES)
    _set(
        rules, end_s=model.end_s, window_s=window_s, timeout_s=client.timeout_s, deadline_s=client.deadline_s,
        one_way_s=model.delays.one_way_s, query_s=model.delays.query_s, connect_s=model.delays.connect_s,
        max_age_s=model.max_age_s, dns_keep_s=model.dns_keep_s, mean_s=station.mean_s, lifo_after_s=lifo_after_s,
        attempts=client.attempts, propagate=client.propagate_deadline, late=model.late_replies,
        cancellation=station.cancellation, at_acceptance=station.service_draw == "acceptance", silent=model.silent,
        distribution=DISTRIBUTIONS[station.distribution], order=order, slots=station.slots, refusal=refusal,
        refusal_status=status, admission_draws=admission.draws, keep_rows=keep_rows, app=model.app, target=model.app,
        service=opening(seed, seeds.stream_id("service")), backoff=opening(seed, seeds.stream_id(f"backoff/{name}")),
        limiter=opening(seed, seeds.stream_id(f"limiter/{name}")) if client.limiter is not None else 0,
        admission=opening(seed, seeds.stream_id("admission")), errors=opening(seed, seeds.stream_id("fault/errors")),
        age=opening(seed, seeds.stream_id("connection/age")),
    )  # fmt: skip
    return rules
