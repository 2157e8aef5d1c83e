"""What the public health page said, against what users saw: how late it was, and how long it was wrong.

    first_post_lag   from the fault to the first post that is not green
    false_clear      seconds, from the fault to the end of the load, in which the page was green while the steady state
                     of the users did not hold: before the first post, and after a clear that came too early

The page is read from the journal (`status_post` entries of the component `status`), the users from rows; neither knows
of the other. A moment is steady when every line holds in the rolling window that begins there, as for recovery. Leaves
out the opposite error, red for too long, which costs trust and no money.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from harness.analyse.moments import Moments
from harness.analyse.steady import Steady

GREEN = "green"


class StatusPage(NamedTuple):
    """Seconds; None where not defined, with the reason in `why`."""

    first_post_lag_s: float | None
    false_clear_s: float | None
    why: dict[str, str]


def measure(journal: Sequence[dict[str, Any]], moments: Moments, steady: Steady) -> StatusPage:
    """The two measures of a run that had a page; `journal` in order of time."""
    fault_s = moments.t_fault_s
    if fault_s is None:
        reason = moments.why.get("t_fault_s", "nothing failed")
        return StatusPage(None, None, {"first_post_lag_s": reason, "false_clear_s": reason})
    posts = [(float(entry["t_s"]), str(entry.get("state"))) for entry in journal if entry.get("kind") == "status_post"]
    first_s = next((at_s for at_s, state in posts if at_s >= fault_s and state != GREEN), None)
    why = {} if first_s is not None else {"first_post_lag_s": "the page never said that anything was wrong"}
    broken = _broken(steady, fault_s, moments.load_end_s)
    false_s = sum(_overlap(one, other) for one in _green(posts, moments.load_end_s) for other in broken)
    return StatusPage(None if first_s is None else first_s - fault_s, false_s, why)


Span = tuple[float, float]


def _green(posts: list[tuple[float, str]], end_s: float) -> list[Span]:
    """When the page was green; it begins so."""
    said = [(0.0, GREEN), *posts]
    ends_s = [at_s for at_s, _ in posts] + [end_s]
    return [(at_s, until_s) for (at_s, state), until_s in zip(said, ends_s, strict=True) if state == GREEN]


def _broken(steady: Steady, from_s: float, to_s: float) -> list[Span]:
    """When the users' lines did not hold, within [from, to)."""
    width_s, holds = steady.windows.width_s, steady.holds
    if not holds.size:
        return []
    spans = [(n * width_s, (n + 1) * width_s) for n, held in enumerate(holds.tolist()) if not held]
    if not holds[-1]:  # the last whole window speaks for what follows it
        spans.append((holds.size * width_s, to_s))
    return [(max(start_s, from_s), min(end_s, to_s)) for start_s, end_s in spans]


def _overlap(one: Span, other: Span) -> float:
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
