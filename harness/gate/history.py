"""Many runs in one table: what every run was worth, when, and of which experiment.

Run folders are large and are thrown away; what they were worth is a dozen numbers. Those are kept in a SQLite file,
because it is in the standard library, one file that a CI cache can carry, and readable by everything: a few thousand
runs are no work for a larger database, and a second 20 MB of packages would be work for everybody who installs this.

A run's key is its folder's last two names, so that taking it twice, or from another place, changes nothing. Values are
those a comparison prints. A changed fingerprint is shown where it happened: numbers of both sides of it answer
different questions.

Leaves out: judging. A trend is for seeing; what may be merged is decided by criteria and baselines.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from harness.analyse.expect import look_up
from harness.compare import SIDE_BY_SIDE
from harness.errors import RecordError, RunError, SpecError
from harness.gate.runs import fresh, started_of, suite_of
from harness.record.folder import RunFolder

VERSION: Final = 1
_TABLES: Final = """
CREATE TABLE run (
  folder TEXT PRIMARY KEY, started TEXT NOT NULL, experiment TEXT NOT NULL, variant TEXT NOT NULL,
  engine TEXT NOT NULL, suite TEXT NOT NULL, fingerprint TEXT NOT NULL, seed INTEGER NOT NULL,
  valid INTEGER NOT NULL, verdict TEXT NOT NULL
);
CREATE TABLE value (
  folder TEXT NOT NULL REFERENCES run (folder) ON DELETE CASCADE, measure TEXT NOT NULL, value REAL NOT NULL,
  PRIMARY KEY (folder, measure)
);
"""
_COLUMNS: Final = ("folder", "started", "experiment", "variant", "engine", "suite", "fingerprint", "seed", "valid",
                   "verdict")  # fmt: skip


class Entry(NamedTuple):
    """One run as kept."""

    folder: str
    started: str  # UTC, to the second; "" when the run does not say
    experiment: str
    variant: str
    engine: str
    suite: str
    fingerprint: str
    seed: int
    valid: bool
    verdict: str
    values: dict[str, float]


class History:
    """A SQLite file of runs, or one in memory. Close it, or use it as a context manager."""

    def __init__(self, path: Path | None = None) -> None:
        self._name = str(path) if path is not None else ":memory:"
        try:
            self._base = sqlite3.connect(self._name)
            self._base.execute("PRAGMA foreign_keys = ON")
            version = self._base.execute("PRAGMA user_version").fetchone()[0]
            tables = self._base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if not tables:
                self._base.executescript(f"{_TABLES} PRAGMA user_version = {VERSION};")
                version = VERSION
        except sqlite3.OperationalError as error:
            raise RunError(f"{self._name}: the history cannot be opened: {error}") from error
        except sqlite3.DatabaseError as error:
            raise SpecError(f"{self._name}: not a history ({error}); name another file with --db") from error
        if version != VERSION:
            self._base.close()
            raise SpecError(
                f"{self._name}: a history of version {version}; this version of blackstart reads {VERSION}, so name "
                "another file with --db"
            )

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()

    def take(self, folders: Iterable[RunFolder]) -> list[str]:
        """Keep what these runs were worth; sentences about those that could not be read."""
        notes = []
        for folder in folders:
            try:
                notes += fresh(folder)
                self._keep(_entry(folder))
            except (RecordError, SpecError) as error:
                notes.append(f"{error}; left out")
        self._base.commit()
        return notes

    def _keep(self, entry: Entry) -> None:
        self._base.execute("DELETE FROM run WHERE folder = ?", (entry.folder,))
        marks = ", ".join("?" * len(_COLUMNS))
        values = [getattr(entry, name) for name in _COLUMNS]
        self._base.execute(f"INSERT INTO run ({', '.join(_COLUMNS)}) VALUES ({marks})", values)  # noqa: S608 - our names
        self._base.executemany(
            "INSERT INTO value VALUES (?, ?, ?)", [(entry.folder, key, value) for key, value in entry.values.items()]
        )

    def entries(self, experiment: str | None = None, variants: Sequence[str] = ()) -> list[Entry]:
        """The runs kept, by experiment, engine and variant, the oldest first."""
        query = "SELECT folder, measure, value FROM value"
        values: dict[str, dict[str, float]] = {}
        with closing(self._base.execute(query)) as found:
            for folder, measure, value in found:
                values.setdefault(folder, {})[measure] = value
        order = "experiment, engine, variant, started, seed, folder"
        rows = self._base.execute(f"SELECT {', '.join(_COLUMNS)} FROM run ORDER BY {order}").fetchall()  # noqa: S608
        entries = [Entry._make([*row, values.get(row[0], {})])._replace(valid=bool(row[8])) for row in rows]
        return [
            entry
            for entry in entries
            if (experiment is None or entry.experiment == experiment) and (not variants or entry.variant in variants)
        ]


def find(paths: Sequence[Path]) -> list[RunFolder]:
    """Every run folder at or below these paths, in order. Raises RecordError when there is none."""
    found = []
    for path in paths:
        if not path.is_dir():
            raise RecordError(f"{path}: no such folder; name run folders, or one that holds them, as in runs/")
        found += sorted(plan.parent for plan in path.rglob("plan.json"))
    if not found:
        raise RecordError(f"{', '.join(map(str, paths))}: no run folder here (no plan.json); do some runs first")
    return [RunFolder(path) for path in dict.fromkeys(found)]


def _entry(folder: RunFolder) -> Entry:
    measures, plan = folder.read_json(folder.measures), folder.read_json(folder.plan)
    values: dict[str, float] = {}
    for key in SIDE_BY_SIDE:
        value: Any = look_up(measures, key)[1]
        if isinstance(value, int | float) and math.isfinite(value):
            values[key] = float(value)
    where = folder.path.resolve()
    try:
        return Entry(
            f"{where.parent.name}/{where.name}",
            started_of(folder) or "",
            str(plan["experiment"]),
            str(plan["variant"]),
            str(plan.get("engine", "live")),
            suite_of(folder),
            str(plan.get("fingerprint", "")),
            int(plan["seed"]),
            bool(measures["validity"]["valid"]),
            str(measures["verdict"]),
            values,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"{folder.plan}: damaged ({type(error).__name__}: {error})") from error
