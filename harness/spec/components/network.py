"""Knobs, verbs, stories and gauges of `network`: the manager that tells the network of instances that come and go."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from harness.policies import deeds
from harness.spec import verbs
from harness.spec.knobs import Hosted, Service, Working
from harness.spec.values import NONE
from harness.spec.verbs import Story, Verb, action, needs, with_heal


def _bound(value: object) -> int | None:
    return None if value is None or value == NONE else int(deeds.LIMIT.read(value))


def _show(value: int | None) -> Any:
    return NONE if value is None else value


MaybeBound = Annotated[
    int | None,
    BeforeValidator(_bound),
    PlainSerializer(_show),
    WithJsonSchema({"anyOf": [{"const": NONE}, {"type": "null"}, {"type": "integer", "minimum": 0}]}),
]


class Propagation(Working):
    """The workers that carry changes out: how many, how long one change takes, and in which order they are taken."""

    slots: Annotated[int, Field(ge=1, le=100_000)] = 4
    service: Service = Service.model_validate({"mean": "100ms"})


class Network(Hosted):
    """The manager that tells the network of instances that come and go.

    `backlog_cost` is the extra time one change takes, as a share of `propagation.service.mean`, for every 100 changes
    that wait: a change must be put in order and merged with those before it. `limit_by_queue` refuses to attach while
    so many wait.
    """

    propagation: Propagation = Propagation()
    backlog_cost: Annotated[float, Field(ge=0.0, le=100.0, strict=False)] = 0.2
    limit_by_queue: MaybeBound = None


VERBS: Final[dict[str, Verb]] = with_heal(
    {
        **verbs.HOSTED,
        **verbs.WORKING,
        "limit_by_queue": action(
            "operators refuse to attach instances while more changes wait",
            needs(deeds.LIMIT, "how many may wait", required=True),
        ),
    }
)
STORIES: Final[dict[str, Story]] = {"instances": Story("network", ("dns", "network"), {"start": 1.0})}
GAUGES: Final[tuple[str, ...]] = (
    "waiting_changes",
    "in_service",
    "slots",
    "oldest_change_s",
    "last_propagation_s",
    "cost_factor",
    "limit_by_queue",
    "attached",
    "reachable",
    "accepted_total",
    "propagated_total",
    "dropped_total",
    "refused_total",
    "refused_by_queue_total",
    "busy_s_total",
)
