"""The rows of a run as plain tables, for tools that read no row files: names instead of ids, words instead of codes.

    operations  attempts  served  gauges

A row file says `story 0` and keeps the names in its header, and writes -1 for what did not happen. That is right for
bytes on a disk and wrong in somebody's data frame, where the mean of a column with -1 in it is a number nobody will
doubt. So ids become names, codes become words, and what did not happen becomes null. Nothing else is changed: no row
is left out, and times stay nanoseconds from the run's zero.

`SCHEMA` is the documentation too: docs/run_folder.md is written from it. Leaves out: file formats (`report.export`).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np

from harness.analyse.load_run import Rows, Run, chunks
from harness.flows.wants import Cause, Result
from harness.record.layouts import LAYOUTS, Outcome
from harness.record.rows import RowFile

ROWS: Final = 1 << 18  # of one piece of a table


class Column(NamedTuple):
    """One column of a table.

    `sort` is "id" (unsigned), "count", "ns" (nanoseconds, or null), "moment" (the same, never null), "number", "word"
    or "flag".
    """

    name: str
    sort: str
    meaning: str


WRITER: Final = Column("writer", "word", "who wrote the row")
SCHEMA: Final[dict[str, tuple[Column, ...]]] = {
    "operation": (
        Column("op", "id", "the operation, 1 and up; its place in the plan's schedule plus one"),
        Column("story", "word", "what kind of user wanted it"),
        Column("app", "word", "the app it was wanted of"),
        Column("worker", "word", "the load worker that started it"),
        Column("intended_ns", "ns", "when it was due; latency counts from here"),
        Column("started_ns", "ns", "when the generator started it; null when it never did"),
        Column("finished_ns", "ns", "when it ended; null when it did not"),
        Column("deadline_ns", "ns", "until when it is any use; null without a deadline"),
        Column("outcome", "word", "good, late, failed, throttled, dropped (never started) or unfinished"),
        Column("attempts", "count", "attempts that left the outermost client for it"),
    ),
    "attempt": (
        Column("op", "id", "the operation it was sent for"),
        Column("layer", "count", "0 left the outermost client, 1 the app it called, ...; 255 is the outside probe"),
        Column("parent", "id", "the attempt on whose behalf it was sent; 0 for none"),
        Column("attempt", "id", "this attempt; `served.attempt` is the same number"),
        Column("n", "count", "which try of its call; 0 is the first"),
        Column("target", "word", "the component it was sent to"),
        Column("sent_ns", "ns", "when it was sent"),
        Column("ended_ns", "ns", "when its caller stopped waiting; null when it was still open at the end"),
        Column("result", "word", "ok, refused, error, timeout, unsent or unfinished"),
        Column("status", "count", "the HTTP status; 0 without an answer"),
        Column("cause", "word", "why, where the result alone does not say; none otherwise"),
    ),
    "served": (
        Column("attempt", "id", "the attempt that was served"),
        Column("component", "word", "the server"),
        Column("arrived_ns", "ns", "when it came to the server"),
        Column("began_ns", "ns", "when service began; null when it was refused or dropped"),
        Column("ended_ns", "ns", "reply ready, or refusal; null when it was still there at the end"),
        Column("service_ns", "ns", "worker time spent on it"),
        Column("abandoned", "flag", "whether the server saw its caller go before the end"),
    ),
    "gauge": (
        Column("t_ns", "moment", "when the gauge was read; below 0 before the run's zero"),
        Column("component", "word", "whose gauge it is"),
        Column("gauge", "word", "its name; those that begin with waiting_ are waiting work"),
        Column("value", "number", "what it said"),
    ),
}
NAMES: Final = {"operation": "operations", "attempt": "attempts", "served": "served", "gauge": "gauges"}
# What the header's name lists are called, and what the codes mean.
_NAMED: Final = ("story", "app", "worker", "target", "component", "gauge")
_CODES: Final[dict[str, type[IntEnum]]] = {"outcome": Outcome, "result": Result, "cause": Cause}


class Piece(NamedTuple):
    """Some rows of a table: for each column its values; words as numbers into `words`, nulls as `null` says."""

    rows: int
    values: dict[str, np.ndarray[Any, Any]]
    words: dict[str, list[str]]
    null: dict[str, np.ndarray[Any, Any]]


def columns(kind: str) -> tuple[Column, ...]:
    """The columns of a table, the writer last."""
    return (*SCHEMA[kind], WRITER)


def pieces(run: Run, kind: str) -> Iterator[Piece]:
    """The table of one kind, piece by piece, so that its memory does not grow with the run."""
    for file in run.of(kind):
        for rows in chunks(file, ROWS):
            yield _piece(file, kind, rows)


def _piece(file: RowFile, kind: str, rows: Rows) -> Piece:
    values: dict[str, np.ndarray[Any, Any]] = {}
    words: dict[str, list[str]] = {WRITER.name: [file.writer]}
    null: dict[str, np.ndarray[Any, Any]] = {}
    for column in SCHEMA[kind]:
        found = rows[column.name]
        if column.sort == "word":
            words[column.name] = _words(file, column.name, found)
            found = found.astype(np.int32)
        elif column.sort == "ns":
            null[column.name] = found == -1
        elif column.sort == "flag":
            found = found != 0
        values[column.name] = found
    values[WRITER.name] = np.zeros(rows.size, dtype=np.int32)
    return Piece(int(rows.size), values, words, null)


def _words(file: RowFile, name: str, found: np.ndarray[Any, Any]) -> list[str]:
    """The words that the numbers of a column stand for; a number without one is its own word."""
    if name in _CODES:
        known = {int(code): code.name.lower() for code in _CODES[name]}
    else:
        known = dict(enumerate(file.names.get(name, [])))
    most = int(found.max()) if found.size else -1
    return [known.get(number, f"{name}-{number}") for number in range(max(most + 1, 1))]


def documentation() -> str:
    """The columns of all tables as Markdown, with the layout of each in row files."""
    sorts = {"id": "unsigned integer", "count": "integer", "ns": "integer, nanoseconds from the run's zero; null",
             "moment": "integer, nanoseconds from the run's zero",
             "number": "float", "word": "text", "flag": "true or false"}  # fmt: skip
    lines = []
    for kind, table in NAMES.items():
        layout = dict(LAYOUTS[kind])
        lines += [f"### {table}", "", f"Rows of kind `{kind}`.", ""]
        lines += ["| column | in row files | exported as | meaning |", "|---|---|---|---|"]
        for column in columns(kind):
            stored = f"`{layout[column.name]}`" if column.name in layout else "the header"
            lines.append(f"| `{column.name}` | {stored} | {sorts[column.sort]} | {column.meaning} |")
        lines.append("")
    return "\n".join(lines)
