"""Goodput by class: what became of the operations of one criticality, of one kind.

A run's goodput is one number, and shedding is meant to move it the wrong way: who sheds well loses most of the cheap
work and none of the dear. Judged by the total, that looks like failing. So here the share of good operations is counted
for each criticality over all apps, and for each kind of operation of each story:

    share = good in time / due         by intended start, in the outage [fault, fix), the recovery [fix, load end), and
                                       both together

What an operation is and how critical are data in the plan (`apps`); a story without them is not counted. Without a fix
everything is outage. Leaves out: what was good but degraded (the app's own gauge `degraded_total`), and value, which is
`impact.py`'s.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any, NamedTuple

from harness.analyse.audit import kinds
from harness.analyse.load_run import Run, chunks
from harness.analyse.moments import Moments
from harness.record.layouts import Outcome

PARTS = ("outage", "recovery")


class _Tally:
    """Operations due and good, in the outage and in the recovery."""

    def __init__(self) -> None:
        self.due = [0, 0]
        self.good = [0, 0]

    def share(self, *parts: int) -> float | None:
        """Good of due over these parts; None when nothing was due."""
        due = sum(self.due[part] for part in parts)
        return round(sum(self.good[part] for part in parts) / due, 9) if due else None


class Shares(NamedTuple):
    """The tallies by criticality, and by story and operation."""

    by_criticality: dict[int, _Tally]
    by_operation: dict[str, dict[str, _Tally]]


def goodput_share(run: Run, moments: Moments) -> dict[str, Any] | None:
    """What `measures.json` holds; None when no story of the run has criticalities."""
    if not any(app.get("operations") for app in (run.plan.get("apps") or {}).values()):
        return None
    found = _count(run, moments)
    return {
        **_written(found, 0, 1),
        **{name: _written(found, part) for part, name in enumerate(PARTS)},
    }


def _written(found: Shares, *parts: int) -> dict[str, Any]:
    return {
        "by_criticality": {str(c): tally.share(*parts) for c, tally in sorted(found.by_criticality.items())},
        "by_operation": {
            story: {kind: tally.share(*parts) for kind, tally in sorted(tallies.items())}
            for story, tallies in sorted(found.by_operation.items())
        },
    }


def _count(run: Run, moments: Moments) -> Shares:
    apps = {story: app for story, app in run.plan["apps"].items() if app.get("operations")}
    found = Shares(defaultdict(_Tally), {story: defaultdict(_Tally) for story in apps})
    from_ns = moments.judged_from_s * 1e9
    fix_ns = math.inf if moments.t_fix_s is None else moments.t_fix_s * 1e9
    for file in run.of("operation"):
        stories = file.names.get("story", [])
        for rows in chunks(file):
            for story in (name for name in stories if name in apps):
                mine = rows[(rows["story"] == stories.index(story)) & (rows["intended_ns"] >= from_ns)]
                late = (mine["intended_ns"] >= fix_ns).tolist()
                good = (mine["outcome"] == Outcome.GOOD).tolist()
                what = kinds(run.plan, story, mine["op"].tolist())
                for kind, part, well in zip(what, late, good, strict=True):
                    criticality = int(apps[story]["operations"][kind]["criticality"])
                    for tally in (found.by_criticality[criticality], found.by_operation[story][kind]):
                        tally.due[part] += 1
                        tally.good[part] += well
    return found
