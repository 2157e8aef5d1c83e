"""From a plan to the numbers the kernel runs on, and which plans it cannot run.

The kernel knows one shape of system: callers with an open-loop load, any composition of the scalar client policies,
connections with names behind them, and one station with its server policies. `why_not` says what else a file asks for.

    model = model_of(plan)        or a Model written by hand: any arrivals, delays and edges
    why_not(plan)                 None, or a sentence that names the part and what runs it

Source of each number is the object the world would be built from, so the two cannot be configured apart.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness import build
from harness.flows.stories import kv_reads
from harness.flows.wants import Cause
from harness.flows.wire import STATUS_OF
from harness.models.station import StationSpec
from harness.plan import Plan
from harness.policies import resolver
from harness.policies.client import ClientSpec
from harness.policies.discipline import AdaptiveLifoSpec, FifoSpec, LifoSpec
from harness.sim import kernel_state as k
from harness.sim.network import Delays
from harness.timeline import edges
from harness.units import duration_s, fraction

_STORY: Final = kv_reads.STORY.name
_ORDERS: Final = {FifoSpec: k.FIFO, LifoSpec: k.LIFO, AdaptiveLifoSpec: k.ADAPTIVE_LIFO}
DISTRIBUTIONS: Final = {"exponential": k.EXPONENTIAL, "fixed": k.FIXED, "weibull": k.WEIBULL}

_DEEDS: Final = ("latency", "capacity", "errors", "drop_queue", "add_capacity")


class Edge(NamedTuple):
    """One thing that happens to the station. `deed` is a code of kernel_state, and says what `value` is: the mean
    service time in seconds (SET_SPEED), the number of slots, the share of errors, or nothing (DROP_QUEUE).
    """

    at_s: float
    deed: int
    value: float = 0.0
    factor: float = 1.0  # SET_SPEED only: service times are this much longer


class Model(NamedTuple):
    """All that decides a run. `due_s` overrides `process` and `rate_per_s` with given moments, ascending."""

    seed: int
    client: ClientSpec
    station: StationSpec
    rate_per_s: float
    load_end_s: float
    end_s: float
    process: str = "poisson"  # or "even"
    due_s: NDArray[np.float64] | None = None
    late_replies: bool = False
    silent: bool = False
    edges: tuple[Edge, ...] = ()
    delays: Delays = Delays()
    max_age_s: float = math.inf  # of connections
    dns_keep_s: float = math.inf  # how long an address is kept
    story: str = _STORY  # keys the draws of arrivals and backoff
    app: int = 0  # the station's number in rows
    station_name: str = "kv"


def why_not(plan: Plan) -> str | None:
    """Which part of the experiment the kernel cannot express, and what can; None when it can express all of it."""
    experiment = plan.experiment
    if plan.stories != (_STORY,):
        return _no("load", f"it plays the story {_STORY} and no other; here are: {', '.join(plan.stories)}")
    if experiment.region.kv is None:
        return _no("region.kv", "there is no table store to read from")
    if experiment.load[_STORY].client.hedge is not None:
        return _no(f"load.{_STORY}.client.hedge", "it sends one copy of an attempt")
    server = experiment.region.kv.server()
    if type(server.discipline) not in _ORDERS:
        return _no("region.kv.discipline", "its line is fifo, lifo or adaptive_lifo")
    if server.priority is not None:
        return _no("region.kv.priority", "it has one line")
    if any(event.when is not None for event in plan.timeline):
        return _no("timeline", "it reads no gauges while it runs, so no entry can wait for a `when`")
    for due in edges(plan):
        if due.component != "kv" or due.name not in _DEEDS:
            return _no("timeline", f"{due.what} is not among kv's {', '.join(_DEEDS)}")
    return None


def _no(where: str, reason: str) -> str:
    return f"{where}: the kernel cannot express this ({reason}); run it with `blackstart simulate`"


def model_of(plan: Plan, delays: Delays | None = None) -> Model:
    """The model of a plan for which `why_not` is None."""
    experiment = plan.experiment
    kv, load = experiment.region.kv, experiment.load[_STORY]
    assert kv is not None, "why_not was asked"
    conventions = experiment.conventions
    station = build.station_spec(kv, conventions)
    return Model(
        seed=plan.seed,
        client=load.client.policy(),
        station=station,
        rate_per_s=load.arrivals.rate_per_s,
        load_end_s=plan.load_end_s,
        end_s=plan.end_s,
        process=load.arrivals.process,
        late_replies=conventions.late_replies,
        silent=conventions.refusal == "silent",
        edges=_edges(plan, station),
        delays=delays or Delays(),
        max_age_s=kv.connection.max_age_s or math.inf,
        dns_keep_s=_dns_keep_s(plan),
        app=list(plan.components).index("kv"),
    )


def _dns_keep_s(plan: Plan) -> float:
    experiment = plan.experiment
    spec = build.resolver_spec(experiment.client.resolver)
    ttl_s = math.inf if experiment.region.dns is None else experiment.region.dns.ttl_s
    return resolver.keep_s(spec, resolver.FOUND, ttl_s, math.nan, ttl_s)


def _edges(plan: Plan, station: StationSpec) -> tuple[Edge, ...]:
    """The timeline as `models/store_controls.py` performs it: a fault replaces the one before, a heal restores."""
    found: list[Edge] = []
    slots, fault = station.slots, -1
    for due in edges(plan):
        on = due.deed == "inject"
        match due.name:
            case "latency":
                mean_s = duration_s(due.params["mean"]) if on and "mean" in due.params else station.mean_s
                factor = float(due.params["factor"]) if on and "factor" in due.params else 1.0
                found.append(Edge(due.at_s, k.SET_SPEED, mean_s, factor))
            case "errors":
                found.append(Edge(due.at_s, k.SET_ERRORS, fraction(due.params["share"]) if on else 0.0))
            case "drop_queue":
                found.append(Edge(due.at_s, k.DROP_QUEUE))
            case "capacity" | "add_capacity":
                if due.name == "capacity":
                    fault = int(due.params["slots"]) if on else -1
                else:
                    slots += int(due.params["slots"])
                found.append(Edge(due.at_s, k.SET_SLOTS, float(slots if fault < 0 else fault)))
            case _:
                raise AssertionError(f"{due.what}: why_not was asked, and the kernel has no such thing")
    return tuple(found)


def refusal_of(text: str) -> tuple[int, int]:
    """Cause and status of a refusal by an admission rule that calls it so."""
    cause = Cause.QUEUE_FULL if text == "queue_full" else Cause.THROTTLED
    return int(cause), STATUS_OF[cause]


def order_of(discipline: Any) -> tuple[int, float]:
    """The code of a line's order, and the time after which adaptive LIFO turns."""
    return _ORDERS[type(discipline)], float(getattr(discipline, "interval_s", 0.0))
