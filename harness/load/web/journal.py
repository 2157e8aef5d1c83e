"""The journal of a run as it grows: what is news to a person, and which faults are on.

Every process of a run writes there, so one deed may have two entries: whoever did it says what it was for, and the
component says that it was told. People get the first. A fault that ends by itself, when its time is over, is told by
nobody but the component, so that entry is news.

Leaves out: what components do all the time (plans, probes, clean-ups), and how the moments of a run follow from it all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.analyse.deeds import ROUTINE

_ECHOES = ("inject", "heal", "action")  # of a component that was told; whoever told it has an entry of their own
_SILENT = ROUTINE - {"phase", "note"}


class JournalTail:
    """Follows one journal, which need not exist yet. `entries` are all so far, in order of time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._said = 0
        self._news: list[dict[str, Any]] = []
        self._on: dict[tuple[str, str], float | None] = {}
        self.entries: list[dict[str, Any]] = []

    def read(self) -> None:
        """Take in the whole lines that came since; a damaged one is left to the analysis, which says so."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            try:
                entry = json.loads(line)
                entry["t_s"] = float(entry["t_s"])
            except (ValueError, KeyError, TypeError):
                continue
            self._take(entry)
        if whole:
            self.entries.sort(key=lambda entry: float(entry["t_s"]))

    def news(self) -> list[dict[str, Any]]:
        """Moments a person wants to read that were not told before."""
        found = self._news[self._said :]
        self._said = len(self._news)
        return found

    def faults_on(self, now_s: float) -> list[dict[str, Any]]:
        """The faults that are on: component, name, and when each ends by itself (None when nobody said)."""
        return [
            {"component": component, "name": name, "ends_s": ends_s}
            for (component, name), ends_s in self._on.items()
            if ends_s is None or ends_s > now_s
        ]

    def _take(self, entry: dict[str, Any]) -> None:
        self.entries.append(entry)
        kind, who = str(entry.get("kind")), str(entry.get("who"))
        echo = kind in _ECHOES and "component" not in entry
        component, name = str(entry.get("component", who)), str(entry.get("name", entry.get("fault", "")))
        if kind == "inject":
            known = self._on.get((component, name))
            ttl_s = entry.get("ttl_s")
            self._on[component, name] = entry["t_s"] + float(ttl_s) if isinstance(ttl_s, int | float) else known
        elif kind == "heal":
            self._on.pop((component, name), None)
        by_itself = kind == "heal" and echo and entry.get("why") == "expired"
        if (echo and not by_itself) or (kind in _SILENT and not kind.endswith("_failed")):
            return
        self._news.append(_told(entry, component, name))


def _told(entry: Mapping[str, Any], component: str, name: str) -> dict[str, Any]:
    kind = str(entry["kind"])
    match kind:
        case "phase":
            what = str(entry.get("name"))
        case "note":
            what = str(entry.get("text", ""))
        case "stop":
            what = str(entry.get("why", ""))
        case "heal" if "component" not in entry:
            what = f"{component}.{name} ended by itself"
        case _:
            what = str(entry.get("what") or (f"{component}.{name}" if name else component))
    return {
        "t_s": round(float(entry["t_s"]), 3),
        "who": str(entry.get("who")),
        "kind": kind,
        "what": what,
        "fix": kind == "fix",
        "error": entry.get("error"),
    }
