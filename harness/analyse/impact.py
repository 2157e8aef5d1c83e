"""The price of an outage, in the units of those who pay it.

"99.2 % availability" says nothing about a missed flight. Each operation has a value, as data in the plan; what was due
and did not come good in time is lost to somebody, when it was due. Two debts are kept apart, because they have two
owners: what was lost while the fault was there, and what was lost after it had been fixed.

    value_lost          pounds: {outage, recovery, total}; `per_minute` by the minute in which the operations were due
    people_minutes      users x the share of their operations that failed, over time since the fault
    missed_windows      operations that had a hard window and missed it (a flight, a dose), from the app's own export

Values are stand-ins to be set by who knows the business; they weigh operations against each other. Leaves out: what
customers do next (leave, come back), fines, and overtime.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.analyse import operation_kinds
from harness.analyse.load_run import Run
from harness.analyse.moments import Moments
from harness.errors import RecordError
from harness.record.layouts import Outcome

_MINUTE_S = 60.0


def impact(run: Run, moments: Moments) -> dict[str, Any] | None:
    """Losses by app and by sector since the fault; None when no operation of the run has a value."""
    apps = run.plan.get("apps") or {}
    if not apps:
        return None
    by_app = {app["app"]: _of_story(run, moments, story, app) for story, app in sorted(apps.items())}
    by_sector: dict[str, float] = defaultdict(float)
    for app in apps.values():
        by_sector[app.get("sector") or app["app"]] += by_app[app["app"]]["value_lost"]["total"]
    return {
        "value_lost": {
            part: round(sum(app["value_lost"][part] for app in by_app.values()), 2)
            for part in ("outage", "recovery", "total")
        },
        "people_minutes": round(sum(app["people_minutes"] for app in by_app.values()), 3),
        "by_sector": {sector: round(value, 2) for sector, value in sorted(by_sector.items())},
        "by_app": by_app,
    }


def _of_story(run: Run, moments: Moments, story: str, app: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: float(wish.get("value", 0.0)) for name, wish in app["operations"].items()}
    from_s, fix_s = moments.judged_from_s, moments.t_fix_s if moments.t_fix_s is not None else math.inf
    lost = {"outage": 0.0, "recovery": 0.0}
    minutes: dict[int, float] = defaultdict(float)
    operations: dict[str, dict[str, int]] = {name: {"due": 0, "failed": 0} for name in values}
    seconds = math.ceil(moments.load_end_s)
    due, failed = np.zeros(seconds), np.zeros(seconds)
    kinds = operation_kinds.of(run.plan, story)
    for rows in operation_kinds.operations(run, story):
        mine = rows[rows["intended_ns"] >= from_s * 1e9]
        intended_s = mine["intended_ns"] * 1e-9
        second = np.minimum(intended_s.astype(np.int64), seconds - 1)
        bad = mine["outcome"] != Outcome.GOOD
        due += np.bincount(second, minlength=seconds)
        failed += np.bincount(second[bad], minlength=seconds)
        what = kinds.numbers(mine["op"])
        for number, kind in enumerate(kinds.names):
            at_s = intended_s[bad & (what == number)]
            operations[kind]["due"] += int(np.count_nonzero(what == number))
            operations[kind]["failed"] += at_s.size
            in_outage = int(np.count_nonzero(at_s < fix_s))
            lost["outage"] += in_outage * values[kind]
            lost["recovery"] += (at_s.size - in_outage) * values[kind]
            for minute, count in enumerate(np.bincount((at_s // _MINUTE_S).astype(np.int64)).tolist()):
                if count:
                    minutes[minute] += count * values[kind]
    share = np.divide(failed, due, out=np.zeros(seconds), where=due > 0)
    return {
        "sector": app.get("sector") or app["app"],
        "value_lost": {
            **{part: round(value, 2) for part, value in lost.items()},
            "total": round(sum(lost.values()), 2),
        },
        "per_minute": [[minute, round(value, 2)] for minute, value in sorted(minutes.items())],
        "people_minutes": round(float(share.sum()) * int(app.get("users") or 0) / _MINUTE_S, 3),
        "missed_windows": _missed(run, app["app"]),
        "operations": operations,
    }


def _missed(run: Run, component: str) -> int | None:
    """What the app itself counted; None when it has no hard windows, or left no export."""
    try:
        found = run.folder.read_json(run.folder.exports / f"{component}.json").get("missed_windows")
    except RecordError:
        return None
    return int(found) if isinstance(found, int) else None
