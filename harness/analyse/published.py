"""A replay beside what was published: of each part, when it was well again, theirs and ours.

A replay that is judged by eye agrees with everything. So each line of the experiment's `incident.published` is compared
by two figures. The *moment* at which the part was well, counted from the fault: the parts must come back in the
published order. And the *delay*, from when its blocker was gone until it was well, because a late part may only have
waited for an earlier one: ours should be within a fifth of theirs. Both are in times of the event.

    blocker     the entry of the timeline that the line names, as the journal has it, or the end of another line
    well        the first reading after that from which the sign holds for the line's `for`
    ratio       our delay / theirs; none where theirs is zero ("at once"): then a minute is allowed

A knob was set for some lines so that ours is theirs. Such a line shows that the mechanism can do it, and no more; lines
without a knob, and the order, are the test. Leaves out: the users, who published nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from harness.analyse.evidence import Evidence
from harness.analyse.load_run import chunks
from harness.flows.wants import Cause
from harness.plan import Plan
from harness.spec.incident import Published, Sign, read_sign
from harness.spec.time_scale import read_scale

WITHIN: Final = 0.2
AT_ONCE_S: Final = 60.0
_STILL: Final = 1e-9


class Compared(NamedTuple):
    """One line; seconds of the event since its fault. `why` says what is missing where ours are None."""

    line: Published
    blocked_s: float | None
    until_s: float | None
    why: str = ""

    @property
    def theirs_s(self) -> float:
        """Their delay."""
        return self.line.until_s - self.line.blocked_s

    @property
    def ours_s(self) -> float | None:
        """Our delay."""
        return None if self.blocked_s is None or self.until_s is None else self.until_s - self.blocked_s

    @property
    def ratio(self) -> float | None:
        """Ours by theirs."""
        return None if self.ours_s is None or self.theirs_s <= 0 else self.ours_s / self.theirs_s

    @property
    def close(self) -> bool | None:
        """Whether ours is within a fifth of theirs; None without ours."""
        if self.ours_s is None:
            return None if self.line.missing else False
        return abs(self.ours_s - self.theirs_s) <= max(WITHIN * self.theirs_s, AT_ONCE_S if not self.theirs_s else 0.0)


class Replay(NamedTuple):
    """All lines in the order of the file, and those that came well out of the published order."""

    lines: tuple[Compared, ...]
    misplaced: tuple[str, ...]


def compare(evidence: Evidence) -> Replay | None:
    """The run beside what was published; None when its experiment says nothing of that."""
    plan = Plan.from_json(evidence.run.plan)
    told = plan.experiment.incident
    if told is None or not told.published:
        return None
    ratio = read_scale(plan.experiment.time_scale) if plan.experiment.time_scale is not None else 1.0
    zero_s = plan.phase("outage").start_s
    done: dict[str, Compared] = {}
    for line in told.published:
        done[line.id] = _compared(line, done, evidence, zero_s, ratio)
    lines = tuple(done.values())
    return Replay(lines, _misplaced(lines))


def _compared(
    line: Published, done: Mapping[str, Compared], evidence: Evidence, zero_s: float, ratio: float
) -> Compared:
    if line.missing:
        return Compared(line, None, None, line.missing)
    blocked_s: float | None = line.blocked_s
    if line.after in done:
        blocked_s = done[line.after].until_s
    elif line.after:
        blocked_s = _entry_s(evidence.run.journal, line.after)
        blocked_s = None if blocked_s is None else (blocked_s - zero_s) * ratio
    if blocked_s is None:
        return Compared(line, None, None, f"{line.after} did not come")
    sign = read_sign(line.ours)
    from_s = zero_s + blocked_s / ratio
    well_s = (
        _last_unresolved(evidence, sign.target, from_s)
        if sign.target
        else _well(evidence, sign, from_s, line.for_s, ratio)
    )
    if well_s is None:
        return Compared(line, blocked_s, None, "not until the end of the load")
    return Compared(line, blocked_s, (max(well_s, from_s) - zero_s) * ratio)


def _entry_s(journal: list[dict[str, Any]], name: str) -> float | None:
    """When an entry of the timeline was done, seconds from zero."""
    done = ("action", "heal", "fix", "inject")
    return next((float(e["t_s"]) for e in journal if e.get("id") == name and e.get("kind") in done), None)


def _well(evidence: Evidence, sign: Sign, from_s: float, for_s: float, ratio: float) -> float | None:
    """The first moment from which the sign holds for `for_s` of the event."""
    t_s, value = evidence.windows.gauge(sign.component, sign.gauge)
    if not t_s.size:
        return None
    if sign.still:
        held = np.append(np.diff(value) <= _STILL, True)
    else:
        limit = sign.line / ratio if sign.gauge.endswith("_s") else sign.line
        held = value > limit if sign.above else value < limit
    since_s: float | None = None
    end_s = evidence.moments.load_end_s
    for at_s, holds in zip(t_s.tolist(), held.tolist(), strict=True):
        if at_s < from_s:
            continue
        if not holds:
            since_s = None
            continue
        since_s = at_s if since_s is None else since_s
        if at_s - since_s >= for_s / ratio or at_s >= end_s:
            return since_s
    return since_s


def _last_unresolved(evidence: Evidence, target: str, from_s: float) -> float:
    """When the last caller found no address for `target`; `from_s` when nobody did after it."""
    last_s = -math.inf
    for file in evidence.run.of("attempt"):
        targets = file.names.get("target", [])
        if target not in targets:
            continue
        number = targets.index(target)
        for rows in chunks(file):
            mine = rows["ended_ns"][(rows["target"] == number) & (rows["cause"] == Cause.DNS_EMPTY)]
            last_s = max(last_s, float(mine.max()) * 1e-9) if mine.size else last_s
    return max(last_s, from_s)


def _misplaced(lines: tuple[Compared, ...]) -> tuple[str, ...]:
    """Parts that came well before one that, as published, had come before them."""
    known = sorted(((one.line.until_s, one) for one in lines if not one.line.missing), key=lambda pair: pair[0])
    latest_s, found = -math.inf, []
    for _, one in known:
        if one.until_s is None or one.until_s < latest_s:
            found.append(one.line.id)
        else:
            latest_s = one.until_s
    return tuple(found)
