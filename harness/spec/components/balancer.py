"""Knobs, verbs, stories and gauges of `balancer`: the load balancer and its health checks."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from harness.spec import verbs
from harness.spec.knobs import Hosted
from harness.spec.verbs import Story, Verb, with_heal


class Balancer(Hosted):
    """The load balancer and its health checks."""

    depends_on: tuple[str, ...] = Field(default=("network", "functions"), strict=False)

VERBS: Final[dict[str, Verb]] = with_heal(dict(verbs.HOSTED))
STORIES: Final[dict[str, Story]] = {}
GAUGES: Final[tuple[str, ...]] = ()
