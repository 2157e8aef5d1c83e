"""A run's rows as Parquet or CSV, one file per table, for tools that are not ours.

CSV is for eyes and spreadsheets: text, nulls as nothing between two commas. Parquet is for data frames: typed, words as
dictionaries, compressed, and with the run's identity in the file's metadata. Both are written piece by piece, so a run
of ten million rows needs no more memory than a small one.

Parquet needs pyarrow, which is an extra of this suite (`parquet`), because it is larger than all the rest together.
"""

from __future__ import annotations

import csv
import importlib
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.analyse.load_run import Run, load
from harness.analyse.tables import NAMES, Column, Piece, columns, pieces
from harness.errors import RunError, SpecError
from harness.record.folder import RunFolder

FORMATS = ("parquet", "csv")


def export(folder: RunFolder, out: Path, form: str) -> tuple[list[Path], list[str]]:
    """Write every table of a run into `out`; the files, and sentences about rows that could not be read whole.

    Raises RecordError for what is no run, SpecError for a form that cannot be written here, RunError without room.
    """
    if form not in FORMATS:
        raise SpecError(f"export: unknown format {form!r}; they are {', '.join(FORMATS)}")
    if form == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise SpecError("export: Parquet needs pyarrow, which is not installed; install it, or use --format csv")
    run = load(folder)
    write = _parquet if form == "parquet" else _csv
    made = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for kind, name in NAMES.items():
            path = out / f"{name}.{form}"
            write(path, run, kind)
            made.append(path)
    except OSError as error:
        raise RunError(f"{out}: cannot be written: {error.strerror}") from error
    return made, list(run.problems)


def _csv(path: Path, run: Run, kind: str) -> None:
    table = columns(kind)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([column.name for column in table])
        for piece in pieces(run, kind):
            writer.writerows(zip(*(_texts(piece, column) for column in table), strict=True))


def _texts(piece: Piece, column: Column) -> Iterator[object]:
    """A column as CSV has it."""
    values = piece.values[column.name].tolist()
    if column.sort == "word":
        words = piece.words[column.name]
        return iter([words[number] for number in values])
    if column.sort == "ns":
        gone = piece.null[column.name].tolist()
        return iter(["" if null else value for value, null in zip(values, gone, strict=True)])
    if column.sort == "flag":
        return iter(["true" if value else "false" for value in values])
    return iter(values)


def _parquet(path: Path, run: Run, kind: str) -> None:
    arrow: Any = importlib.import_module("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    table = columns(kind)
    types = {
        "id": arrow.uint64(),
        "count": arrow.int32(),
        "ns": arrow.int64(),
        "moment": arrow.int64(),
        "number": arrow.float64(),
        "word": arrow.dictionary(arrow.int32(), arrow.string()),
        "flag": arrow.bool_(),
    }
    fields = [arrow.field(c.name, types[c.sort], metadata={"meaning": c.meaning}) for c in table]
    known = ("experiment", "variant", "seed", "engine", "fingerprint", "zero_monotonic_ns")
    facts = {"blackstart": json.dumps({key: run.plan.get(key) for key in known})}
    schema = arrow.schema(fields, metadata=facts)
    with parquet.ParquetWriter(path, schema) as writer:
        for piece in pieces(run, kind):
            arrays = [_array(arrow, types[c.sort], piece, c) for c in table]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))


def _array(arrow: Any, kind: Any, piece: Piece, column: Column) -> Any:
    values = piece.values[column.name]
    if column.sort == "word":
        return arrow.DictionaryArray.from_arrays(arrow.array(values, arrow.int32()), piece.words[column.name])
    return arrow.array(values, kind, mask=piece.null.get(column.name))
