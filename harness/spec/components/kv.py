"""Knobs, verbs and story of `kv`, the table store."""

from __future__ import annotations

from typing import Final

from harness.spec import verbs
from harness.spec.knobs import Connection, Instances, Working
from harness.spec.verbs import Story, Verb, with_heal


class Kv(Working):
    """The table store: `slots` workers shared by all instances (one process, one station)."""

    instances: Instances = 2
    connection: Connection = Connection.model_validate({"max_age": "1s"})


VERBS: Final[dict[str, Verb]] = with_heal(
    {
        "latency": verbs.LATENCY,
        "capacity": verbs.CAPACITY,
        "errors": verbs.ERRORS,
        "crash": verbs.CRASH,
        "partition": verbs.PARTITION,
        "drop_queue": verbs.DROP_QUEUE,
        "add_capacity": verbs.ADD_CAPACITY,
        "throttle_intake": verbs.THROTTLE_INTAKE,
        "open_intake": verbs.OPEN_INTAKE,
    }
)
STORIES: Final = {"kv_reads": Story("kv", ("dns", "kv"), {"read": 1.0})}
GAUGES: Final[tuple[str, ...]] = (
    "waiting_queue",
    "in_service",
    "slots",
    "oldest_wait_s",
    "served_total",
    "refused_total",
    "dropped_total",
    "cancelled_total",
    "busy_s_total",
    "items",
)
