"""What a component module offers the shell, and what the shell gives it.

A component module (`mock_services/kv.py`, `mock_services/apps/mobile_banking.py`) has one function:

    async def build(context: ServiceContext) -> Component

The life of a process is then always the same, and the order matters:

    1. build(context)     read `context.spec`, bind sockets (`context.bind_tcp`, `bind_udp`). The run's zero is not
                          known yet, so nothing here may ask the clock. A taken port is told before anyone waits.
    2. ready              `GET /_health` says so; the orchestrator waits for all, then fixes the zero about 1 s ahead.
    3. component.start()  the zero is known: `clock.now_s()` works (and is negative until zero), rows and journal can be
                          written. Start tasks, begin to accept.
    4. component.stop()   on SIGTERM. Write rows for what is still open, close sockets. Bounded by the shell.

When the parent dies the process ends at once: rows are closed, `stop` is not called, faults die with the process.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from harness.record.region import Place, RegionMap
from harness.record.rows import RowWriter
from mock_services.clock import Clock

Params = Mapping[str, Any]


class Fault(NamedTuple):
    """A fault a component can suffer, as two switches.

    `on` gets the parameters without the TTL; it raises ValueError with the reason for bad ones, changing nothing. A new
    PUT replaces a fault: `on` is called again without `off` between. `off` heals.
    """

    on: Callable[[Params], None]
    off: Callable[[], None]


# An operator's deed: returns something JSON-able, or an awaitable of it; raises ValueError for bad parameters.
Action = Callable[[Params], object]


class Journalist(Protocol):
    """Writes the component's entries into the run's journal, at the time it now is."""

    def write(self, kind: str, **fields: Any) -> None:
        """Append one entry; `fields` must be JSON-able."""


class ServiceContext(Protocol):
    """What a component is given. The shell implements it; tests may too."""

    component: str
    plan: Mapping[str, Any]  # plan.json
    spec: Mapping[str, Any]  # plan["spec"]["region"][component]; quantities are text with units, as in "20ms"
    region: RegionMap
    place: Place
    seed: int

    @property
    def clock(self) -> Clock:
        """The run's time."""

    @property
    def journal(self) -> Journalist:
        """The run's journal, signed by this component."""

    def served(self) -> RowWriter:
        """The writer of `rows/<component>-served.rows` (its own component has id 0); ask in `start`, not before."""

    def attempts(self) -> RowWriter:
        """The writer of `rows/<component>-attempt.rows`; target ids index `targets()`."""

    def targets(self) -> tuple[str, ...]:
        """All components of the region, in the order of attempt rows' target ids."""

    def bind_tcp(self, address: str, port: int) -> socket.socket:
        """A listening, non-blocking TCP socket. Raises RunError when the port is taken."""

    def bind_udp(self, address: str, port: int) -> socket.socket:
        """A bound, non-blocking UDP socket. Raises RunError when the port is taken."""


class Component:
    """One part of the region as the shell sees it. Subclass it, or fill the two dicts.

    `faults` and `actions` are offered on the control port under their names; `gauges` is read four times a second.
    """

    def __init__(self) -> None:
        self.faults: dict[str, Fault] = {}
        self.actions: dict[str, Action] = {}

    async def start(self) -> None:
        """Begin to work; the run's zero is known."""

    async def stop(self) -> None:
        """Stop accepting, account for what is open, release sockets."""

    def gauges(self) -> dict[str, float]:
        """Readings by name. Names that start with `waiting_` are waiting work; those ending in `_total` only grow."""
        return {}

    def export(self) -> dict[str, Any]:
        """What the audit needs of this component's state (`GET /_export`), JSON-able; empty when it keeps nothing."""
        return {}
