"""Baselines: what a variant was worth when somebody looked at it and agreed, in a file that is reviewed like code.

    baselines/dns_race.json
      {"schema_version": 1, "experiment": "dns_race",
       "baselines": {"budget/world/0.1.0": {"fingerprint": "1c0e...", "runs": {"7": {"time_to_recover_s": 9.25, ...}}}}}

A number that was saved by a job and compared by a job drifts: every merge may be a little worse than the one before,
and nobody ever agreed. So the file lies in the repository, one value a line in a fixed order and without dates, and a
change of it is a small diff that a person approves.

A key is variant, engine and version of this suite, because a live run is not a simulated one and a new version may
measure otherwise. The fingerprint is a hash of the resolved experiment: once that changed, the old number answers
another question, and a comparison is refused rather than printed with a footnote.

Values are rounded to six digits, so that the last bits of a float are no diff.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from harness.analyse.expect import Value, look_up
from harness.compare import SIDE_BY_SIDE
from harness.compare.relative import value_of_line
from harness.compare.sides import Side
from harness.errors import InvalidRun, RunError, SpecError
from harness.gate.runs import Subject
from harness.record.folder import RunFolder
from harness.spec.criteria import Expect, read_expect
from harness.spec.lines import Condition

SCHEMA_VERSION: Final = 1
_DIGITS: Final = 6


class Entry(NamedTuple):
    """One variant as saved: its fingerprint, and values by key for each seed."""

    fingerprint: str
    runs: dict[int, dict[str, Any]]


class Saved(NamedTuple):
    """A baseline file. Entries by "variant/engine/suite"."""

    path: Path
    experiment: str
    entries: dict[str, Entry]

    @classmethod
    def read(cls, path: Path) -> Saved:
        """The file. Raises SpecError when there is none, or none of this version."""

        def refuse(name: str) -> NoReturn:
            raise ValueError(f"{name} is no number")

        try:
            loaded = json.loads(path.read_text(), parse_constant=refuse)
        except OSError as error:
            raise SpecError(
                f"{path}: cannot be read as a baseline: {error.strerror}; write one with `blackstart baseline save`"
            ) from error
        except ValueError as error:
            raise SpecError(f"{path}: not a baseline ({error}); restore it, or save it again") from error
        version = loaded.get("schema_version") if isinstance(loaded, dict) else None
        if version != SCHEMA_VERSION:
            raise SpecError(
                f"{path}: a baseline of version {version!r}; this version of blackstart reads {SCHEMA_VERSION}, so "
                "save it again"
            )
        try:
            entries = {
                str(key): Entry(str(one["fingerprint"]), {int(seed): dict(run) for seed, run in one["runs"].items()})
                for key, one in loaded["baselines"].items()
            }
            return cls(path, str(loaded["experiment"]), entries)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SpecError(
                f"{path}: not a baseline ({type(error).__name__}: {error}); restore it, or save it again"
            ) from error

    def entry(self, side: Side, engine: str, suite: str) -> Entry:
        """What was saved of a run's variant. Raises SpecError when that is nothing it can be compared with."""
        experiment, fingerprint = str(side.plan.get("experiment")), str(side.plan.get("fingerprint"))
        if self.experiment != experiment:
            raise SpecError(f"{self.path}: the baseline of {self.experiment}, but these are runs of {experiment}")
        found = self.entries.get(f"{side.variant}/{engine}/{suite}")
        again = f"blackstart baseline save {self.path} RUN..."
        if found is None:
            known = ", ".join(self.entries) or "nothing"
            raise SpecError(
                f"{self.path}: no baseline for {side.variant}/{engine}/{suite} (variant/engine/version); it has "
                f"{known}. Save one with `{again}`, and have the change reviewed"
            )
        if found.fingerprint != fingerprint:
            raise SpecError(
                f"{self.path}: {side.variant} was saved for experiment {found.fingerprint}, and {side.folder.path} ran "
                f"{fingerprint}: the experiment changed, so the saved values answer another question. If that is "
                f"wanted, save again with `{again}`, and have the change reviewed"
            )
        return found

    def value(self, side: Side, engine: str, suite: str, line: Expect) -> Value:
        """What the run with the same seed was worth when it was saved."""
        runs = self.entry(side, engine, suite).runs
        if side.seed not in runs:
            have = ", ".join(map(str, sorted(runs))) or "none"
            return Value(None, False, f"no run with seed {side.seed} was saved (there are {have}), and luck differs")
        run = runs[side.seed]
        number = run.get(line.label)
        if line.label == "time_to_recover_s" and number is None and run.get("censored"):
            return Value(float(run["horizon_s"]), True, "")
        if isinstance(number, int | float) and not isinstance(number, bool):
            return Value(float(number), False, "")
        return Value(None, False, f"{line.label} is not among the saved values; save the baseline again")

    def sides(self, side: Side, engine: str, suite: str) -> list[Side]:
        """The saved runs of a run's variant, as if they were runs, to be set beside present ones."""
        return [
            Side("saved", RunFolder(self.path), "saved", seed, side.plan, as_measures(run, valid=True))
            for seed, run in self.entry(side, engine, suite).runs.items()
        ]


def as_measures(values: Mapping[str, Any], *, valid: bool) -> dict[str, Any]:
    """Values by dotted key as the mapping measures.json would hold; words of a line on a series are left out."""
    measures: dict[str, Any] = {"validity": {"valid": valid, "reasons": []}, "reasons": {}}
    for key, value in values.items():
        if " " not in key:
            *path, last = key.split(".")
            at = measures
            for step in path:
                at = at.setdefault(step, {})
            at[last] = value
    return measures


def save(path: Path, subject: Subject) -> Saved:
    """Write what these runs are worth to a baseline file, replacing what it had of the same keys.

    Raises InvalidRun when one of the runs is invalid, SpecError when the file is of another experiment.
    """
    entries: dict[str, Entry] = {}
    if path.exists():
        old = Saved.read(path)
        if old.experiment != subject.experiment:
            raise SpecError(f"{path}: the baseline of {old.experiment}; choose another file for {subject.experiment}")
        entries = old.entries
    lines = [
        line for line in map(read_expect, subject.lines) if isinstance(line.is_, Condition) and line.is_.of == "saved"
    ]
    fresh: dict[str, Entry] = {}
    for side in subject.sides:
        if not side.valid:
            why = "; ".join(side.measures["validity"].get("reasons") or ["it does not say why"])
            raise InvalidRun(f"{side.folder.path}: an invalid run is no baseline: {why}; run it again")
        key = f"{side.variant}/{subject.engine}/{subject.suite}"
        entry = fresh.setdefault(key, Entry(str(side.plan.get("fingerprint")), {}))
        entry.runs[side.seed] = values_of(side) | _of_lines(subject, side, lines)
    found = Saved(path, subject.experiment, {**entries, **fresh})
    _write(found)
    return found


def values_of(side: Side) -> dict[str, Any]:
    """The values of a run that runs are compared by, rounded as they are saved; undefined ones are left out."""
    values = {key: rounded(look_up(side.measures, key)[1]) for key in SIDE_BY_SIDE}
    return {key: value for key, value in values.items() if value is not None}


def _of_lines(subject: Subject, side: Side, lines: Sequence[Expect]) -> dict[str, Any]:
    """The values that the run's own lines relate to a baseline."""
    values = {}
    for line in lines:
        if line.variant == side.variant:
            found = value_of_line(line, side.measures, lambda: subject.look(side))
            if found.number is not None and not found.at_least:
                values[line.label] = rounded(found.number)
    return values


def rounded(value: Any) -> Any:
    """A value as it is saved: floats to six digits."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        short = float(f"{value:.{_DIGITS}g}")
        return int(short) if short.is_integer() and abs(short) < 1e15 else short
    return value


def _write(saved: Saved) -> None:
    """In a fixed order, one value a line, replaced in one step."""
    body = {
        "schema_version": SCHEMA_VERSION,
        "experiment": saved.experiment,
        "baselines": {
            key: {
                "fingerprint": entry.fingerprint,
                "runs": {str(seed): dict(sorted(run.items())) for seed, run in sorted(entry.runs.items())},
            }
            for key, entry in sorted(saved.entries.items())
        },
    }
    temporary = saved.path.with_name(f".{saved.path.name}.{os.getpid()}")
    try:
        saved.path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(body, indent=1, allow_nan=False) + "\n")
        temporary.replace(saved.path)
    except OSError as error:
        raise RunError(f"{saved.path}: cannot be written: {error.strerror}") from error


def listing(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Every entry of these files: what it is of, and how many runs it has. Raises SpecError as `Saved.read`."""
    found = []
    for path in paths:
        saved = Saved.read(path)
        for key, entry in sorted(saved.entries.items()):
            variant, engine, suite = key.rsplit("/", 2)
            found.append({
                "file": str(path), "experiment": saved.experiment, "variant": variant, "engine": engine,
                "suite": suite, "fingerprint": entry.fingerprint, "seeds": sorted(entry.runs),
            })  # fmt: skip
    return found
