"""botocore's adaptive mode: the client finds the rate the service will take, as TCP CUBIC finds a window.

A retry quota caps retries; a service that throttles needs fewer *first tries* too. After the first throttling answer
this limiter paces everything that leaves. With W the rate when it was last throttled and t the time since:

    throttled:  W = min(measured, fill)  (measured alone the first time);  k = (W (1 - beta) / C)^(1/3);  rate = beta W
    otherwise:  rate = C (t - k)^3 + W:   quickly back to near W, slowly past it, then ever faster
    always:     fill = max(0.5, min(rate, 2 x measured));  burst = max(1, that)

`measured` is the rate of answers, averaged (0.8 new) over half-second buckets. beta = 0.7, C = 0.4: at W = 10/s the
rate is back to W after 1.957 s.

Stored as the time at which the bucket was (or will be) empty, not as a level: the wait it promises is then the wait it
honours, unless the rate changes meanwhile. Before the first throttle in a process's first half second `measured` is 0,
and the rate falls to the floor of 0.5/s; that is botocore's behaviour, kept.

Use with `backoff: botocore_standard_143` and `retry_budget: botocore_143` for the whole mode of that time. Leaves out:
waking those who wait when the rate rises (they ask again at the time first promised). Source: botocore
`retries/adaptive.py`, `throttling.py`, `bucket.py`.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from harness.policies.entry import Entry, number, rate, share

SMOOTHING: Final = 0.8
BUCKETS_PER_S: Final = 2.0
MEASURED_FACTOR: Final = 2.0


class AdaptiveSpec(NamedTuple):
    """CUBIC's beta and C, and the lowest rate."""

    beta: float
    c: float
    rate_min: float


class Adaptive(NamedTuple):
    """On or off; the clocked rate; CUBIC's last failure; the bucket."""

    on: int  # 1 after the first throttling answer
    measured: float  # answers per second
    bucket_s: float  # when the half-second being counted began
    answers: int  # answers in it
    w: float  # the rate when last throttled
    k_s: float  # how long after that CUBIC is back at w
    failed_s: float
    fill: float  # tokens per second
    cap: float  # tokens at most
    empty_s: float  # when the bucket was empty, at the present fill


def start(spec: AdaptiveSpec, now_s: float) -> Adaptive:
    """Off: nothing is limited until the service throttles."""
    return Adaptive(0, 0.0, float(math.floor(now_s)), 0, 0.0, 0.0, now_s, 1.0, 1.0, now_s)


def admit(spec: AdaptiveSpec, state: Adaptive, now_s: float, u: float) -> tuple[Adaptive, float]:
    """0.0 go now, else seconds until a token is there at the present rate. Never refuses."""
    if state.on == 0:
        return state, 0.0
    ready_s = state.empty_s + 1.0 / state.fill
    if now_s < ready_s:
        wait_s = ready_s - now_s
        while now_s + wait_s < ready_s:  # the difference rounded down: promise enough, by an ulp
            wait_s += wait_s * 2.3e-16
        return state, wait_s
    empty_s = max(state.empty_s, now_s - state.cap / state.fill) + 1.0 / state.fill
    return Adaptive(
        state.on,
        state.measured,
        state.bucket_s,
        state.answers,
        state.w,
        state.k_s,
        state.failed_s,
        state.fill,
        state.cap,
        empty_s,
    ), 0.0


def on_result(spec: AdaptiveSpec, state: Adaptive, now_s: float, accepted: bool, throttled: bool) -> Adaptive:
    """An answer: clock it, move CUBIC, and set the bucket's rate."""
    on, measured, began_s, answers, w, k_s, failed_s, fill, cap, empty_s = state
    bucket_s = math.floor(now_s * BUCKETS_PER_S) / BUCKETS_PER_S
    answers += 1
    if bucket_s > began_s:
        measured = answers / (bucket_s - began_s) * SMOOTHING + measured * (1.0 - SMOOTHING)
        answers = 0
    else:
        bucket_s = began_s
    if throttled:
        w = fill if on == 1 and fill < measured else measured
        k_s = math.pow(w * (1.0 - spec.beta) / spec.c, 1.0 / 3.0)
        failed_s = now_s
        on = 1
        rate = w * spec.beta
    else:
        t_s = now_s - failed_s - k_s
        rate = spec.c * (t_s * t_s * t_s) + w
    rate = min(rate, MEASURED_FACTOR * measured)
    level = min(cap, (now_s - empty_s) * fill)
    fill = rate if rate > spec.rate_min else spec.rate_min  # noqa: FURB136  # max() is slower than all the rest
    cap = rate if rate > 1.0 else 1.0  # noqa: FURB136
    if level > cap:
        level = cap
    return Adaptive(on, measured, bucket_s, answers, w, k_s, failed_s, fill, cap, now_s - level / fill)


def _build(beta: float, c: float, min_rate: float) -> AdaptiveSpec:
    return AdaptiveSpec(float(beta), float(c), float(min_rate))


ENTRIES = (
    Entry(
        kind="botocore_adaptive",
        side="client",
        slot="limiter",
        rule="after the first throttle, pace all attempts at C (t - k)^3 + W, at most 2 x measured",
        params=(
            share("beta", 0.7, "what is left of the rate after a throttle", low=0.01, high=0.99),
            number("c", 0.4, "how fast the rate comes back"),
            rate("min_rate", 0.5, "the lowest rate"),
        ),
        source="botocore retries/adaptive.py",
        build=_build,
    ),
)
