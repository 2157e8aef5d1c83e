"""What was done to a component and what it said itself, read from the journal.

Edges of the timeline carry the component and the fault or action; a component writes its own few moments (a poller
died, a zone was removed) under its own name. What its automation does all the time is routine and left out here.

Leaves out: when any of it was felt, which only rows and gauges tell (`cascade.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

ROUTINE = frozenset(("plan", "apply", "clean", "probe", "process", "note", "phase"))

Entries = Sequence[Mapping[str, Any]]
Fault = tuple[float, float, str]  # injected, healed, what
_ECHOES = ("inject", "heal", "action")  # what a live component was told: the orchestrator writes it down too


def faults(journal: Entries, name: str, fix_s: float | None, to_s: float) -> tuple[Fault, ...]:
    """The faults on a component: (injected, healed, what). One that nobody healed ends with the fix, or the load."""
    on: dict[str, tuple[float, str]] = {}
    found = []
    for entry in journal:
        component, fault = about(entry)
        if component != name or entry.get("kind") not in ("inject", "heal"):
            continue
        at_s = float(entry["t_s"])
        if fault in on:
            since_s, what = on.pop(fault)
            found.append((since_s, at_s, what))
        if entry["kind"] == "inject":
            on[fault] = (at_s, f"{component}.{fault}")
    for since_s, what in on.values():
        found.append((since_s, fix_s if fix_s is not None and fix_s > since_s else to_s, what))
    return tuple(sorted((start_s, min(end_s, to_s), what) for start_s, end_s, what in found if start_s < to_s))


def actions(journal: Entries, name: str) -> tuple[tuple[float, str, bool], ...]:
    return tuple(
        (float(entry["t_s"]), about(entry)[1], "fired_by" in entry)
        for entry in journal
        if entry.get("kind") == "action" and about(entry)[0] == name
    )


def notes(journal: Entries, name: str) -> dict[str, list[float]]:
    """What the component itself wrote down, and what operators could not do to it, by kind."""
    found: dict[str, list[float]] = {}
    for entry in journal:
        kind = str(entry.get("kind"))
        own = entry.get("who") == name and kind not in ROUTINE and kind not in _ECHOES
        if own or (kind.endswith("_failed") and entry.get("component") == name):
            found.setdefault(kind, []).append(float(entry["t_s"]))
    return found


def empty(journal: Entries, to_s: float) -> list[tuple[float, float]]:
    """From the first empty answer of the name service until a record was put back, or the fault that emptied it ended.

    Who has cached the emptiness does not ask, so the count of empty answers has gaps that the emptiness has not.
    """
    found: list[tuple[float, float]] = []
    since_s: float | None = None
    for entry in journal:
        if entry.get("kind") == "first_empty_answer" and since_s is None:
            since_s = float(entry["t_s"])
        back = entry.get("kind") == "restored" or (
            entry.get("kind") == "heal" and about(entry) == ("dns", "empty_record")
        )
        if back and since_s is not None:
            found.append((since_s, float(entry["t_s"])))
            since_s = None
    return [*found, *([] if since_s is None else [(since_s, to_s)])]


def about(entry: Mapping[str, Any]) -> tuple[str, str]:
    """(component, fault or action) of an edge; older journals have only the text `what`."""
    component, _, verb = str(entry.get("what", "")).partition(".")
    return str(entry.get("component", component)), str(entry.get("name", verb))


def named(journal: Iterable[Mapping[str, Any]]) -> set[str]:
    """Who was broken or told something that is no component of the plan: the load, by a surge."""
    return {about(entry)[0] for entry in journal if entry.get("kind") in ("inject", "action")} - {"pause", ""}
