"""The journal: what happened when, one JSON object a line, appended by every process of a run.

Each entry is a single `write` to a file opened for appending, so entries of several processes never interleave, and
what was written survives the death of its writer. Every entry has `t_s` (seconds from the run's zero), `who` (the
process) and `kind`; the rest depends on the kind.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from harness.errors import RecordError


class Journal:
    """Appends entries of one process."""

    def __init__(self, path: Path, who: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._who = who

    def write(self, t_s: float, kind: str, **fields: Any) -> None:
        """Append one entry; `fields` must be JSON-able."""
        line = json.dumps({"t_s": round(t_s, 6), "who": self._who, "kind": kind, **fields})
        os.write(self._fd, line.encode() + b"\n")

    def close(self) -> None:
        """Release the file; entries are already with the operating system."""
        os.close(self._fd)


def read_journal(path: Path, damaged: list[str] | None = None) -> list[dict[str, Any]]:
    """All whole entries in order of time; a torn last line is left out.

    A damaged line is a RecordError, unless there is a list `damaged` to take a sentence about each: one bad line must
    not cost the moments that the others hold. Raises RecordError when the file cannot be read at all.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
    entries: list[dict[str, Any]] = []
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            entries.append(_entry(line))
        except ValueError as error:
            text = f"{path}:{number}: {error}; the journal is damaged"
            if damaged is None:
                raise RecordError(text) from error
            damaged.append(text)
    return sorted(entries, key=lambda entry: float(entry["t_s"]))


def _entry(line: bytes) -> dict[str, Any]:
    """One line read. Raises ValueError with what is wrong with it."""
    try:
        entry = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text (byte {error.start} of the line)") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a JSON object ({error})") from error
    if not isinstance(entry, dict) or not isinstance(entry.get("t_s"), int | float):
        raise ValueError("not an entry (no time `t_s` in it)")  # noqa: TRY004  # it is the line that is wrong
    return entry
