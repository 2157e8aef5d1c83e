"""Knobs, verbs, stories and gauges of `provider`: a second region or provider, for those who fail over."""

from __future__ import annotations

from typing import Final

from harness.spec import verbs
from harness.spec.knobs import Hosted
from harness.spec.verbs import Story, Verb, with_heal


class Provider(Hosted):
    """A second region or provider, for those who fail over."""


VERBS: Final[dict[str, Verb]] = with_heal(dict(verbs.HOSTED))
STORIES: Final[dict[str, Story]] = {}
GAUGES: Final[tuple[str, ...]] = ()
