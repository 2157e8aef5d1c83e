"""Finished runs on disk, one line each, so that a killed sweep goes on where it stopped.

A table written at the end is lost with the process that would have written it. So each finished run is appended at once
to a file of JSON lines, whose first line says what the runs are of; starting again reads what is there and runs the
rest. A line cut off by a kill or a full disk is not a run: it is cut away and run again.

    {"schema_version": 1, "of": {"experiment": ..., "variant": ..., "fingerprint": ..., "engine": ..., "keys": [...]}}
    {"values": ["50.0/s", 3], "seed": 7, "told": {...}}

Runs are found by their values and seed, not by a number in a design, so a finer grid over the same keys uses the runs
of the coarser one. A file of anything else is refused, never overwritten. One process writes at a time (a lock says
so); a line is complete once written, and the file is synchronised to disk on closing.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import harness
from harness.errors import RecordError, RunError
from harness.study.axes import Value
from harness.study.engine import Told
from harness.study.subject import NOT_SWEPT, Subject

SCHEMA_VERSION = 1


class Of(NamedTuple):
    """What the runs of a journal are of: runs of equal values and seed are then equal."""

    experiment: str
    variant: str
    fingerprint: str
    engine: str
    keys: list[str]

    def code(self) -> str:
        """Eight hex digits, for the name of a folder."""
        return hashlib.blake2b(json.dumps(self).encode(), digest_size=4).hexdigest()


def of(subject: Subject, engine: str, axes: Sequence[str]) -> Of:
    """What runs of a subject over these axes are of. The fingerprint covers the file and our version."""
    spec = {key: value for key, value in subject.raw.items() if key not in NOT_SWEPT}
    text = json.dumps([harness.__version__, spec], sort_keys=True, default=str)
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return Of(subject.name, subject.variant, digest, engine, list(axes))


class Book:
    """Finished runs in memory, by values and seed."""

    def __init__(self) -> None:
        self._found: dict[str, Told] = {}

    def __len__(self) -> int:
        return len(self._found)

    def get(self, values: Sequence[Value], seed: int) -> Told | None:
        """What a run told, or None when it is not finished."""
        return self._found.get(_key(values, seed))

    def add(self, values: Sequence[Value], seed: int, told: Told) -> None:
        """Note one finished run."""
        self._found[_key(values, seed)] = told


class Journal(Book):
    """The runs of one sweep on disk. A context manager. Raises RecordError for a file that is of something else."""

    def __init__(self, path: Path, what: Of) -> None:
        super().__init__()
        self.path = path
        self._what = what
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)  # a buffer would try again, on closing, what no longer fits
        except OSError as error:
            raise RunError(f"{path}: cannot be opened: {error.strerror}; choose another --out DIR") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read()
        except BlockingIOError:
            self._file.close()
            raise RunError(f"{path}: another sweep writes to it now; wait for it, or choose --out DIR") from None
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as failed:
            if error is None:
                raise RunError(self._full(failed)) from failed
        finally:
            self._file.close()

    def add(self, values: Sequence[Value], seed: int, told: Told) -> None:
        """Write down one finished run. Raises RunError when it cannot be written; what was written stays."""
        line = json.dumps({"values": list(values), "seed": seed, "told": told._asdict()}, allow_nan=False)
        self._write(line)
        super().add(values, seed, told)

    def _write(self, line: str) -> None:
        left = line.encode() + b"\n"
        try:
            while left:
                left = left[self._file.write(left) :]  # may take a part, when that is all there is room for
        except OSError as error:
            raise RunError(self._full(error)) from error

    def _full(self, error: OSError) -> str:
        return (
            f"{self.path}: cannot be written: {error.strerror}; {len(self._found)} finished runs are kept in it, so "
            "free some space and give the same command again"
        )

    def _read(self) -> None:
        end = 0
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines):
                if not line.endswith(b"\n"):
                    break  # torn by a kill or a full disk
                self._take(number, line)
                end += len(line)
        self._file.truncate(end)
        if end == 0:
            self._write(json.dumps({"schema_version": SCHEMA_VERSION, "of": self._what._asdict()}))

    def _take(self, number: int, line: bytes) -> None:
        try:
            entry: dict[str, Any] = json.loads(line)
            if number == 0:
                self._check(entry)
                return
            self._found[_key(entry["values"], entry["seed"])] = Told(**entry["told"])
        except (ValueError, KeyError, TypeError) as error:
            raise RecordError(
                f"{self.path}:{number + 1}: not a line of a sweep's journal ({error}); it was edited or is another "
                "file, so choose another place with --out DIR"
            ) from error

    def _check(self, entry: dict[str, Any]) -> None:
        version, found = entry["schema_version"], entry["of"]
        if version != SCHEMA_VERSION:
            raise RecordError(f"{self.path}: schema_version {version!r}; this version reads {SCHEMA_VERSION}")
        differing = [name for name, value in self._what._asdict().items() if found.get(name) != value]
        if differing:
            text = ", ".join(f"{name} {found.get(name)!r}, not {self._what._asdict()[name]!r}" for name in differing)
            raise RecordError(f"{self.path}: holds runs of something else: {text}; choose another place with --out DIR")


def _key(values: Sequence[Value], seed: int) -> str:
    return json.dumps([list(values), seed])
