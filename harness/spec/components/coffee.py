"""Knobs, verbs, story and gauges of `coffee`: orders ahead, and loyalty points that may come late."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from harness.spec import verbs
from harness.spec.knobs import AdmissionSlot, Hosted
from harness.spec.verbs import Story, Verb, with_heal


class Coffee(Hosted):
    """Orders ahead, and loyalty points that may come late."""

    depends_on: tuple[str, ...] = Field(default=("kv",), strict=False)
    admission: AdmissionSlot = None


VERBS: Final[dict[str, Verb]] = with_heal(dict(verbs.HOSTED))
STORIES: Final[dict[str, Story]] = {}
GAUGES: Final[tuple[str, ...]] = ()
