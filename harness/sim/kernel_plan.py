"""From a plan to the numbers the kernel runs on, and which plans it cannot run.

The kernel knows two shapes of system. Callers with an open-loop load and any composition of the scalar client policies
ask a station with its server policies, or they ask an app, which makes the calls of its operations to that station
through a client of its own. `why_not` says what else a file asks for.

    model = model_of(plan)        the Model of it
    why_not(plan)                 None, or a sentence that names the part and what runs it

Source of each number is the object the world would be built from, so the two cannot be configured apart.
"""

from __future__ import annotations

import math
from typing import Any, Final

from harness import build
from harness.build.mobile_banking import spec_of as banking_spec
from harness.flows.stories import kv_reads, mobile_banking
from harness.flows.wants import Cause
from harness.flows.wire import STATUS_OF
from harness.models.apps.mobile_banking import STORE
from harness.models.dns_cache import Answer
from harness.models.station import StationSpec
from harness.models.table import TOKEN_TTL_S
from harness.plan import Plan
from harness.policies import resolver
from harness.policies.discipline import AdaptiveLifoSpec, FifoSpec, LifoSpec
from harness.policies.resolver import ResolverSpec
from harness.sim import kernel_records
from harness.sim import kernel_state as k
from harness.sim.kernel_model import AppModel, Edge, Model, Names
from harness.sim.network import Delays
from harness.spec.events import events_of
from harness.spec.surges import surges_of
from harness.timeline import edges
from harness.units import duration_s, fraction

_STORY: Final = kv_reads.STORY.name
_APP: Final = mobile_banking.STORY.app
STORIES: Final = (_STORY, mobile_banking.STORY.name)
_ORDERS: Final = {FifoSpec: k.FIFO, LifoSpec: k.LIFO, AdaptiveLifoSpec: k.ADAPTIVE_LIFO}
DISTRIBUTIONS: Final = {"exponential": k.EXPONENTIAL, "fixed": k.FIXED, "weibull": k.WEIBULL}

_DEEDS: Final = {
    STORE: ("latency", "capacity", "errors", "drop_queue", "add_capacity"),
    "dns": ("stall_enactor", "empty_record", "restore"),
    _APP: ("errors",),
    "load": ("surge",),
}
_NOT_OF_THE_APP: Final = {
    "failover": "its app knows one store",
    "offline": "its app answers when the store has, and not before",
}


def why_not(plan: Plan) -> str | None:
    """Which part of the experiment the kernel cannot express, and what can; None when it can express all of it."""
    experiment = plan.experiment
    region = experiment.region
    if len(plan.stories) != 1 or plan.stories[0] not in STORIES:
        return _no("load", f"it plays one story, {' or '.join(STORIES)}; here are: {', '.join(plan.stories)}")
    story = plan.stories[0]
    if region.kv is None:
        return _no("region.kv", "there is no table store to read from")
    if experiment.load[story].closed:
        return _no(f"load.{story}.think", "its operations come when they are due, whatever happened to others")
    if experiment.load[story].client.hedge is not None:
        return _no(f"load.{story}.client.hedge", "it sends one copy of an attempt")
    server = region.kv.server()
    if type(server.discipline) not in _ORDERS:
        return _no("region.kv.discipline", "its line is fifo, lifo or adaptive_lifo")
    if server.priority is not None:
        return _no("region.kv.priority", "it has one line")
    if story != _STORY:
        reason = _why_no_app(plan)
        if reason is not None:
            return reason
    if any(event.when is not None for event in plan.timeline):
        return _no("timeline", "it reads no gauges while it runs, so no entry can wait for a `when`")
    for due in edges(plan):
        if due.name not in _DEEDS.get(due.component, ()):
            listed = "; ".join(f"{name}'s {', '.join(deeds)}" for name, deeds in _DEEDS.items())
            return _no("timeline", f"{due.what} is not among {listed}")
    return None


def _why_no_app(plan: Plan) -> str | None:
    region = plan.experiment.region
    others = [name for name in plan.components if name not in ("dns", STORE, _APP)]
    if others:
        return _no(f"region.{others[0]}", f"an app's calls go to {STORE} alone, and nobody else calls it")
    if region.mobile_banking is None:
        return _no(f"region.{_APP}", "there is no app to ask")
    if region.mobile_banking.client.hedge is not None:
        return _no(f"region.{_APP}.client.hedge", "it sends one copy of an attempt")
    spec = banking_spec(region.mobile_banking, 1)
    for knob, reason in _NOT_OF_THE_APP.items():
        if getattr(spec, knob, None) is not None:
            return _no(f"region.{_APP}.{knob}", reason)
    if plan.end_s >= TOKEN_TTL_S:
        return _no("phases", f"an app's runs end before {TOKEN_TTL_S:g} s, when the store forgets its first tokens")
    return None


def _no(where: str, reason: str) -> str:
    return f"{where}: the kernel cannot express this ({reason}); run it with `blackstart simulate`"


def model_of(plan: Plan, delays: Delays | None = None) -> Model:
    """The model of a plan for which `why_not` is None."""
    experiment = plan.experiment
    story = plan.stories[0]
    kv, load = experiment.region.kv, experiment.load[story]
    assert kv is not None, "why_not was asked"
    conventions = experiment.conventions
    station = build.station_spec(kv, conventions)
    numbers = {name: number for number, name in enumerate(plan.components)}
    store_age_s = kv.connection.max_age_s or math.inf
    names = names_of(plan, build.resolver_spec(experiment.client.resolver))
    inner, target, max_age_s = None, STORE, store_age_s
    app = experiment.region.mobile_banking
    if story != _STORY:
        assert app is not None, "why_not was asked"
        inner = AppModel(
            banking_spec(app, load.users),
            load.users,
            tuple(experiment.mix(story).items()),
            store_age_s,
            names_of(plan, build.resolver_spec(app.client.resolver or app.resolver)),
            numbers[STORE],
        )
        target, max_age_s = _APP, app.connection.max_age_s or math.inf
    return Model(
        seed=plan.seed,
        client=load.client.policy(),
        station=station,
        rate_per_s=load.rate_per_s,
        load_end_s=plan.load_end_s,
        end_s=plan.end_s,
        process=load.arrivals.process if load.arrivals else "poisson",
        late_replies=conventions.late_replies,
        silent=conventions.refusal == "silent",
        edges=_edges(plan, station, (target, STORE) if inner else (target,)),
        delays=delays or Delays(),
        max_age_s=max_age_s,
        names=names,
        story=story,
        app=numbers[target],
        inner=inner,
        surging=plan if surges_of(experiment, events_of(experiment).events) else None,
    )


def names_of(plan: Plan, spec: ResolverSpec) -> Names:
    """What this resolver makes of the answers of the plan's name server."""
    found, empty = kernel_records.answer_when_found(plan), kernel_records.answer_when_empty(plan)
    return Names(
        _kept_s(spec, found),
        _kept_s(spec, empty),
        int(Cause.DNS_EMPTY if empty.empty else Cause.DNS_FAILED),
        resolver.failed_refresh(spec, empty.kind),
        spec.stale_s_max,
        spec.recheck_s,
    )


def _kept_s(spec: ResolverSpec, answer: Answer) -> float:
    return resolver.keep_s(spec, answer.kind, answer.ttl_s, answer.negative_ttl_s, answer.other_ttl_s)


def _edges(plan: Plan, station: StationSpec, targets: tuple[str, ...]) -> tuple[Edge, ...]:
    """The timeline as `models/store_controls.py` performs it: a fault replaces the one before, a heal restores. Changes
    of the records of `targets`, by link, come with it.
    """
    found = [
        Edge(at_s, k.SET_RECORD, float(kind), link=targets.index(component))
        for at_s, component, kind in kernel_records.changes(plan)
        if component in targets
    ]
    slots, fault = station.slots, -1
    for due in edges(plan):
        on = due.deed == "inject"
        match due.name:
            case "errors" if due.component == _APP:
                found.append(Edge(due.at_s, k.SET_APP_ERRORS, fraction(due.params["share"]) if on else 0.0))
            case _ if due.component != STORE:
                continue
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
    return tuple(sorted(found, key=lambda edge: edge.at_s))


def refusal_of(text: str) -> tuple[int, int]:
    """Cause and status of a refusal by an admission rule that calls it so."""
    cause = Cause.QUEUE_FULL if text == "queue_full" else Cause.THROTTLED
    return int(cause), STATUS_OF[cause]


def order_of(discipline: Any) -> tuple[int, float]:
    """The code of a line's order, and the time after which adaptive LIFO turns."""
    return _ORDERS[type(discipline)], float(getattr(discipline, "interval_s", 0.0))
