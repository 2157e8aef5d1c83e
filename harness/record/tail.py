"""Reads row files while they are being written: each call gives the whole rows that came since the last.

The reader of `harness.record.rows` maps a finished file; asked again and again of a growing one it would read all of it
each time. Here the place reached is kept, a torn last row waits for its other half, and the closing count (13 bytes,
shorter than any row followed live) is never taken for a row.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.record.layouts import MAGIC

Rows = np.ndarray[Any, Any]
_HEAD = len(MAGIC) + 4


class Header(NamedTuple):
    """What a row file says of itself."""

    kind: str
    writer: str
    names: dict[str, list[str]]


class Tail:
    """Follows one row file, which need not exist yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._dtype: np.dtype[Any] | None = None
        self.header: Header | None = None

    def read(self) -> Rows | None:
        """New whole rows, None when there are none; `header` is set once any came."""
        try:
            with self._path.open("rb") as file:
                if self._dtype is None and not self._begin(file.read(_HEAD), file.read):
                    return None
                file.seek(self._offset)
                raw = file.read()
        except OSError:
            return None
        assert self._dtype is not None
        whole = len(raw) - len(raw) % self._dtype.itemsize
        self._offset += whole
        return np.frombuffer(raw[:whole], dtype=self._dtype) if whole else None

    def _begin(self, head: bytes, read: Any) -> bool:
        """Take the header in; False when not all of it is there yet."""
        if len(head) < _HEAD or not head.startswith(MAGIC):
            return False
        (length,) = struct.unpack("<I", head[len(MAGIC) :])
        encoded = read(length)
        if len(encoded) < length:
            return False
        header = json.loads(encoded)
        self._dtype = np.dtype([(str(name), str(code)) for name, code in header["dtype"]])
        self.header = Header(header["kind"], header["writer"], header["names"])
        self._offset = _HEAD + length
        return True
