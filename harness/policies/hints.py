"""Server hints: what "retry after" on a refusal does to the client's own wait.

The server knows when it will have room; the client only guesses. But a hint obeyed to the letter makes a herd: everyone
who was refused in one second comes back in one second. And a hint without bound lets one bad server park its clients.
The three rules in use differ in exactly this:

    retry_after          wait at least the hint, at most `cap`           the usual reading of HTTP Retry-After
    grpc_pushback        wait exactly the hint; negative means never     grpc-retry-pushback-ms
    amz_retry_after      hint clamped to [own wait, own wait + 5 s]      x-amz-retry-after, botocore 1.44

No hint leaves the wait as it was. Sources: RFC 9110 section 10.2.3; gRPC proposal A6; botocore 1.44.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from harness.policies.entry import Entry, seconds

AT_LEAST: Final = 0
EXACTLY: Final = 1
CLAMPED: Final = 2
NEVER: Final = -1.0
AMZ_EXTRA_S: Final = 5.0  # botocore 1.44 lets the header add at most this much


class HintSpec(NamedTuple):
    """Which rule, and the most a hint can ask for (`AT_LEAST`: in all; `CLAMPED`: on top of the own wait)."""

    rule: int
    most_s: float


def delay_s(spec: HintSpec, own_s: float, hint_s: float) -> float:
    """The wait before a retry, given the client's own and the server's hint (nan: none); negative: do not retry."""
    if math.isnan(hint_s):
        return own_s
    if spec.rule == EXACTLY:
        return hint_s if hint_s >= 0.0 else NEVER
    if spec.rule == CLAMPED:
        return min(max(hint_s, own_s), own_s + spec.most_s)
    return max(own_s, min(hint_s, spec.most_s))


def _retry_after(cap: float) -> HintSpec:
    return HintSpec(AT_LEAST, float(cap))


def _pushback() -> HintSpec:
    return HintSpec(EXACTLY, math.inf)


def _amz(extra: float) -> HintSpec:
    return HintSpec(CLAMPED, float(extra))


ENTRIES = (
    Entry(
        kind="retry_after",
        side="client",
        slot="hints",
        rule="wait max(own, min(hint, cap))",
        params=(seconds("cap", 60.0, "the longest hint that is believed"),),
        source="RFC 9110 section 10.2.3",
        build=_retry_after,
    ),
    Entry(
        kind="grpc_pushback",
        side="client",
        slot="hints",
        rule="wait exactly the hint; a negative hint means never retry",
        params=(),
        source="gRPC proposal A6",
        build=_pushback,
    ),
    Entry(
        kind="amz_retry_after",
        side="client",
        slot="hints",
        rule="clamp the hint to [own wait, own wait + extra]",
        params=(seconds("extra", AMZ_EXTRA_S, "the most a hint can add", open_=False),),
        source="botocore 1.44",
        build=_amz,
    ),
)
