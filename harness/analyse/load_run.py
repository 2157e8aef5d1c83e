"""Everything a run left behind, found and opened: plan, journal, and the row files of all writers by kind.

A run that went wrong is exactly the one worth reading, so little is demanded: without a readable `plan.json` there is
no run (RecordError), while a torn row file, a writer that died before its closing count, a damaged header, a damaged
line of the journal or a missing journal each become a sentence in `problems`. Those sentences make the run invalid
later on; the rows and entries that are whole are still counted and drawn.

Rows are read in chunks with plain reads, not through the memory map that `read_rows` returns: mapped pages count as
memory of this process, and ten million rows would then need all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.errors import RecordError
from harness.record.folder import RunFolder
from harness.record.journal import read_journal
from harness.record.rows import RowFile, read_rows
from harness.spec.checks import RUN_S_MAX

Rows = np.ndarray[Any, Any]
CHUNK_ROWS = 1 << 20
_KEYS = ("schema_version", "experiment", "variant", "seed", "phases", "load_end_s", "end_s")


class Run(NamedTuple):
    """One run as recorded. `problems` are sentences about what could not be read whole."""

    folder: RunFolder
    plan: dict[str, Any]
    journal: list[dict[str, Any]]
    files: tuple[RowFile, ...]
    problems: tuple[str, ...]

    def of(self, kind: str) -> tuple[RowFile, ...]:
        """The row files of one kind, in order of their names."""
        return tuple(file for file in self.files if file.kind == kind)

    @property
    def end_s(self) -> float:
        """When the run was to end, seconds from its zero."""
        return float(self.plan["end_s"])


def chunks(file: RowFile, size: int = CHUNK_ROWS) -> Iterator[Rows]:
    """The rows of a file in blocks of at most `size`, read from the disk one at a time."""
    if not isinstance(file.rows, np.memmap):
        if file.rows.size:
            yield file.rows
        return
    offset = int(file.rows.offset)
    for first in range(0, file.rows.size, size):
        count = min(size, file.rows.size - first)
        yield np.fromfile(file.path, file.rows.dtype, count, offset=offset + first * file.rows.dtype.itemsize)


def load(folder: RunFolder) -> Run:
    """Open a run folder. Raises RecordError when it is not one; lesser damage is reported in `problems`."""
    plan = _plan(folder)
    problems: list[str] = []
    files: list[RowFile] = []
    for path in sorted({*folder.rows.glob("*.rows"), *([folder.gauges] if folder.gauges.exists() else [])}):
        file = _file(path, plan.get("zero_monotonic_ns"), problems)
        if file is not None:
            files.append(file)
    if not any(file.kind == "operation" for file in files):
        problems.append(f"{folder.rows}: no operation rows; the load generator recorded nothing, so run it again")
    return Run(folder, plan, _journal(folder, problems), tuple(files), tuple(problems))


def _plan(folder: RunFolder) -> dict[str, Any]:
    """plan.json, with the keys the analysis needs. Raises RecordError."""
    plan = folder.read_json(folder.plan)
    missing = [key for key in _KEYS if key not in plan]
    if missing:
        raise RecordError(f"{folder.plan}: lacks {', '.join(missing)}; it is not a plan written by `blackstart run`")
    if plan["schema_version"] != 1:
        raise RecordError(f"{folder.plan}: schema_version {plan['schema_version']!r}; this version reads 1")
    try:
        phases = [(str(p["name"]), float(p["start_s"]), float(p["end_s"])) for p in plan["phases"]]
        load_end_s, end_s = float(plan["load_end_s"]), float(plan["end_s"])
    except (TypeError, KeyError, ValueError) as error:
        raise RecordError(
            f"{folder.plan}: phases or end times are damaged ({error!r}); the file was edited or cut"
        ) from error
    if not isinstance(plan.get("spec", {}), dict):
        raise RecordError(f"{folder.plan}: its spec is no object; the file was edited or cut")
    if not phases or not 0 < load_end_s <= end_s <= RUN_S_MAX:
        raise RecordError(
            f"{folder.plan}: the load ends at {load_end_s:g} s of {end_s:g} s; 0 < load_end_s <= end_s <= "
            f"{RUN_S_MAX:,} (a day) is needed; the file was edited or cut"
        )
    wrong = [phase for phase in phases if not 0 <= phase[1] <= phase[2] <= RUN_S_MAX]
    if wrong:
        name, start_s, stop_s = wrong[0]
        raise RecordError(
            f"{folder.plan}: the phase {name} is from {start_s:g} s to {stop_s:g} s; 0 <= start_s <= end_s <= "
            f"{RUN_S_MAX:,} (a day) is needed; the file was edited or cut"
        )
    return plan


def _file(path: Path, zero_ns: object, problems: list[str]) -> RowFile | None:
    """One row file, its damage noted in `problems`; None when nothing in it can be read."""
    try:
        file = read_rows(path)
    except RecordError as error:
        problems.append(f"{error}; run again")
        return None
    if not file.complete:
        torn = f", and {file.torn_bytes} bytes of a torn last row dropped" if file.torn_bytes else ""
        problems.append(
            f"{path.name}: no closing count, so its writer ({file.writer}) ended before its time "
            f"({file.rows.size} whole rows read{torn}); see the journal for why, and run again"
        )
    if zero_ns is not None and file.zero_monotonic_ns != zero_ns:
        problems.append(
            f"{path.name}: its zero ({file.zero_monotonic_ns}) is not that of the plan ({zero_ns}), so its "
            "times belong to another run; remove the file or run again"
        )
    return file


def _journal(folder: RunFolder, problems: list[str]) -> list[dict[str, Any]]:
    """The journal's whole entries in order of time, its damage noted in `problems`."""
    damaged: list[str] = []
    try:
        return read_journal(folder.journal, damaged)
    except RecordError as error:
        problems.append(f"{error}; without the journal the moments of fault and fix are unknown, so run again")
        return []
    finally:
        if damaged:
            more = f" (and {len(damaged) - 1} more lines)" if len(damaged) > 1 else ""
            problems.append(f"{damaged[0]}{more}; what the other lines say is kept, but run again for a verdict")
