"""One service process, whatever its component: `python -m mock_services --run DIR --component NAME`.

Every component needs the same twelve things around it, and each of them done slightly differently in each process is
how runs become incomparable. So the shell does them once: reads the plan, binds the control port, says it is ready,
waits for the run's zero, starts the component, flushes rows, measures its own lateness, keeps the garbage collector
quiet, and ends in one of three ways:

    SIGTERM               component.stop(), rows closed with their count, exit 0
    parent's pipe closed  rows closed, exit at once: nobody is left to wait for
    a port is taken       a message that says which, exit 4

What a component module must offer is in `contract.py`.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from harness.errors import Exit, HarnessError, RunError, SpecError
from harness.memory import MemoryGuard
from harness.record.folder import RunFolder
from harness.record.journal import Journal
from harness.record.region import read_region
from harness.record.rows import RowWriter
from mock_services import parent
from mock_services.clock import RunClock, cpu_s
from mock_services.contract import Component, ServiceContext
from mock_services.control import ControlPort
from mock_services.sockets import bind, listen, raise_file_limit

FLUSH_EVERY_S = 0.25
LAG_EVERY_S = 0.05
POLL_EVERY_S = 0.02
STOP_S_MAX = 5.0
ASKED_FIRST_S = 0.02  # a parent that sends SIGTERM and then closes the pipe meant the first


class TimedJournal:
    """A journal that stamps entries with the run's time."""

    def __init__(self, journal: Journal, clock: RunClock) -> None:
        self._journal = journal
        self._clock = clock

    def write(self, kind: str, **fields: Any) -> None:
        """Append one entry at the time it now is."""
        self._journal.write(self._clock.now_s(), kind, **fields)


class Context:
    """What a component is given (see `contract.ServiceContext`), from a run folder."""

    def __init__(self, folder: RunFolder, component: str) -> None:
        self.component = component
        self.plan: Mapping[str, Any] = folder.read_json(folder.plan)
        self.region = read_region(folder.region)
        if component not in self.region.places:
            raise SpecError(f"{folder.region}: no component {component!r}; there are: {', '.join(self.region.places)}")
        self.place = self.region.places[component]
        self.spec: Mapping[str, Any] = (self.plan.get("spec", {}).get("region") or {}).get(component) or {}
        self.seed = int(self.plan["seed"])
        self.clock = RunClock()
        self._folder = folder
        self._journal = Journal(folder.journal, component)
        self.journal = TimedJournal(self._journal, self.clock)
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

    def flush(self) -> None:
        """Hand all rows so far to the operating system."""
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        """Close all rows with their counts."""
        for writer in self._writers.values():
            writer.close()
        self._journal.close()

    def _writer(self, kind: str, names: Mapping[str, list[str]]) -> RowWriter:
        if kind not in self._writers:
            name = f"{self.component}-{kind}"
            path = self._folder.rows / f"{name}.rows"
            self._writers[kind] = RowWriter(path, kind, name, self.clock.zero_monotonic_ns, names)
        return self._writers[kind]


class Lateness:
    """How late the event loop runs what was due: the longest since last read."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due_s = loop.time() + LAG_EVERY_S
        self._worst_s = 0.0
        self._timer = loop.call_at(self._due_s, self._beat)

    def read_s(self, reset: bool) -> float:
        """The worst lag in seconds; `reset` starts a new reading."""
        worst_s = max(self._worst_s, self._loop.time() - self._due_s)
        if reset:
            self._worst_s = 0.0
        return worst_s

    def stop(self) -> None:
        """End the heartbeat."""
        self._timer.cancel()

    def _beat(self) -> None:
        now_s = self._loop.time()
        self._worst_s = max(self._worst_s, now_s - self._due_s)
        self._due_s = now_s + LAG_EVERY_S
        self._timer = self._loop.call_at(self._due_s, self._beat)


def find_component(name: str) -> ModuleType:
    """The module that builds component `name`: `mock_services.<name>` or `mock_services.apps.<name>`."""
    for path in (f"mock_services.{name}", f"mock_services.apps.{name}"):
        if name.isidentifier() and importlib.util.find_spec(path) is not None:
            module = importlib.import_module(path)
            if hasattr(module, "build"):
                return module
    raise SpecError(f"--component {name}: no such component; name one of those under `region` in the experiment file")


async def serve(run: Path, name: str) -> None:
    """Run component `name` of the run folder until SIGTERM. Raises HarnessError."""
    folder = RunFolder.open(run)
    module = find_component(name)
    context = Context(folder, name)
    raise_file_limit()
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    if parent.has_parent_pipe():  # then Ctrl-C in the terminal is the parent's to handle
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    else:
        loop.add_signal_handler(signal.SIGINT, ended.set)
    parent.on_parent_gone(loop, lambda: loop.call_later(ASKED_FIRST_S, _end_at_once, context, ended))

    component: Component = await module.build(_checked(context))
    lateness = Lateness(loop)
    control = ControlPort(
        name, component, _token(folder), context.journal, context.clock.now_s, lambda: context.clock.begun,
        lambda reset: {"loop_lag_s": lateness.read_s(reset), "cpu_s": cpu_s()},
    )  # fmt: skip
    address = urlsplit(context.place.control)
    await control.open(context.bind_tcp(address.hostname or "127.0.0.1", address.port or 0))
    zero_ns = await _zero(folder, ended)
    if zero_ns is not None:
        context.clock.begin(zero_ns)
        await component.start()
        context.journal.write("process", state="started", pid=os.getpid())
        await _run(context, ended)
        context.journal.write("process", state="stopping", pid=os.getpid())
        await _stop(component, control)
    else:
        await control.close()
    lateness.stop()
    context.close()


async def _run(context: Context, ended: asyncio.Event) -> None:
    guard = MemoryGuard()
    while not ended.is_set():
        try:
            await asyncio.wait_for(ended.wait(), FLUSH_EVERY_S)
        except TimeoutError:
            context.flush()
            if guard.look():
                context.journal.write("note", text="garbage collected: memory had grown", collections=guard.collections)


async def _stop(component: Component, control: ControlPort) -> None:
    try:
        async with asyncio.timeout(STOP_S_MAX):
            await control.close()
            await component.stop()
    except TimeoutError:
        sys.stderr.write(f"stopping took over {STOP_S_MAX:g} s and was cut; rows so far are kept\n")


async def _zero(folder: RunFolder, ended: asyncio.Event) -> int | None:
    """Poll plan.json until it names the zero; None when asked to end first."""
    while not ended.is_set():
        zero_ns = folder.read_json(folder.plan).get("zero_monotonic_ns")
        if isinstance(zero_ns, int):
            return zero_ns
        await asyncio.sleep(POLL_EVERY_S)
    return None


def main(run: Path, name: str) -> int:
    """Run one component to its end; the exit code of the process."""
    try:
        asyncio.run(serve(run, name))
    except HarnessError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return int(error.exit_code)
    except KeyboardInterrupt:
        return int(Exit.INTERRUPTED)
    return int(Exit.PASS)


def _end_at_once(context: Context, ended: asyncio.Event) -> None:
    if ended.is_set():
        return
    context.close()
    os._exit(int(Exit.MACHINERY))


def _token(folder: RunFolder) -> str:
    try:
        token = folder.token.read_text().strip()
    except OSError as error:
        raise RunError(f"{folder.token}: cannot be read: {error.strerror}; it must exist before any process") from error
    if not token:
        raise RunError(f"{folder.token}: is empty; an empty token would let anyone inject faults")
    return token


def _checked(context: Context) -> ServiceContext:
    return context
