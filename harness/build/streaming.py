"""`streaming`: from its knobs to its brain."""

from __future__ import annotations

from harness.build import shedding
from harness.build.owing import app_spec, outbox_spec, owing_spec
from harness.models.apps.streaming import Streaming, StreamingSpec
from harness.models.component import Given
from harness.spec.components import streaming


def brain(knobs: streaming.Streaming, given: Given) -> Streaming:
    """The app. Raises ValueError for what cannot work together."""
    spec = StreamingSpec(
        app=app_spec("streaming", knobs),
        owing=owing_spec(knobs),
        outbox=outbox_spec(knobs.outbox),
        fresh_s=knobs.fresh_s,
        stale_s=knobs.stale_s,
        fail=knobs.licences.fail,
        grace_s=knobs.licences.grace_s,
        player_buffer_s=knobs.player_buffer_s,
        priority=shedding.partitions("streaming", knobs.priority),
    )
    return Streaming(spec, given)
