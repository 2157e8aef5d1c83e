"""The waits of the AWS SDK for Python, three generations of them.

An SDK's defaults are the retry policy of most programs, because nobody changes them; and they changed. With u a draw
from U(0, 1), for retry n = 1, 2, ...

    botocore_legacy         u x 2^(n-1) s, no cap.   DynamoDB: exactly 0.05 x 2^(n-1) s, *no jitter*
    botocore_standard_143   u x min(2^(n-1), 20) s   up to 1.43
    botocore_standard       u x min(s x 2^(n-1), 20) s with s = 50 ms, or 1 s after a throttling answer (from 1.44);
                            DynamoDB: s = 25 ms

Use them with the quota of the same generation (`botocore_quota.py`) and its number of attempts: legacy 5 (DynamoDB 10)
and no quota, standard 3 (DynamoDB 4 from 1.44). The header x-amz-retry-after is `hints: amz_retry_after`.

Leaves out: long-poll operations, which still sleep when the quota is empty. Source: botocore 1.40.0 `_retry.json` and
`retries/standard.py`; botocore 1.44.5; AWS developer blog, November 2026.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from harness.policies.entry import Entry, flag, seconds

CAP_S: Final = 20.0  # botocore standard, all versions
TRANSIENT_S: Final = 0.05  # 1.44: scale after a failure that is not throttling
TRANSIENT_DYNAMODB_S: Final = 0.025
THROTTLED_S: Final = 1.0
LEGACY_DYNAMODB_S: Final = 0.05


class BotocoreBackoffSpec(NamedTuple):
    """Scale after a transient failure and after throttling, the cap, and whether the wait is drawn (1) or exact (0)."""

    transient_s: float
    throttled_s: float
    cap_s: float
    jitter: int


def delay_s(spec: BotocoreBackoffSpec, n: int, prev_s: float, u: float, throttled: bool) -> float:
    """Seconds before retry `n` (1, 2, ...), after a failure that was `throttled` or not."""
    wait_s = spec.throttled_s if throttled else spec.transient_s
    for _ in range(n - 1):
        if wait_s >= spec.cap_s:
            break
        wait_s = wait_s * 2.0
    wait_s = min(wait_s, spec.cap_s)
    return u * wait_s if spec.jitter == 1 else wait_s


def _legacy(dynamodb: bool) -> BotocoreBackoffSpec:
    if dynamodb:
        return BotocoreBackoffSpec(LEGACY_DYNAMODB_S, LEGACY_DYNAMODB_S, math.inf, 0)
    return BotocoreBackoffSpec(1.0, 1.0, math.inf, 1)


def _standard_143(cap: float) -> BotocoreBackoffSpec:
    return BotocoreBackoffSpec(1.0, 1.0, float(cap), 1)


def _standard(dynamodb: bool, cap: float) -> BotocoreBackoffSpec:
    return BotocoreBackoffSpec(TRANSIENT_DYNAMODB_S if dynamodb else TRANSIENT_S, THROTTLED_S, float(cap), 1)


_CAP = seconds("cap", CAP_S, "the longest wait, before jitter", low=1.0, open_=False)
ENTRIES = (
    Entry(
        kind="botocore_legacy",
        side="client",
        slot="backoff",
        rule="U(0, 2^(n-1)) s without cap; DynamoDB exactly 0.05 x 2^(n-1) s",
        params=(flag("dynamodb", False, "the DynamoDB entry: no jitter"),),
        source="botocore 1.40.0 _retry.json",
        build=_legacy,
    ),
    Entry(
        kind="botocore_standard_143",
        side="client",
        slot="backoff",
        rule="U(0, min(2^(n-1), cap)) s",
        params=(_CAP,),
        source="botocore 1.40.0 retries/standard.py (to 1.43)",
        build=_standard_143,
    ),
    Entry(
        kind="botocore_standard",
        side="client",
        slot="backoff",
        rule="U(0, min(s x 2^(n-1), cap)) s, s = 0.05 (DynamoDB 0.025) or 1 after throttling",
        params=(flag("dynamodb", False, "the DynamoDB scale of 25 ms"), _CAP),
        source="botocore 1.44.5",
        build=_standard,
    ),
)
