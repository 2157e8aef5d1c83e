"""The runs a gate judges: one or more, of one experiment and one engine, each with measures that can be trusted.

A gate reads what a job left behind, perhaps through a cache or an artefact store, so it trusts little: measures of
another version, with a NaN in them, or that counted other rows than are there now, are measured again from the rows,
and said so. Runs that do not belong together are refused before any criterion is asked, with the same sentences as
`blackstart compare`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harness import __version__
from harness.analyse import analyse
from harness.analyse.held import Look
from harness.analyse.measures import SCHEMA_VERSION
from harness.compare.relative import looker
from harness.compare.sides import Side
from harness.compare.sides import read as read_sides
from harness.errors import RecordError, SpecError
from harness.record.folder import RunFolder
from harness.record.rows import read_rows


class Subject(NamedTuple):
    """What is judged. `notes` are sentences about what was done to the runs before that."""

    experiment: str
    engine: str
    suite: str  # version of blackstart that did the runs
    sides: tuple[Side, ...]
    lines: tuple[dict[str, Any], ...]  # the expect lines the runs carry
    notes: tuple[str, ...]
    looks: dict[str, Look]

    def look(self, side: Side) -> Look:
        """The series of a run, its rows read at most once."""
        return self.looks.setdefault(str(side.folder.path), looker(side.folder))

    def of(self, variant: str) -> list[Side]:
        """The runs of a variant."""
        return [side for side in self.sides if side.variant == variant]


def read(folders: Sequence[RunFolder], variants: Sequence[str] = ()) -> Subject:
    """The runs, those of `variants` when any are named. Raises SpecError or RecordError with the reason."""
    if not folders:
        raise SpecError("gate: no run; name run folders, or an experiment file to run first")
    plans = [folder.read_json(folder.plan) for folder in folders]
    if variants:
        there = list(dict.fromkeys(str(plan.get("variant")) for plan in plans))
        missing = [name for name in variants if name not in there]
        if missing:
            raise SpecError(f"gate: no run of variant {', '.join(missing)}; the runs are of {', '.join(there)}")
        folders = [folder for folder, plan in zip(folders, plans, strict=True) if plan.get("variant") in variants]
    _one_engine(folders)
    notes = [note for folder in folders for note in fresh(folder)]
    sides = read_sides(folders) if len(folders) > 1 else [_alone(folders[0])]
    suites = {side.folder.path: suite_of(side.folder) for side in sides}
    if len(set(suites.values())) > 1:
        said = ", ".join(f"{path} by {suite}" for path, suite in suites.items())
        raise SpecError(f"gate: the runs were done by different versions of blackstart ({said}); run them again")
    for side in sides[1:]:
        _same_variant(sides, side)
    plan = sides[0].plan
    return Subject(
        str(plan.get("experiment")),
        str(plan.get("engine", "live")),
        next(iter(suites.values())),
        tuple(sides),
        tuple(plan.get("spec", {}).get("expect") or ()),
        tuple(notes),
        {},
    )


def _one_engine(folders: Sequence[RunFolder]) -> None:
    """A comparison may set the live beside the simulated; a criterion is about one of them."""
    engines = {str(folder.path): str(folder.read_json(folder.plan).get("engine", "live")) for folder in folders}
    if len(set(engines.values())) > 1:
        (one, ours), (other, theirs) = (
            next((path, engine) for path, engine in engines.items() if engine == wanted)
            for wanted in sorted(set(engines.values()))[:2]
        )
        raise SpecError(
            f"gate: the engine differs: {ours} in {one}, {theirs} in {other}; a criterion is about runs of one engine, "
            "so gate them one after the other"
        )


def fresh(folder: RunFolder) -> list[str]:
    """Measure a run whose measures cannot be trusted (again); what was done, in a sentence."""
    if not folder.measures.is_file():
        analyse(folder)
        return []
    why = _stale(folder)
    if not why:
        return []
    analyse(folder)
    return [f"{folder.path}: {why}; measured again from its rows"]


def suite_of(folder: RunFolder) -> str:
    """The version of blackstart that did a run; this one where the run does not say."""
    if not folder.manifest.is_file():
        return __version__
    versions = folder.read_json(folder.manifest).get("versions")
    return str(versions.get("blackstart", __version__)) if isinstance(versions, dict) else __version__


def started_of(folder: RunFolder) -> str | None:
    """When a run started, UTC and to the second: from its manifest, else from the name of its folder."""
    if folder.manifest.is_file():
        started = str(folder.read_json(folder.manifest).get("started"))[:19]
        if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", started):
            return started
    stamp = re.search(r"-(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)(?:-|$)", folder.path.name)
    return None if stamp is None else "{}-{}-{}T{}:{}:{}".format(*stamp.groups())


def _alone(folder: RunFolder) -> Side:
    """A single run, which `compare` would refuse."""
    plan = folder.read_json(folder.plan)
    try:
        variant, seed = str(plan["variant"]), int(plan["seed"])
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"{folder.plan}: lacks a variant or a seed ({error}); the file was edited") from error
    return Side(variant, folder, variant, seed, plan, folder.read_json(folder.measures))


def _same_variant(sides: Sequence[Side], side: Side) -> None:
    """Two runs under one name must be of one thing, and all must have been asked the same."""
    first = next(other for other in sides if other.variant == side.variant)
    ours, theirs = first.plan.get("fingerprint"), side.plan.get("fingerprint")
    if ours != theirs:
        raise SpecError(
            f"gate: two experiments under the name {side.variant}: fingerprint {ours} in {first.folder.path}, {theirs} "
            f"in {side.folder.path}; the file was changed in between, so run both again"
        )
    if side.plan.get("spec", {}).get("expect") != sides[0].plan.get("spec", {}).get("expect"):
        raise SpecError(
            f"gate: {sides[0].folder.path} and {side.folder.path} carry different `expect` lines; say which count with "
            "--criteria FILE"
        )


def _stale(folder: RunFolder) -> str:
    """Why the measures of a run cannot be trusted, "" when they can."""
    try:
        measures = folder.read_json(folder.measures)
    except RecordError:
        return "its measures.json was damaged"
    version = measures.get("schema_version")
    if version != SCHEMA_VERSION:
        return f"its measures.json is of version {version!r}, this is {SCHEMA_VERSION}"
    bad = _not_finite(measures)
    if bad:
        return f"its measures.json holds a number that is none at {bad}"
    validity = measures.get("validity")
    if not isinstance(validity, dict) or not isinstance(validity.get("valid"), bool) or "files" not in measures:
        return "its measures.json lacks keys"
    counted = {entry["name"]: (entry["rows"], entry["complete"]) for entry in measures["files"]}
    return "" if counted == _rows_now(folder) else "its rows are not those that were measured"


def _rows_now(folder: RunFolder) -> dict[str, tuple[int, bool]]:
    found = {}
    for path in (*folder.rows.glob("*.rows"), *([folder.gauges] if folder.gauges.exists() else [])):
        try:
            file = read_rows(path)
        except RecordError:
            continue
        found[path.name] = (int(file.rows.size), file.complete)
    return found


def _not_finite(value: object, path: str = "") -> str:
    """The dotted key of the first number that is nan or infinite, "" without one."""
    if isinstance(value, float) and not math.isfinite(value):
        return path or "the top"
    if isinstance(value, Mapping):
        found = (_not_finite(part, f"{path}.{key}".strip(".")) for key, part in value.items())
        return next(filter(None, found), "")
    if isinstance(value, list):
        return next(filter(None, (_not_finite(part, f"{path}[{i}]") for i, part in enumerate(value))), "")
    return ""
