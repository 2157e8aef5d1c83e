"""Fixed-width binary row files: append-only, numpy-readable, and honest about how they ended.

A text log costs microseconds a row and loses types; a columnar file must be finished to be read at all. So: an
8-byte magic, a length, a JSON header naming kind, writer, columns and the run's zero, then fixed-width records, then a
trailer with the count of rows written. A file without its trailer was cut short: every whole record in it still reads,
a torn last record is dropped, and `complete` is False, so a silent recorder is caught instead of trusted.

    magic "BSROWS01" | uint32 length | JSON {kind, writer, dtype, zero_monotonic_ns, names} | records | "BSEND" uint64

Leaves out: compression and indexing. All integers little-endian.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self

import numpy as np

from harness.errors import RecordError
from harness.record.layouts import LAYOUTS, MAGIC, TRAILER

_LENGTH = struct.Struct("<I")
_COUNT = struct.Struct("<Q")
_STRUCT_CODE = {"<u1": "B", "<u2": "H", "<u8": "Q", "<i8": "q", "<f8": "d"}
_FLUSH_BYTES = 1 << 16


class RowWriter:
    """Appends rows of one kind to one file; `close` writes the trailer with the count.

    `names` gives the header's name lists, as in {"component": ["dns", "kv"]}: ids in rows index them. Columns are
    passed to `add` in layout order. Rows reach the disk in blocks of 64 KiB, on `flush`, and on `close`.
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        writer: str,
        zero_monotonic_ns: int,
        names: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        layout = LAYOUTS[kind]
        header = {
            "kind": kind,
            "writer": writer,
            "dtype": [list(column) for column in layout],
            "zero_monotonic_ns": zero_monotonic_ns,
            "names": {key: list(value) for key, value in (names or {}).items()},
        }
        encoded = json.dumps(header).encode()
        row = struct.Struct("<" + "".join(_STRUCT_CODE[code] for _, code in layout))
        self.path = path
        self._row_bytes = row.size
        self._pack = row.pack
        self._written = 0  # bytes of rows
        self._pending = bytearray()
        self._file: BinaryIO | None = _begun(path, MAGIC + _LENGTH.pack(len(encoded)) + encoded)

    @property
    def count(self) -> int:
        """Rows added so far."""
        return (self._written + len(self._pending)) // self._row_bytes

    def add(self, *columns: float) -> None:
        """Append one row; columns in layout order."""
        pending = self._pending
        pending += self._pack(*columns)
        if len(pending) >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand what is pending to the operating system, so that it survives the death of this process."""
        while self._file is not None and self._pending:
            written = self._file.write(self._pending)  # a disk that fills takes a part first, then refuses the rest
            self._written += written
            del self._pending[:written]

    def close(self) -> None:
        """Write what is pending and the closing count; further calls do nothing."""
        if self._file is None:
            return
        try:
            self.flush()
            self._file.write(TRAILER + _COUNT.pack(self.count))
        finally:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _begun(path: Path, header: bytes) -> BinaryIO:
    """A file that has its whole header from the moment it has its name: live readers look before the first row."""
    unnamed = path.with_name(f"{path.name}.new")
    file = unnamed.open("wb", buffering=0)
    try:
        file.write(header)
        unnamed.replace(path)
    except OSError:
        file.close()
        raise
    return file


class RowFile(NamedTuple):
    """One row file as read: `rows` is a structured array whose columns are the layout's."""

    path: Path
    kind: str
    writer: str
    zero_monotonic_ns: int
    names: dict[str, list[str]]
    rows: np.ndarray[Any, Any]
    complete: bool  # the closing count is there and matches
    torn_bytes: int  # bytes of a torn last record, dropped


def read_rows(path: Path) -> RowFile:
    """Read a row file, finished or not; memory-maps the records. Raises RecordError when it is not one."""
    try:
        with path.open("rb") as file:
            start = file.read(len(MAGIC) + _LENGTH.size)
            if len(start) < len(MAGIC) + _LENGTH.size or not start.startswith(MAGIC):
                raise RecordError(
                    f"{path}: not a row file (it does not start with {MAGIC.decode()}); "
                    "name a file under rows/ of a run folder"
                )
            (length,) = _LENGTH.unpack(start[len(MAGIC) :])
            encoded = file.read(length)
            header = json.loads(encoded)
            dtype = np.dtype([(str(name), str(code)) for name, code in header["dtype"]])
            if not dtype.itemsize:
                raise ValueError("it names no columns")  # noqa: TRY301  # one place tells what a damaged header means
            kind, writer, zero_ns = str(header["kind"]), str(header["writer"]), int(header["zero_monotonic_ns"])
            names = dict(header.get("names", {}))
            body_at = file.tell()
            size = file.seek(0, 2)
            tail = len(TRAILER) + _COUNT.size
            complete = False
            body = size - body_at
            if body >= tail and (body - tail) % dtype.itemsize == 0:
                file.seek(size - tail)
                closing = file.read(tail)
                if closing.startswith(TRAILER):
                    (count,) = _COUNT.unpack(closing[len(TRAILER) :])
                    complete = count * dtype.itemsize == body - tail
                    body = body - tail if complete else body
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(
            f"{path}: the header of this row file is damaged ({error}); the rows behind it cannot be read"
        ) from error
    count = body // dtype.itemsize
    rows: np.ndarray[Any, Any] = (
        np.memmap(path, dtype=dtype, mode="r", offset=body_at, shape=(count,)) if count else np.empty(0, dtype=dtype)
    )
    return RowFile(
        path,
        kind,
        writer,
        zero_ns,
        names,
        rows,
        complete,
        body - count * dtype.itemsize,
    )
