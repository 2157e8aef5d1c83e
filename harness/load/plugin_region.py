"""The timeline of an experiment carried out while somebody's locustfile runs, on the region of `blackstart serve`.

The orchestrator does this for its own runs, in a process that never meets Locust. Here there is only the load process,
so it asks the control ports itself: one deed after another, each written down when it is done, and what was injected is
healed when the test is stopped early. Gauges are read four times a second, because waiting work is what tells a slow
drain from a stuck state. All of it waits in greenlets, so users go on meanwhile.

Where no region is served the timeline may still be told: with `--blackstart-by-hand` its moments are written down as if
done, and doing it (stop the database, start it again) is up to the reader. The journal says so.

Leaves out: conditions, which the operators of the orchestrator watch for, and what the region's servers recorded, which
is in the folder of the served region.
"""

from __future__ import annotations

from typing import Any

import gevent

from harness.errors import RunError
from harness.load.plugin_recording import Recording
from harness.load.ports import Ports
from harness.record.folder import RunFolder
from harness.record.rows import RowWriter
from harness.timeline import Due

GAUGES_EVERY_S = 0.25


class Operator:
    """Carries edges out as they come, and knows what must still be healed."""

    def __init__(self, recording: Recording, ports: Ports | None) -> None:
        self._recording = recording
        self._ports = ports  # None: by hand
        self._open: dict[tuple[str, str], Due] = {}

    def do(self, due: Due) -> None:
        """One edge, now. Raises RunError when it could not be done; the journal has it."""
        fields: dict[str, Any] = {"id": due.id, "what": due.what, "component": due.component, "name": due.name}
        fields["due_s"] = due.at_s
        if self._ports is None:
            fields["by"] = "hand"
        elif due.told:
            try:
                fields["result"] = self._ports.do(due)
            except RunError as error:
                self._recording.entry(f"{due.deed}_failed", **fields, error=str(error))
                raise RunError(f"timeline: {due.what} ({due.id}) could not be done: {error}") from error
        if due.deed == "inject":
            fields["ttl_s"] = due.ttl_s
            self._open[due.component, due.name] = due
        elif due.deed == "heal":
            self._open.pop((due.component, due.name), None)
        self._recording.entry(due.deed, **fields)
        if due.fix:
            self._recording.entry("fix", id=due.id, what=due.what)

    def undo(self) -> None:
        """Heal what is still injected; a service that does not answer heals by itself, when its time is over."""
        for (component, fault), due in list(self._open.items()):
            if self._ports is None:
                continue
            try:
                healed = self._ports.ask("DELETE", component, f"/_faults/{fault}").get("healed", True)
                self._recording.entry("heal", id=due.id, what="undo", component=component, name=fault, result=healed)
            except RunError as error:
                self._recording.note(f"could not heal {component}.{fault}; it ends by itself", error=str(error))
        self._open.clear()


class Watcher:
    """Gauge rows of every component of the served region."""

    def __init__(self, folder: RunFolder, ports: Ports, recording: Recording) -> None:
        self._ports = ports
        self._recording = recording
        first = {component: ports.gauges(component) for component in ports.components}
        self._components = {component: number for number, component in enumerate(ports.components)}
        self._names = {name: number for number, name in enumerate(dict.fromkeys(n for g in first.values() for n in g))}
        lists = {"component": list(self._components), "gauge": list(self._names)}
        self._rows = RowWriter(folder.gauges, "gauge", "plugin-gauge", recording.zero_ns, lists)
        self._greenlet = gevent.spawn(self._watch)

    def close(self) -> None:
        """Stop reading, and close the rows."""
        self._greenlet.kill()
        self._rows.close()

    def _watch(self) -> None:
        while True:
            for component, number in self._components.items():
                for name, value in self._ports.gauges(component).items():
                    if name in self._names:
                        self._rows.add(round(self._recording.now_s() * 1e9), number, self._names[name], value)
            self._rows.flush()
            gevent.sleep(GAUGES_EVERY_S)
