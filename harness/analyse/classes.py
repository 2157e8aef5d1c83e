"""Goodput by class: what became of the operations of one criticality, of one kind.

A run's goodput is one number, and shedding is meant to move it the wrong way: who sheds well loses most of the cheap
work and none of the dear. Judged by the total, that looks like failing. So here the share of good operations is counted
for each criticality over all apps, for each app, and for each kind of operation of each story:

    share = good in time / due         by intended start, in the outage [fault, fix), the recovery [fix, load end), and
                                       both together

What an operation is and how critical are data in the plan (`apps`); a story without them is not counted. Without a fix
everything is outage. Leaves out: what was good but degraded (the app's own gauge `degraded_total`), and value, which is
`impact.py`'s.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.analyse import operation_kinds
from harness.analyse.latency import PhaseLatency
from harness.analyse.load_run import Run
from harness.analyse.moments import Moments, Phase
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
    """The tallies by criticality, by app, and by story and operation."""

    by_criticality: dict[int, _Tally]
    by_app: dict[str, _Tally]
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


def by_criticality(run: Run, phases: Sequence[Phase], reasons: dict[str, str]) -> dict[str, Any] | None:
    """criticality -> phase -> the same counts and percentiles as `by_story` has; None like `goodput_share`."""
    apps = {story: app for story, app in (run.plan.get("apps") or {}).items() if app.get("operations")}
    if not apps:
        return None
    known = sorted({int(wish["criticality"]) for app in apps.values() for wish in app["operations"].values()})
    found = PhaseLatency(phases, [str(criticality) for criticality in known])
    for story, app in apps.items():
        kinds = operation_kinds.of(run.plan, story)
        place = np.array([known.index(int(app["operations"][kind]["criticality"])) for kind in kinds.names])
        for rows in operation_kinds.operations(run, story):
            classed = rows.copy()
            classed["story"] = place[kinds.numbers(rows["op"])]
            found.feed(classed, found.stories)
    return found.by_story(reasons, "by_criticality")


def _written(found: Shares, *parts: int) -> dict[str, Any]:
    return {
        "by_criticality": {str(c): tally.share(*parts) for c, tally in sorted(found.by_criticality.items())},
        "by_app": {app: tally.share(*parts) for app, tally in sorted(found.by_app.items())},
        "by_operation": {
            story: {kind: tally.share(*parts) for kind, tally in sorted(tallies.items())}
            for story, tallies in sorted(found.by_operation.items())
        },
    }


def _count(run: Run, moments: Moments) -> Shares:
    apps = {story: app for story, app in run.plan["apps"].items() if app.get("operations")}
    found = Shares(defaultdict(_Tally), defaultdict(_Tally), {story: defaultdict(_Tally) for story in apps})
    from_ns = moments.judged_from_s * 1e9
    fix_ns = math.inf if moments.t_fix_s is None else moments.t_fix_s * 1e9
    for story, app in apps.items():
        kinds = operation_kinds.of(run.plan, story)
        for rows in operation_kinds.operations(run, story):
            judged = rows["intended_ns"] >= from_ns
            part = (rows["intended_ns"] >= fix_ns).astype(np.int64)
            what = kinds.numbers(rows["op"]) * len(PARTS) + part
            cells = len(kinds.names) * len(PARTS)
            due = np.bincount(what[judged], minlength=cells).tolist()
            good = np.bincount(what[judged & (rows["outcome"] == Outcome.GOOD)], minlength=cells).tolist()
            for cell, (many, well) in enumerate(zip(due, good, strict=True)):
                if not many:
                    continue
                number, when = divmod(cell, len(PARTS))
                kind = kinds.names[number]
                criticality = int(app["operations"][kind]["criticality"])
                by_kind = found.by_operation[story][kind]
                for tally in (found.by_criticality[criticality], found.by_app[str(app["app"])], by_kind):
                    tally.due[when] += many
                    tally.good[when] += well
    return found
