"""Row files of a worker on another host, brought to the run's folder whole, or not called whole.

Locust's way of collecting is a sum every three seconds, and what a worker had when it was told to quit is lost. Rows
must all arrive. So a worker elsewhere records as any other does, into files on its own disk, and these files are copied
while they grow, as bytes, over Locust's own connection:

    worker   chunk: file, offset, bytes        at most WINDOW_BYTES of a file not yet acknowledged
    master   writes what continues its copy, answers with how far the copy goes, whatever came

The answer is cumulative, so nothing needs to be remembered: a chunk that came twice changes nothing, one that came too
early is left and the answer says where to go on, and when no answer brings progress for RESEND_S the worker goes back
to the last one. Memory is bounded by the window on both sides; what is not yet sent lies on the worker's disk. A row
file's closing count is its last bytes, so a copy has it only when everything before it is there; at the end length and
digest of each file are compared as well. A copy that was cut reads like any file that was cut: rows, but no such count.

Leaves out: compression (a row has about 60 bytes; 1,000 operations a second are some 120 kB/s).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

CHUNK_BYTES = 1 << 16
WINDOW_BYTES = 1 << 19
RESEND_S = 1.0


class Goods(NamedTuple):
    """What a whole file is: its length and digest."""

    size: int  # bytes
    digest: str  # blake2b, hexadecimal


def goods_of(path: Path) -> Goods:
    """Length and digest of a file, read in pieces."""
    digest, size = hashlib.blake2b(digest_size=16), 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
            size += len(piece)
    return Goods(size, digest.hexdigest())


class _Going:
    """One file being sent: how far it was sent, and how far the other side has it."""

    def __init__(self, path: Path) -> None:
        self.file: BinaryIO = path.open("rb")
        self.sent = 0
        self.had = 0
        self.moved_s = 0.0  # when the other side's part last grew, or we went back


class Shipper:
    """Sends files of a folder as they grow. `send` gets one message, a mapping with string keys."""

    def __init__(self, rows: Path, send: Callable[[dict[str, Any]], None]) -> None:
        self._rows = rows
        self._send = send
        self._going: dict[str, _Going] = {}
        self.chunks = 0

    def pump(self, now_s: float) -> None:
        """Send what the window allows of what the files have; go back where nothing was heard for too long."""
        for path in sorted(self._rows.glob("*.rows")):
            going = self._going.get(path.name)
            if going is None:
                going = self._going[path.name] = _Going(path)
                going.moved_s = now_s
            if going.sent > going.had and now_s - going.moved_s >= RESEND_S:
                going.sent, going.moved_s = going.had, now_s
            self._advance(path.name, going, now_s)

    def got(self, name: str, offset: int, now_s: float) -> None:
        """The other side has the first `offset` bytes of a file."""
        going = self._going[name]
        if offset > going.had:
            going.had, going.moved_s = offset, now_s
            going.sent = max(going.sent, offset)

    def is_done(self) -> bool:
        """Whether the other side has all that the files hold now."""
        sizes = {path.name: path.stat().st_size for path in self._rows.glob("*.rows")}
        return all(name in self._going and self._going[name].had == size for name, size in sizes.items())

    def manifest(self) -> dict[str, list[Any]]:
        """Length and digest of every file, once nothing is added to them any more."""
        return {path.name: list(goods_of(path)) for path in sorted(self._rows.glob("*.rows"))}

    def close(self) -> None:
        """Release the files."""
        for going in self._going.values():
            going.file.close()
        self._going.clear()

    def _advance(self, name: str, going: _Going, now_s: float) -> None:
        while (room := WINDOW_BYTES - (going.sent - going.had)) > 0:
            going.file.seek(going.sent)
            data = going.file.read(min(CHUNK_BYTES, room))
            if not data:
                return
            if going.sent == going.had:
                going.moved_s = now_s  # nothing was under way: patience counts from here
            self._send({"file": name, "offset": going.sent, "data": data, "seq": self.chunks})
            self.chunks += 1
            going.sent += len(data)


class _Coming:
    """One copy being written."""

    def __init__(self, path: Path) -> None:
        self.file: BinaryIO = path.open("wb", buffering=0)
        self.has = 0
        self.digest = hashlib.blake2b(digest_size=16)


class Landing:
    """Writes the copies of one worker's files into `rows`. Only the files in `expected` are taken."""

    def __init__(self, rows: Path, expected: Iterable[str]) -> None:
        self._rows = rows
        self._expected = frozenset(expected)
        self._coming: dict[str, _Coming] = {}

    def take(self, name: str, offset: int, data: bytes) -> int:
        """Write what of `data`, which begins at `offset`, continues the copy; how far the copy goes now, in bytes.

        Raises ValueError for a file that this worker has no business with, and OSError when it cannot be written.
        """
        if name not in self._expected:
            raise ValueError(f"{name!r} is no row file of this worker; it may send {', '.join(sorted(self._expected))}")
        coming = self._coming.get(name)
        if coming is None:
            coming = self._coming[name] = _Coming(self._rows / name)
        if 0 <= offset <= coming.has:
            fresh = memoryview(data)[coming.has - offset :]
            while fresh:  # a disk that fills takes a part first, then refuses the rest
                written = coming.file.write(fresh) or 0
                coming.digest.update(fresh[:written])
                coming.has += written
                fresh = fresh[written:]
        return coming.has

    def differences(self, manifest: Mapping[str, Any]) -> list[str]:
        """Where the copies are not what was sent, in words; empty when all is there."""
        found = []
        for name in sorted(self._expected | set(manifest)):
            if name not in manifest:
                found.append(f"{name}: the worker tells of no such file")
                continue
            size, digest = manifest[name]
            coming = self._coming.get(name)
            has = 0 if coming is None else coming.has
            if coming is None or has != size:
                found.append(f"{name}: {has} of {size} bytes arrived")
            elif coming.digest.hexdigest() != digest:
                found.append(f"{name}: what arrived is not what was sent")
        return found

    def close(self) -> None:
        """Release the files; copies that are not whole have no closing count."""
        for coming in self._coming.values():
            coming.file.close()
