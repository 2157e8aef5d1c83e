"""Knobs, verbs, stories and gauges of `status`: the public health page."""

from __future__ import annotations

from typing import Final

from harness.spec import verbs
from harness.spec.knobs import Hosted
from harness.spec.verbs import Story, Verb, with_heal


class Status(Hosted):
    """The public health page."""


VERBS: Final[dict[str, Verb]] = with_heal(dict(verbs.HOSTED))
STORIES: Final[dict[str, Story]] = {}
GAUGES: Final[tuple[str, ...]] = ()
