"""Counting over the last so many seconds: a row of buckets, as breakers and throttles do it.

Keeping every event's time is exact and unbounded. Halving a counter now and then is bounded but forgets in steps. The
usual middle: cut the window into equal buckets, add to the newest, and drop the oldest when a new one begins. The count
then covers between (buckets - 1) and `buckets` bucket lengths.

The state is a tuple with one whole number per bucket, the newest last, plus the total and the number of the newest
bucket since time 0. A step that uses it moves the row on first (`row[1:] + (0,)`, at most once per bucket) and then
adds (`row[:-1] + (row[-1] + 1,)`): both compile, and states stay values.

This file holds only what is asked when a file is read: can this window be cut into these buckets?
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

BUCKETS_MAX: Final = 60  # a longer row costs more per step and changes no decision anyone could notice


def buckets_of(window_s: float, bucket_s: float) -> int:
    """How many buckets make the window; ask `problem` first."""
    return round(window_s / bucket_s)


def problem(params: Mapping[str, Any]) -> str | None:
    """Why `window` cannot be cut into `bucket`s, or None."""
    window_s, bucket_s = params["window"], params["bucket"]
    if window_s < bucket_s:
        return f"the window of {window_s:g} s is shorter than its bucket of {bucket_s:g} s; use a bucket of window / 10"
    whole = round(window_s / bucket_s)
    if abs(window_s / bucket_s - whole) > 1e-9 * whole:
        return (
            f"the window of {window_s:g} s is not a whole number of buckets of {bucket_s:g} s; "
            f"use a bucket of {window_s / whole:g} s"
        )
    if whole > BUCKETS_MAX:
        return (
            f"{whole} buckets of {bucket_s:g} s in {window_s:g} s are more than {BUCKETS_MAX}; "
            f"use a bucket of at least {window_s / BUCKETS_MAX:g} s"
        )
    return None
