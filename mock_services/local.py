"""One service alone, without a run: what `python -m mock_services` gives a component, in the loop that is running.

For tests (under `virtual.run_virtually`, times are exact) and for the benchmark of the shell. The component is the real
one, from its own `build`; only plan, token and control port are missing.

    context = LocalContext("kv", region, folder, LoopClock(loop), spec={"slots": 4})
    service = await kv.build(context); await service.start(); ...; await service.stop(); context.close()
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.record.region import RegionMap
from harness.record.rows import RowWriter
from mock_services.clock import Clock
from mock_services.sockets import bind, listen


class Notebook:
    """A journal in memory: entries as dicts with `t_s` and `kind`."""

    def __init__(self, clock: Clock) -> None:
        self.entries: list[dict[str, Any]] = []
        self._clock = clock

    def write(self, kind: str, **fields: Any) -> None:
        """Append one entry at the time it now is."""
        self.entries.append({"t_s": self._clock.now_s(), "kind": kind, **fields})


class LocalContext:
    """See `contract.ServiceContext`. Row files go into `folder`; `experiment` is what plan.json would carry as spec."""

    def __init__(
        self,
        component: str,
        region: RegionMap,
        folder: Path,
        clock: Clock,
        spec: Mapping[str, Any] | None = None,
        experiment: Mapping[str, Any] | None = None,
        seed: int = 1,
    ) -> None:
        self.component = component
        self.plan: Mapping[str, Any] = {"spec": dict(experiment or {}), "seed": seed}
        self.spec: Mapping[str, Any] = dict(spec or {})
        self.region = region
        self.place = region.places[component]
        self.seed = seed
        self.clock = clock
        self.journal = Notebook(clock)
        self._folder = folder
        self._writers: dict[str, RowWriter] = {}

    def served(self) -> RowWriter:
        """See the contract."""
        return self._writer("served", {"component": [self.component]})

    def attempts(self) -> RowWriter:
        """See the contract."""
        return self._writer("attempt", {"target": list(self.targets())})

    def targets(self) -> tuple[str, ...]:
        """See the contract."""
        return tuple(self.region.places)

    def bind_tcp(self, address: str, port: int) -> socket.socket:
        """See the contract."""
        return listen(self.component, address, port)

    def bind_udp(self, address: str, port: int) -> socket.socket:
        """See the contract."""
        return bind(self.component, socket.SOCK_DGRAM, address, port)

    def rows_path(self, kind: str) -> Path:
        """Where the rows of a kind ("served", "attempt") are."""
        return self._folder / f"{self.component}-{kind}.rows"

    def close(self) -> None:
        """Close the rows with their counts."""
        for writer in self._writers.values():
            writer.close()

    def _writer(self, kind: str, names: Mapping[str, list[str]]) -> RowWriter:
        if kind not in self._writers:
            self._writers[kind] = RowWriter(self.rows_path(kind), kind, f"{self.component}-{kind}", 0, names)
        return self._writers[kind]
