"""Knobs, verbs, stories and gauges of `status`: the public health page."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from harness.spec import verbs
from harness.spec.knobs import Count, Hosted
from harness.spec.values import Duration, Period, PositiveDuration
from harness.spec.verbs import Story, Verb, with_heal

WATCHED: Final = ("kv", "provider", "identity", "mobile_banking")  # what it has a question for


class Status(Hosted):
    """The public health page. It watches what it depends on, as a customer does: components out of `WATCHED`."""

    depends_on: tuple[str, ...] = Field(default=("kv",), strict=False)
    probe_every_s: Period = Field(default=0.5, alias="probe_every")
    open_after: Count = 3  # failed probes of one component within `window`: it is disturbed
    window_s: PositiveDuration = Field(default=3.0, alias="window")
    close_after: Count = 4  # good probes in a row: it is well again
    post_lag_s: Duration = Field(default=5.0, alias="post_lag")  # from what the probes show to the page


VERBS: Final[dict[str, Verb]] = with_heal(dict(verbs.HOSTED))
STORIES: Final[dict[str, Story]] = {"status_page": Story("status", ("dns", "status"), {"page": 1.0})}
GAUGES: Final[tuple[str, ...]] = (
    "state", "found", "posts_total", "posts_pending", "probes_total", "probes_failed_total", "pages_total",
)  # fmt: skip
