"""The closed lists an experiment file may draw on: stories, components, what can be done to them, what is measured.

What concerns one component is in its file in `harness/spec/components/`; here it is collected, in the order in which
components are listed everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from harness.spec import components
from harness.spec.components import (
    airline,
    balancer,
    coffee,
    compute,
    dns,
    food_delivery,
    functions,
    hospital,
    identity,
    kv,
    load,
    mobile_banking,
    network,
    provider,
    queue,
    smart_home,
    status,
    streaming,
)
from harness.spec.verbs import Argument, Story, Verb

__all__ = [
    "COMPONENTS",
    "DEEDS",
    "GAUGES",
    "MEASURES",
    "PHASES",
    "PSEUDO",
    "STORIES",
    "VERBS",
    "Argument",
    "Story",
    "Verb",
]

VERBS: Final[dict[str, dict[str, Verb]]] = {
    "dns": dns.VERBS,
    "kv": kv.VERBS,
    "mobile_banking": mobile_banking.VERBS,
    "food_delivery": food_delivery.VERBS,
    "hospital": hospital.VERBS,
    "smart_home": smart_home.VERBS,
    "streaming": streaming.VERBS,
    "coffee": coffee.VERBS,
    "airline": airline.VERBS,
    "compute": compute.VERBS,
    "network": network.VERBS,
    "balancer": balancer.VERBS,
    "queue": queue.VERBS,
    "functions": functions.VERBS,
    "identity": identity.VERBS,
    "status": status.VERBS,
    "provider": provider.VERBS,
}
STORIES: Final[dict[str, Story]] = {
    **mobile_banking.STORIES,
    **kv.STORIES,
    **food_delivery.STORIES,
    **hospital.STORIES,
    **smart_home.STORIES,
    **streaming.STORIES,
    **coffee.STORIES,
    **airline.STORIES,
    **compute.STORIES,
    **network.STORIES,
    **balancer.STORIES,
    **queue.STORIES,
    **functions.STORIES,
    **identity.STORIES,
    **status.STORIES,
    **provider.STORIES,
}
COMPONENTS: Final = tuple(VERBS)


def criticality_of(story: str) -> dict[str, int]:
    """How critical a story's operations are, by name; 0 is the most critical."""
    return {name: wish.criticality for name, wish in STORIES[story].wishes.items()}


def who_can(component: str, verb: str, present: Iterable[str]) -> str:
    """A hint for a deed of a component that does not exist, where others have it: `gateway.ramp`, `cache.flush`."""
    asked = (verb, f"{verb}_{component}")
    found = [f"{name}.{known}" for name in present for known in VERBS.get(name, ()) if known in asked]
    return f"; here it is {' or '.join(found)}" if found else ""


# What a timeline can do without a component, by its name and verb.
PSEUDO: Final[dict[str, dict[str, Verb]]] = load.PSEUDO
# All that the `do` of an entry may say.
DEEDS: Final = (*(f"{name}.{verb}" for name, verbs in {**VERBS, "load": load.VERBS}.items() for verb in verbs), "pause")
# What every hosted component reports beside its own: its valve's, its resolver's, and whether its process is gone.
_OF_HOSTS: Final = (
    "intake_refused_total",
    "shed_total",
    "errors_injected_total",
    "resolver_queries_total",
    "resolver_hits_total",
    "resolver_empties_total",
    "resolver_stale_total",
    "down",
)
# The gauges a `when:` may name: those that a component reports live and simulated alike.
GAUGES: Final[dict[str, tuple[str, ...]]] = {
    name: (*getattr(getattr(components, name), "GAUGES", ()), *(() if name in ("dns", "kv") else _OF_HOSTS))
    for name in VERBS
}

PHASES: Final = ("warm_up", "baseline", "outage", "recovery", "drain")

# What a `stop_when` line may watch: the share of one core a process uses, and the waiting work of all components.
STOP_GAUGES: Final = ("orchestrator_cpu", "load_cpu", *(f"{component}_cpu" for component in COMPONENTS), "backlog")

# Keys of measures.json that a line may name; `*` stands for the name of a component, an app, a phase or a layer.
MEASURES: Final = (
    "recovered",  # derived: the verdict is "recovered" or "never_failed"
    "verdict",
    "validity.valid",
    "censored",
    "t_inject_s",
    "t_fault_s",
    "t_fix_s",
    "t_recovered_s",
    "time_to_detect_s",
    "time_to_first_success_s",
    "time_to_recover_s",
    "baseline.goodput_per_s",
    "baseline.p50_s",
    "baseline.p99_s",
    "baseline.backlog",
    "goodput_deficit.outage_ops",
    "goodput_deficit.recovery_ops",
    "goodput_share.by_criticality.*",
    "goodput_share.by_app.*",
    "goodput_share.by_operation.*.*",
    "goodput_share.outage.by_criticality.*",
    "goodput_share.outage.by_app.*",
    "goodput_share.outage.by_operation.*.*",
    "goodput_share.recovery.by_criticality.*",
    "goodput_share.recovery.by_app.*",
    "goodput_share.recovery.by_operation.*.*",
    "amplification.overall",
    "amplification.peak",
    "amplification.end_to_end",
    "amplification.by_layer.*",
    "attempts_peak_per_s",
    "throttled.server",
    "throttled.client",
    "throttled.by_component.*",
    "wasted_work_ratio",
    "backlog.peak",
    "backlog.at_fix",
    "backlog.drain_s",
    "backlog.drain_efficiency",
    "backlog.by_component.*.peak",
    "latency.*.p50_s",
    "latency.*.p99_s",
    "latency.*.p999_s",
    "oscillations",
    "audit.lost",
    "audit.expired",
    "audit.duplicated",
    "audit.stuck",
    "audit.out_of_order",
    "audit.mismatched",
    "audit.money_created",
    "audit.divergent",
    "audit.by_app.*.lost",
    "audit.by_app.*.expired",
    "audit.by_app.*.duplicated",
    "audit.by_app.*.stuck",
    "impact.value_lost.outage",
    "impact.value_lost.recovery",
    "impact.value_lost.total",
    "impact.people_minutes",
    "impact.by_sector.*",
    "impact.by_app.*.value_lost.total",
    "impact.by_app.*.missed_windows",
    "status_page.first_post_lag_s",
    "status_page.false_clear_s",
    "load.offered",
    "load.started",
    "load.late_ratio",
    "load.dropped",
    "load.lag_p99_s",
    "load.unfinished",
)
ENDINGS: Final = ("", "_s", "_ratio", "_per_s")  # of a key, that a line may leave out
FLAGS: Final = ("recovered", "validity.valid", "censored")  # measures that are true or false; the rest are numbers
VERDICTS: Final = ("never_failed", "recovered", "draining", "degraded", "metastable", "overloaded", "invalid")


# Measures that can be a multiple of what the same run's baseline phase had, and the key of that.
OF_BASELINE: Final = {"latency.*.p50_s": "baseline.p50_s", "latency.*.p99_s": "baseline.p99_s",
                      "backlog.peak": "baseline.backlog", "backlog.at_fix": "baseline.backlog"}  # fmt: skip


def baseline_of(key: str) -> str | None:
    """The key of what a measure was in the baseline phase; None when it has no such counterpart."""
    return next((base for known, base in OF_BASELINE.items() if _is(known, key)), None)


def full_key(measure: str) -> str | None:
    """The key of measures.json that a line names, with or without its ending; None when there is none."""
    return next((measure + ending for ending in ENDINGS if known_measure(measure + ending)), None)


def known_measure(key: str) -> bool:
    """Whether measures.json has such a key; `*` in the list stands for one part."""
    return any(_is(known, key) for known in MEASURES)


def _is(known: str, key: str) -> bool:
    wants, parts = known.split("."), key.split(".")
    return len(wants) == len(parts) and all(want in ("*", part) for want, part in zip(wants, parts, strict=True))
