"""Knobs, verbs, story and gauges of `hospital`: patient records, which must be readable, and charts, which must be written once and in order."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from harness.spec import verbs
from harness.spec.knobs import AdmissionSlot, Hosted
from harness.spec.verbs import Story, Verb, with_heal


class Hospital(Hosted):
    """Patient records, which must be readable, and charts, which must be written once and in order."""

    depends_on: tuple[str, ...] = Field(default=("kv",), strict=False)
    admission: AdmissionSlot = None


VERBS: Final[dict[str, Verb]] = with_heal(dict(verbs.HOSTED))
STORIES: Final[dict[str, Story]] = {}
GAUGES: Final[tuple[str, ...]] = ()
