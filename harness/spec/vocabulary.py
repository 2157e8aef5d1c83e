"""The closed lists an experiment file may draw on: stories, components, what can be done to them, what is measured.

They are data, not lookups into the code that implements them, because the spec stands to the left of flows and services
and must not know them; a house test compares the two. Verbs are of three kinds:

    fault    starts something bad; takes `for` (its length) or lasts until a `heal`; expires by itself
    heal     ends a fault by name
    action   what an operator does, once; there is nothing to undo
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Story(NamedTuple):
    """What a kind of user does: the component it talks to, all it needs, and its operations with default shares."""

    target: str
    needs: tuple[str, ...]
    operations: dict[str, float]


class Argument(NamedTuple):
    """One entry of an event's `with`. Units as in the policy catalogue, and "word" for a name out of `choices`."""

    name: str
    unit: str  # "s", "per_s", "count", "number", "share" or "word"
    help: str
    choices: tuple[str, ...] = ()
    required: bool = False


class Verb(NamedTuple):
    """One thing that can be done to a component. With `one_of`, exactly one of these arguments is needed."""

    kind: str  # "fault", "heal" or "action"
    help: str
    arguments: tuple[Argument, ...] = ()
    one_of: tuple[str, ...] = ()


STORIES: Final[dict[str, Story]] = {
    "mobile_banking": Story("mobile_banking", ("dns", "kv", "mobile_banking"), {"transfer": 0.7, "balance": 0.3}),
    "kv_reads": Story("kv", ("dns", "kv"), {"read": 1.0}),
}

FOR: Final = Argument("for", "s", "how long the fault lasts; without it, a heal must follow")


def _fault(help_: str, *arguments: Argument, one_of: tuple[str, ...] = ()) -> Verb:
    return Verb("fault", help_, (*arguments, FOR), one_of)


def _heal(*faults: str) -> Verb:
    return Verb("heal", "end a fault", (Argument("fault", "word", "the fault to end", faults, required=True),))


_LATENCY: Final = _fault(
    "service times become longer",
    Argument("mean", "s", "the mean service time meanwhile"),
    Argument("factor", "number", "how many times longer"),
    one_of=("mean", "factor"),
)
_ERRORS: Final = _fault(
    "a share of the requests is answered with an error",
    Argument("share", "share", "the share that fails", required=True),
)
VERBS: Final[dict[str, dict[str, Verb]]] = {
    "dns": {
        "stall_enactor": _fault(
            "one enactor sleeps in the gap between its freshness check and its first write",
            Argument("enactor", "word", "which enactor", required=True),
        ),
        "empty_record": _fault("the zone answers as if the record were empty"),
        "heal": _heal("stall_enactor", "empty_record"),
        "restore": Verb("action", "operators write the newest plan by hand and set the automation going again"),
    },
    "kv": {
        "latency": _LATENCY,
        "capacity": _fault(
            "worker slots are taken away or added",
            Argument("slots", "count", "how many there are meanwhile", required=True),
        ),
        "errors": _ERRORS,
        "heal": _heal("latency", "capacity", "errors"),
        "drop_queue": Verb("action", "throw away all waiting work"),
        "add_capacity": Verb(
            "action", "worker slots are added for good", (Argument("slots", "count", "how many more", required=True),)
        ),
        "throttle_intake": Verb(
            "action",
            "operators let in at most a rate, before the store's own admission",
            (Argument("rate", "per_s", "how many requests a second", required=True),),
        ),
        "open_intake": Verb("action", "operators take the intake throttle away"),
    },
    "mobile_banking": {},
}
COMPONENTS: Final = tuple(VERBS)

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
    "audit.duplicated",
    "audit.stuck",
    "audit.by_app.*",
    "impact.by_app.*",
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


def full_key(measure: str) -> str | None:
    """The key of measures.json that a line names, with or without its ending; None when there is none."""
    return next((measure + ending for ending in ENDINGS if known_measure(measure + ending)), None)


def known_measure(key: str) -> bool:
    """Whether measures.json has such a key; `*` in the list stands for one part."""
    parts = key.split(".")
    return any(
        len(parts) == len(known) and all(want in ("*", part) for want, part in zip(known, parts, strict=True))
        for known in (measure.split(".") for measure in MEASURES)
    )
