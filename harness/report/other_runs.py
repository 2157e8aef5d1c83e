"""What would have helped: the other variants of the same experiment, and in what they differ.

"We should have had a retry budget" is an opinion until somebody has run the same fault, load and seed with one. Those
runs often lie beside the one being summed up, so they are found there, or named by hand. Each says what it changed, key
by key, and how it ended; it helped when it recovered and this one did not, or recovered sooner.

One run each is an indication and no more; `blackstart compare` with repeats gives a verdict with its interval. Leaves
out: invalid runs, and runs of another experiment, engine or load than the one summed up (said, when named by hand).
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from harness.errors import RecordError
from harness.record.folder import RunFolder
from harness.report.page import show
from harness.units import show_s

CHANGES_MOST = 6  # keys named of a variant
_NOT_DONE = "not done: "
_ALIKE_S, _ALIKE = 1.0, 0.1  # two recoveries no further apart than this, of one run each, are the same
_STUCK, _INVALID = 2, 3  # first part of a rank: 0 never failed, 1 recovered
_OUTCOME = {"never_failed": "never failed", "invalid": "has a record that cannot support a verdict"}


class Other(NamedTuple):
    """One other variant. `rank` is lower for better; `helped` is None when the two runs cannot be told apart.

    `worse`: it ended worse than this run, so what it left out or changed was better as it was.
    """

    variant: str
    seed: int
    verdict: str
    outcome: str
    changes: tuple[str, ...]
    rank: tuple[int, float, float]
    helped: bool | None
    worse: bool

    @property
    def lesson(self) -> str:
        """What follows for what was done in this run; "" when nothing does."""
        undone = [change.removeprefix(_NOT_DONE) for change in self.changes if change.startswith(_NOT_DONE)]
        if not (self.worse and undone and len(undone) == len(self.changes)):
            return ""
        return f"So this was worth doing: {'; '.join(undone)}"


def beside(folder: RunFolder) -> list[RunFolder]:
    """Measured runs of the other variants in the folder this run lies in: the same seed if there is one, the latest."""
    mine = folder.read_json(folder.plan)
    best: dict[str, tuple[tuple[bool, str], RunFolder]] = {}
    for path in sorted(folder.path.resolve().parent.iterdir()):
        other = RunFolder(path)
        if not (other.plan.is_file() and other.measures.is_file()):
            continue
        try:
            plan = other.read_json(other.plan)
        except RecordError:
            continue
        same = all(plan.get(key) == mine.get(key) for key in ("experiment", "engine"))
        variant = str(plan.get("variant"))
        if not same or variant == mine.get("variant"):
            continue
        worth = (plan.get("seed") == mine.get("seed"), path.name)
        if variant not in best or worth > best[variant][0]:
            best[variant] = (worth, other)
    return [run for _, run in best.values()]


def judged(folder: RunFolder, others: Iterable[RunFolder]) -> list[Other]:
    """The other runs, the best first. Raises RecordError for a run of another experiment."""
    plan, measures = folder.read_json(folder.plan), folder.read_json(folder.measures)
    found = []
    for other in others:
        theirs, told = other.read_json(other.plan), other.read_json(other.measures)
        if theirs.get("experiment") != plan.get("experiment"):
            raise RecordError(
                f"{other.path}: a run of {theirs.get('experiment')}, not of {plan.get('experiment')}; what would have "
                "helped is told from other variants of the same experiment"
            )
        if other.path.resolve() == folder.path.resolve():
            continue
        rank, mine = _rank(told), _rank(measures)
        found.append(
            Other(
                str(theirs.get("variant")), int(theirs.get("seed", 0)), str(told.get("verdict")), _outcome(told),
                changes(plan, theirs), rank, _helped(rank, mine), _helped(mine, rank) is True,
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: (one.rank, one.variant))


def changes(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[str, ...]:
    """In what another plan's experiment differs from this one's, as `key: ours → theirs`."""
    left, right = ({**plan.get("spec", {}), "timeline": None} for plan in (mine, theirs))
    found = list(_differences(left, right))
    keys = {key for key, _, _ in found}
    told = [f"{key}: {ours} → {others}" for key, ours, others in found if not _inherited(key, keys)]
    ours, others = (_deeds(plan) for plan in (mine, theirs))
    told += [f"also done: {deed}" for deed in others if deed not in ours]
    told += [f"{_NOT_DONE}{deed}" for deed in ours if deed not in others]
    if len(told) > CHANGES_MOST:
        return (*told[: CHANGES_MOST - 1], f"and {len(told) - CHANGES_MOST + 1} more")
    return tuple(told)


def _differences(left: object, right: object, key: str = "") -> Iterator[tuple[str, str, str]]:
    """(dotted key, ours, theirs) wherever the two differ, at the depth at which one is no mapping."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for name in dict.fromkeys([*left, *right]):
            yield from _differences(left.get(name), right.get(name), f"{key}.{name}" if key else str(name))
    elif left != right:
        yield key, _value(left), _value(right)


def _inherited(key: str, differing: Container[str]) -> bool:
    """Whether a component's or story's client only follows the experiment's own."""
    head, found, tail = key.partition(".client.")
    return bool(found) and head.partition(".")[0] in ("region", "load") and f"client.{tail}" in differing


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_value(inner)}" for key, inner in value.items()) or "defaults"
    return "none" if value is None else show(value)


def _deeds(plan: Mapping[str, Any]) -> list[str]:
    """What the timeline does, with its moments."""
    deeds = []
    for event in plan.get("timeline") or ():
        at_s = event.get("at_s")
        when = f"at {at_s:g} s" if isinstance(at_s, int | float) else "when its condition holds"
        deeds.append(f"{event.get('what')} {when}")
    return deeds


def _rank(measures: Mapping[str, Any]) -> tuple[int, float, float]:
    """Lower is better: how it ended, how soon it recovered, what it lost after the fix."""
    verdict = measures.get("verdict")
    step = {"never_failed": 0, "recovered": 1, "invalid": _INVALID}.get(str(verdict), _STUCK)
    recover_s = measures.get("time_to_recover_s")
    lost = (measures.get("goodput_deficit") or {}).get("recovery_ops")
    soon_s = float(recover_s) if step == 1 and recover_s is not None else 0.0 if step == 0 else math.inf
    return step, soon_s, math.inf if lost is None else float(lost)


def _helped(theirs: tuple[int, float, float], mine: tuple[int, float, float]) -> bool | None:
    """Recovered and this one did not, or sooner; None when one of them is invalid, or both recovered about as soon."""
    if _INVALID in (theirs[0], mine[0]):
        return None
    if theirs[0] == mine[0] < _STUCK and abs(theirs[1] - mine[1]) <= max(_ALIKE_S, _ALIKE * max(theirs[1], mine[1])):
        return None
    return theirs[:2] < mine[:2]


def _outcome(measures: Mapping[str, Any]) -> str:
    verdict = str(measures.get("verdict"))
    lost = (measures.get("goodput_deficit") or {}).get("recovery_ops")
    price = "" if lost is None else f", with {show(lost)} operations lost after the fix"
    if verdict in _OUTCOME:
        return _OUTCOME[verdict]
    if verdict == "recovered":
        return f"recovered {show_s(measures.get('time_to_recover_s'))} after the fix{price}"
    return f"did not recover ({verdict.replace('_', ' ')}){price}"
