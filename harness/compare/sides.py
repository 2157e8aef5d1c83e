"""The runs of a comparison, read and found comparable, or refused with the reason.

Two curves beside each other look comparable whatever they are. They are not when they ran different experiments, were
watched for different times after the fix, or judged by different lines; then a difference says nothing about the
variants. Such a mixture is refused with a sentence, before any number is printed. Runs of different engines may be
compared, since whether the twin is true is a good question; their names then say which is which.

Leaves out: differences of the machine between runs; the manifests have those.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from harness.analyse import analyse
from harness.analyse.measures import SCHEMA_VERSION
from harness.errors import RecordError, SpecError
from harness.record.folder import RunFolder

_Read = tuple[RunFolder, str, int, dict[str, Any], dict[str, Any]]


class Side(NamedTuple):
    """One run. `recovered` is None when the run is invalid."""

    label: str
    folder: RunFolder
    variant: str
    seed: int
    plan: dict[str, Any]
    measures: dict[str, Any]

    @property
    def valid(self) -> bool:
        """Whether the run can support a verdict at all."""
        return bool(self.measures["validity"]["valid"])

    @property
    def recovered(self) -> bool | None:
        """Whether it recovered, or never failed."""
        found = self.measures.get("recovered")
        return None if found is None else bool(found)


def read(folders: Sequence[RunFolder], labels: Sequence[str | None] = ()) -> list[Side]:
    """The runs in the order given. Raises SpecError when they cannot be compared, RecordError when one is no run.

    A label stands for the run's variant, so that runs of one variant before and after a change can be compared. Where
    engines differ, the engine is part of every name.
    """
    if len(folders) < 2:
        raise SpecError(f"compare: {len(folders)} run; a comparison needs at least two")
    found = []
    for folder in folders:
        plan = folder.read_json(folder.plan)
        measures = folder.read_json(folder.measures) if folder.measures.is_file() else analyse(folder)
        if measures.get("schema_version") != SCHEMA_VERSION:
            measures = analyse(folder)
        try:
            variant, seed = str(plan["variant"]), int(plan["seed"])
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(f"{folder.plan}: lacks a variant or a seed ({error}); the file was edited") from error
        found.append((folder, variant, seed, plan, measures))
    found = _named(found, labels)
    names = [(variant, seed) for _, variant, seed, _, _ in found]
    sides = []
    for number, (folder, variant, seed, plan, measures) in enumerate(found):
        label = variant if sum(name[0] == variant for name in names) == 1 else f"{variant} s{seed}"
        if names.count((variant, seed)) > 1:
            label += f" #{names[: number + 1].count((variant, seed))}"
        sides.append(Side(label, folder, variant, seed, plan, measures))
    for side in sides[1:]:
        _comparable(sides[0], side)
    return sides


def _named(found: list[_Read], labels: Sequence[str | None]) -> list[_Read]:
    """The runs under the names they are compared by."""
    engines = [plan.get("engine") for _, _, _, plan, _ in found]
    given = [*labels, *[None] * (len(found) - len(labels))]
    names = []
    for (_, variant, _, _, _), label, engine in zip(found, given, engines, strict=True):
        name = variant if label is None else label
        names.append(f"{name} ({engine})" if len(set(engines)) > 1 and label is None else name)
    return [(one[0], name, *one[2:]) for one, name in zip(found, names, strict=True)]


def _comparable(first: Side, other: Side) -> None:
    """Raise SpecError with the reason when the two runs cannot be set side by side."""
    for what, get in (
        ("the experiment", lambda plan: plan["experiment"]),
        ("the length of the baseline", lambda plan: _length(plan, "baseline")),
        ("the time watched after the outage", lambda plan: _length(plan, "recovery")),
        ("how steady is defined", lambda plan: plan.get("spec", {}).get("steady_state")),
    ):
        ours, theirs = get(first.plan), get(other.plan)
        if ours != theirs:
            raise SpecError(
                f"compare: {what} differs: {_words(ours)} in {first.folder.path}, {_words(theirs)} in "
                f"{other.folder.path}; their differences would say nothing about variants, so compare runs of one "
                "experiment"
            )


def _length(plan: dict[str, Any], phase: str) -> float | None:
    return next((round(p["end_s"] - p["start_s"], 9) for p in plan["phases"] if p["name"] == phase), None)


def _words(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g} s"
    if isinstance(value, dict):
        return ", ".join(f"{key} {text}" for key, text in value.items())
    return str(value)
