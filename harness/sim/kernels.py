"""The kernel: the request path compiled, for the thousands of runs of a sweep.

The world says what happened in one run, in objects, at some ten thousand attempts a second. A sweep asks where the
tipping point lies, and needs millions. So the event loop, the line and the retry loop are written once more, over
tables of numbers (`kernel_*.py`), and every decision in them is a policy's own step, compiled. World and kernel agree
row for row on every plan that both can run.

    run_kernel(plan) -> KernelRows       operation, attempt and served rows, as the world writes them
    run_summary(plan) -> Summary         counts per window only: memory grows with the work in flight
    why_not(plan)                  what the kernel cannot express

`rows_of` and `summary_of` take a `Model` instead, for questions that no experiment file asks. Compiling takes seconds,
once per combination of policy types; settings do not matter, and the result is kept on disk (`kernel_jit`).

Leaves out: more than one story and one app, hedging, lines by rank. `blackstart simulate` has them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numpy.typing import NDArray

from harness.errors import SpecError
from harness.plan import Plan
from harness.policies.client import ClientSpec
from harness.policies.entry import steps_of
from harness.policies.server import admission_steps, drop_steps
from harness.sim import kernel_state as k
from harness.sim.kernel_arrivals import arrivals
from harness.sim.kernel_model import AppModel, Edge, Model, Names
from harness.sim.kernel_plan import model_of, why_not
from harness.sim.kernel_run import Run
from harness.sim.kernel_setup import app_tables_of, tables_of
from harness.sim.kernel_steps import NO_ADMISSION, NO_BUDGET, canonical
from harness.sim.network import Delays

__all__ = [
    "AppModel",
    "Edge",
    "KernelRows",
    "Model",
    "Names",
    "Summary",
    "model_of",
    "rows_of",
    "run_kernel",
    "run_summary",
    "summary_of",
    "why_not",
]


class KernelRows(NamedTuple):
    """Structured arrays with the layouts of `harness.record.layouts`, in the order in which a world writes them; the
    last two are what an app between callers and store writes, empty without one."""

    operation: NDArray[Any]
    attempt: NDArray[Any]
    served: NDArray[Any]
    app_attempt: NDArray[Any]
    app_served: NDArray[Any]


class Summary(NamedTuple):
    """One run, counted. `windows` is a structured array, one row per `window_s`:

    due good late failed throttled unfinished    operations, by intended start
    attempts                                     attempts of the callers, by the time they were sent
    began delay_s                                jobs that ended by now, by the start of service; their waits summed
    queue orbit open                             at the window's end: jobs in line, calls between attempts, calls open
    app_first_tries app_attempts                 attempts of the app, by the time they were sent
    app_orbit outbox                             at the window's end: the app's calls between attempts, what it owes

    `attempts` are all attempts, of callers and app; `first_empty_s` is when a name server first answered one of them
    without addresses, inf for never.
    """

    window_s: float
    windows: NDArray[Any]
    attempts: int
    events: int
    first_empty_s: float = math.inf


def run_kernel(plan: Plan, delays: Delays | None = None) -> KernelRows:
    """All rows of one run. Raises SpecError, saying which part, for a plan the kernel cannot express."""
    return rows_of(_checked(plan, delays))


def run_summary(plan: Plan, window_s: float = 1.0, delays: Delays | None = None) -> Summary:
    """The counts of one run in windows of `window_s`. Raises SpecError as `run_kernel` does."""
    return summary_of(_checked(plan, delays), window_s)


def rows_of(model: Model) -> KernelRows:
    """All rows of one run."""
    return KernelRows(*_play(model, 1, model.end_s).rows())


def summary_of(model: Model, window_s: float = 1.0) -> Summary:
    """The counts of one run. Raises ValueError unless the window is above 0 s."""
    if not window_s > 0.0:
        raise ValueError(f"window: {window_s:g} s; it must be above 0 s")
    run = _play(model, 0, window_s)
    return Summary(window_s, run.tables["windows"], run.attempts(), int(run.now["events"]), run.first_empty_s())


def _checked(plan: Plan, delays: Delays | None) -> Model:
    reason = why_not(plan)
    if reason is not None:
        raise SpecError(reason)
    return model_of(plan, delays)


def _play(model: Model, keep_rows: int, window_s: float) -> Run:
    station, inner = model.station, model.inner
    problem = station.complaint()
    if problem is not None:
        raise ValueError(f"station: {problem}")
    admission, drop = _admission(station.server.admission), canonical(station.server.drop)
    drop_state = None if drop is None else canonical(drop_steps(drop).start(drop, 0.0))
    run = Run(tables_of(model, keep_rows, window_s), app_tables_of(model, inner, keep_rows) if inner else None)
    app = None if inner is None else (*_client(inner.spec.client), *_admission(inner.spec.admission))
    run.play(arrivals(model), _client(model.client), ((admission[0], drop), (admission[1], drop_state)), app)
    return run


def _client(client: ClientSpec) -> tuple[k.ClientSpecs, k.ClientStates]:
    """The rules of a client, and what they remember at the start."""
    found = (client.backoff, client.budget or NO_BUDGET, client.breaker, client.limiter)
    specs = k.ClientSpecs(*map(canonical, found))
    states = (None if spec is None else canonical(steps_of(spec).start(spec, 0.0)) for spec in specs[1:])
    return specs, k.ClientStates(*states)


def _admission(spec: Any) -> tuple[Any, Any]:
    """An admission rule, and what it remembers at the start."""
    spec = canonical(spec or NO_ADMISSION)
    return spec, canonical(admission_steps(spec).start(spec, 0.0))
