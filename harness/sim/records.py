"""What a world writes down while it runs: the journal, one file of rows per writer, and the gauges.

A deed and what a component notes while it is being done have an order that a reader expects: the deed first, then its
consequences. But a component notes as it acts, before whoever acted can say so. `hold` therefore keeps what is noted
back until the deed itself is written.

The forms are those of `harness/record`; nothing here knows what a row means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from harness.record.folder import RunFolder
from harness.record.journal import Journal
from harness.record.rows import RowWriter
from harness.sim.heap import Heap

Entry = tuple[str, str, dict[str, Any]]  # who, kind, fields
Readings = Mapping[str, Mapping[str, float]]  # component -> gauge -> value


class Records:
    """Every file of a run that grows with time; the heap says when it is."""

    def __init__(self, folder: RunFolder, heap: Heap) -> None:
        self.folder = folder
        self._heap = heap
        self._journal = Journal(folder.journal, "world")
        self._held: list[Entry] | None = None
        self._writers: list[RowWriter] = []
        self._gauges = _GaugeRows(folder.gauges)

    def tell(self, who: str, kind: str, **fields: Any) -> None:
        """An entry of the journal at this moment, or for later while entries are held."""
        if self._held is not None:
            self._held.append((who, kind, fields))
            return
        self._journal.write(self._heap.now_s, kind, **fields, **({"who": who} if who else {}))

    @contextmanager
    def hold(self) -> Iterator[Callable[[], None]]:
        """Keep back what is told inside the block; what is yielded writes it."""
        held = self._held = []
        try:
            yield partial(self._tell_all, held)
        finally:
            self._held = None

    def _tell_all(self, entries: list[Entry]) -> None:
        for who, kind, fields in entries:
            self.tell(who, kind, **fields)

    def rows(self, name: str, kind: str, names: Mapping[str, list[str]]) -> RowWriter:
        """A new file of rows, closed with the rest."""
        writer = RowWriter(self.folder.rows / f"{name}.rows", kind, name, 0, names)
        self._writers.append(writer)
        return writer

    def read(self, readings: Readings) -> None:
        """The gauges of this moment."""
        self._gauges.write(self._heap.now_s, readings)

    def close(self) -> None:
        """Write every closing count."""
        for writer in self._writers:
            writer.close()
        self._gauges.close()
        self._journal.close()


class _GaugeRows:
    """`gauges.rows`; the header is fixed by the first reading, as live."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: RowWriter | None = None
        self._components: dict[str, int] = {}
        self._gauges: dict[str, int] = {}

    def write(self, t_s: float, readings: Readings) -> None:
        """One row per reading."""
        if self._writer is None:
            self._components = {name: number for number, name in enumerate(readings)}
            every = sorted({gauge for found in readings.values() for gauge in found})
            self._gauges = {name: number for number, name in enumerate(every)}
            names = {"component": list(self._components), "gauge": list(self._gauges)}
            self._writer = RowWriter(self._path, "gauge", "world", 0, names)
        t_ns = round(t_s * 1e9)
        for component, found in readings.items():
            number = self._components[component]
            for gauge, value in found.items():
                if gauge in self._gauges:
                    self._writer.add(t_ns, number, self._gauges[gauge], value)

    def close(self) -> None:
        """Write the closing count."""
        if self._writer is not None:
            self._writer.close()
