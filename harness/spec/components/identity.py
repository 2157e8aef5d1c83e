"""Knobs, verbs, stories and gauges of `identity`: tokens, issued and checked."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from harness.spec import verbs
from harness.spec.knobs import Hosted
from harness.spec.verbs import Story, Verb, with_heal


class Identity(Hosted):
    """Tokens, issued and checked."""

    depends_on: tuple[str, ...] = Field(default=("kv",), strict=False)

VERBS: Final[dict[str, Verb]] = with_heal(dict(verbs.HOSTED))
STORIES: Final[dict[str, Story]] = {}
GAUGES: Final[tuple[str, ...]] = ()
