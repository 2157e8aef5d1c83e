"""When a component counts as disturbed, seen from outside: some failures within a window; and when as well again.

A page that turns red at the first failed probe cries wolf, and one that asks for a long row of failures is late. Both
numbers are a trade, so they are stated. Going back needs successes in a row: a component that fails every third probe
is not well, however good its average.

    well        `open_after` failures within the last `window`   -> disturbed
    disturbed   `close_after` successes in a row                 -> well

Pure: a spec, a state that is a value, one step for each result. Leaves out weighing several probes of one component.
"""

from __future__ import annotations

from typing import NamedTuple


class RuleSpec(NamedTuple):
    """`window_s` in seconds; counts are at least 1."""

    open_after: int
    window_s: float
    close_after: int


class Rule(NamedTuple):
    """What is known of one component."""

    disturbed: bool
    failed_s: tuple[float, ...]  # moments of the failures that still count, at most `open_after`
    good: int  # successes in a row


def start() -> Rule:
    """Well, until seen otherwise."""
    return Rule(disturbed=False, failed_s=(), good=0)


def on_probe(spec: RuleSpec, state: Rule, now_s: float, ok: bool) -> Rule:
    """One probe ended at `now_s`, well or not."""
    if ok:
        good = state.good + 1
        if state.disturbed and good >= spec.close_after:
            return start()
        return state._replace(good=good)
    failed_s = (*(at_s for at_s in state.failed_s if at_s > now_s - spec.window_s), now_s)[-spec.open_after :]
    return Rule(state.disturbed or len(failed_s) >= spec.open_after, failed_s, 0)
