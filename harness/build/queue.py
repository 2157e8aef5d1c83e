"""The queue's brain, from its knobs."""

from __future__ import annotations

import math

from harness import build
from harness.models.component import Given
from harness.models.queue import Queue as Brain
from harness.models.queue import QueueSpec
from harness.models.queue_messages import MessagesSpec
from harness.spec.components.queue import Queue


def spec_of(knobs: Queue) -> QueueSpec:
    """The queue's rules."""
    ttl_s = math.inf if knobs.ttl_s is None else knobs.ttl_s
    messages = MessagesSpec(knobs.visibility_s, ttl_s, knobs.max_receives, knobs.capacity, knobs.in_flight_limit)
    return QueueSpec(messages, knobs.wait_limit_s)


def brain(knobs: Queue, given: Given) -> Brain:
    """The brain of this run. Raises ValueError for what cannot work together."""
    return Brain(spec_of(knobs), build.workplace(knobs, given), given)
