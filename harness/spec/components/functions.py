"""Knobs, verbs, stories and gauges of `functions`: code run on demand, at once or later, or from a queue."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from harness.spec import verbs
from harness.spec.knobs import Hosted
from harness.spec.verbs import Story, Verb, with_heal


class Functions(Hosted):
    """Code run on demand, synchronously, asynchronously, and from a queue."""

    depends_on: tuple[str, ...] = Field(default=("kv", "queue", "compute"), strict=False)

VERBS: Final[dict[str, Verb]] = with_heal(dict(verbs.HOSTED))
STORIES: Final[dict[str, Story]] = {}
GAUGES: Final[tuple[str, ...]] = ()
