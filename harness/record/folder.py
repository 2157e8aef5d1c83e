"""The run folder: where everything a run leaves behind lies, and how it is found again.

    runs/<experiment>/<variant>-s<seed>-<time>/
      experiment.yaml plan.json region.json manifest.json journal.jsonl gauges.rows rows/*.rows
      audit.json measures.json series.json report.html charts/*.svg charts/*.png

Files that other processes wait for are replaced in one step (`os.replace`), so nobody reads half of one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import RecordError, RunError


class RunFolder:
    """Names of the files in one run folder, and safe reading and writing of the JSON ones."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.experiment = path / "experiment.yaml"
        self.plan = path / "plan.json"
        self.region = path / "region.json"
        self.token = path / "token"
        self.manifest = path / "manifest.json"
        self.journal = path / "journal.jsonl"
        self.gauges = path / "gauges.rows"
        self.rows = path / "rows"
        self.exports = path / "exports"  # what each component's state was at the end, for the audit
        self.audit = path / "audit.json"
        self.measures = path / "measures.json"
        self.series = path / "series.json"
        self.report = path / "report.html"
        self.charts = path / "charts"

    @classmethod
    def create(cls, root: Path, experiment: str, variant: str, seed: int, stamp: str) -> RunFolder:
        """Make `root/<experiment>/<variant>-s<seed>-<stamp>`; a name already taken gets a counter."""
        base = root / experiment / f"{variant}-s{seed}-{stamp}"
        for number in range(1, 1000):
            path = base if number == 1 else base.with_name(f"{base.name}-{number}")
            try:
                (path / "rows").mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise RunError(
                    f"{path}: cannot make the run folder: {error.strerror}; choose another with --runs DIR"
                ) from error
            return cls(path)
        raise RunError(f"{base}: 999 run folders of this name exist; remove some or choose another with --runs DIR")

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run folder. Raises RecordError, naming what is missing, when it is not one."""
        if not path.is_dir():
            raise RecordError(f"{path}: no such run folder; `blackstart run` prints the folder it wrote")
        folder = cls(path)
        if not folder.plan.is_file():
            raise RecordError(f"{path}: not a run folder (no plan.json in it); name one as printed by `blackstart run`")
        return folder

    def read_json(self, path: Path) -> dict[str, Any]:
        """One of the folder's JSON files. Raises RecordError when it is missing or damaged."""
        try:
            loaded = json.loads(path.read_text())
        except OSError as error:
            raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise RecordError(f"{path}: not valid JSON ({error}); the file is damaged or was edited") from error
        if not isinstance(loaded, dict):
            raise RecordError(f"{path}: holds {type(loaded).__name__}, not an object")
        return loaded

    def write_export(self, component: str, state: Mapping[str, Any]) -> None:
        """A component's state at the end of the run; compact, because a store's effect log is long."""
        try:
            self.exports.mkdir(exist_ok=True)
        except OSError as error:
            raise RunError(f"{self.exports}: cannot be made: {error.strerror}") from error
        self.write_json(self.exports / f"{component}.json", state, indent=None)

    def write_json(self, path: Path, value: object, mode: int = 0o644, indent: int | None = 1) -> None:
        """Replace one of the folder's JSON files in one step. NaN is refused: undefined is null with a reason."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_text(json.dumps(value, indent=indent, allow_nan=False) + "\n")
            temporary.chmod(mode)
            temporary.replace(path)
        except OSError as error:
            raise RunError(f"{path}: cannot be written: {error.strerror}") from error
