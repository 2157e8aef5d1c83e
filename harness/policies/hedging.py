"""Hedging: send a second copy when the first is slow, and take whichever answers first.

A retry waits until the first attempt has *failed*; that is no help against one slow server in a hundred. A hedge waits
only a little longer than usual: set the delay near the 95th percentile and about 5 % more load buys the tail away. The
price shows in an outage, when every first copy is slow: load then multiplies by the number of copies, so a hedge wants
a retry budget as much as a retry does.

    copy k (1, 2, ...) leaves after k x delay without an answer; the first good answer wins; the losers are abandoned

Copies count as attempts: never more than `attempts` leave in all, and each takes from the retry budget. When every copy
that has left has failed, the call goes on as after any failed attempt. Leaves out: choosing another server for the copy
(the resolver's business). Sources: Dean and Barroso, "The Tail at Scale" (CACM 2013); gRPC proposal A6.
"""

from __future__ import annotations

from typing import NamedTuple

from harness.policies.entry import REQUIRED, Entry, count, seconds


class HedgeSpec(NamedTuple):
    """At most `copies` extra copies, each `delay_s` after the one before."""

    delay_s: float
    copies: int


def extra_copies(spec: HedgeSpec, attempts_left: int, time_left_s: float) -> int:
    """How many copies may be planned besides the first, given the attempts and the time the call has left."""
    copies = min(spec.copies, attempts_left - 1)
    while copies > 0 and copies * spec.delay_s >= time_left_s:
        copies -= 1
    return max(0, copies)


def copies_sent(spec: HedgeSpec, planned: int, answered_after_s: float) -> int:
    """How many of the `planned` copies had left when the answer came `answered_after_s` after the first copy."""
    sent = 0
    while sent < planned and (sent + 1) * spec.delay_s < answered_after_s:
        sent += 1
    return sent


def _delayed(delay: float, copies: float) -> HedgeSpec:
    return HedgeSpec(float(delay), int(copies))


ENTRIES = (
    Entry(
        kind="delayed",
        side="client",
        slot="hedge",
        rule="without an answer after delay, send another copy; the first good answer wins",
        params=(
            seconds("delay", REQUIRED, "the wait before each further copy"),
            count("copies", 1, "extra copies at most", high=10),
        ),
        source="Tail at Scale (CACM 2013); gRPC proposal A6",
        build=_delayed,
    ),
)
