"""A server's policy, put together: admission + queue discipline + drop rule + priority.

Each slot alone is sound; some pairs are not. CoDel reads the sojourn of the job at the head of a first-come line as
the delay of the line; behind a newest-first or a many-lined queue that number says nothing, and a CoDel that never
fires looks exactly like a healthy server. Such pairs are refused here, with the reason, when the file is checked.

    compose({"admission": ("concurrency", {"limit": 60}), "discipline": None, ...}) -> ServerSpec

A slot that is None or absent has no rule: everything is admitted, the oldest is served first, nothing is dropped, all
jobs rank the same. Parameters are in SI units under the names of the catalogue; missing ones take their defaults.

Not here: what the rules do (one file per family), and who holds their state (harness/models/station.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from harness.policies.catalogue import SLOTS, find
from harness.policies.discipline import FifoSpec
from harness.policies.entry import did_you_mean, make
from harness.policies.server_steps import SERVER_MODULES, AdmissionSteps, DropSteps, Line, PrioritySteps

_SOJOURN_DROPS = ("codel", "folly_codel")
_ORDERINGS = ("criticality", "first_tries")
_DELAY_CONTROLLERS = ("breakwater", "seda")


class ServerSpec(NamedTuple):
    """The four specs of a server; None means the slot has no rule. `discipline` is always there."""

    admission: Any = None
    discipline: Any = FifoSpec()
    drop: Any = None
    priority: Any = None


_MODULES: tuple[ModuleType, ...] = tuple(import_module(f"harness.policies.{name}") for name in SERVER_MODULES)


def _table(name: str) -> dict[type, Any]:
    return {kind: steps for module in _MODULES for kind, steps in getattr(module, name, {}).items()}


_ADMISSION: dict[type, AdmissionSteps] = _table("ADMISSION")
_DROP: dict[type, DropSteps] = _table("DROP")
_PRIORITY: dict[type, PrioritySteps] = _table("PRIORITY")
_LINES: dict[type, Callable[[Any, float], Line]] = _table("LINES")


def admission_steps(spec: Any) -> AdmissionSteps:
    """The steps of an admission spec."""
    return _ADMISSION[type(spec)]


def drop_steps(spec: Any) -> DropSteps:
    """The steps of a drop spec."""
    return _DROP[type(spec)]


def priority_steps(spec: Any) -> PrioritySteps:
    """The steps of a priority spec."""
    return _PRIORITY[type(spec)]


def new_line(spec: Any, now_s: float) -> Line:
    """An empty waiting line of the given discipline."""
    return _LINES[type(spec)](spec, now_s)


class Gate:
    """Holder of an admission rule's state; all the thinking is in its steps."""

    __slots__ = ("spec", "state", "steps")

    def __init__(self, spec: Any, now_s: float) -> None:
        self.spec, self.steps = spec, admission_steps(spec)
        self.state = self.steps.start(spec, now_s)

    @classmethod
    def of(cls, spec: Any, now_s: float) -> Gate | None:
        """A gate, or None when there is no rule."""
        return None if spec is None else cls(spec, now_s)

    def admit(self, now_s: float, in_service: int, queued: int, oldest_wait_s: float, u: float) -> bool:
        """Ask for one job."""
        self.state, let_in = self.steps.admit(self.spec, self.state, now_s, in_service, queued, oldest_wait_s, u)
        return let_in

    def on_done(self, now_s: float, delay_s: float, service_s: float, inside: int, dropped: bool) -> None:
        """Tell it of one result."""
        if self.steps.on_done is not None:
            self.state = self.steps.on_done(self.spec, self.state, now_s, delay_s, service_s, inside, dropped)


def compose(slots: Mapping[str, tuple[str, Mapping[str, Any]] | None]) -> ServerSpec:
    """The policy of a server from {slot: (kind, parameters) or None}.

    Raises ValueError (UnknownPolicy for a kind nobody knows) that names the slot, what was found and what is allowed.
    """
    unknown = [slot for slot in slots if slot not in SLOTS["server"]]
    if unknown:
        raise ValueError(
            f"no server slot {unknown[0]!r}; server slots are {', '.join(SLOTS['server'])}"
            f"{did_you_mean(unknown[0], SLOTS['server'])}"
        )
    chosen = {slot: value for slot, value in slots.items() if value is not None}
    kinds = {slot: value[0] for slot, value in chosen.items()}
    made = {slot: make(find("server", slot, kind), params) for slot, (kind, params) in chosen.items()}
    reason = clash(kinds)
    if reason is not None:
        raise ValueError(reason)
    return ServerSpec(**made)


def clash(kinds: Mapping[str, str]) -> str | None:
    """Why these kinds cannot work together ({slot: kind}, absent slots left out), or None when they can."""
    admission, discipline = kinds.get("admission"), kinds.get("discipline", "fifo")
    drop, priority = kinds.get("drop"), kinds.get("priority")
    if drop in _SOJOURN_DROPS and discipline != "fifo":
        return (
            f"drop {drop} cannot work with discipline {discipline}: it takes the wait of the job leaving the line for "
            "the delay of the line, which only fifo makes true; use fifo, or drop facebook_codel, which watches how "
            "long the line has not been empty"
        )
    if drop in _SOJOURN_DROPS and priority in _ORDERINGS:
        return (
            f"drop {drop} cannot work with priority {priority}: one fast line resets its verdict on the slow one; "
            "use drop deadline or facebook_codel, or priority partitioned"
        )
    if admission == "breakwater" and drop in (*_SOJOURN_DROPS, "facebook_codel"):
        return (
            f"drop {drop} cannot work with admission breakwater: it drops by delay itself (drop_at), and a second rule "
            "would hide from it the delay that its credits follow; leave drop out"
        )
    if admission in _DELAY_CONTROLLERS and priority == "dagor":
        return (
            f"admission {admission} cannot work with priority dagor: both steer the same delay, and each reads the "
            "other's refusals as calm; name one of them"
        )
    if admission == "queue" and discipline == "fair":
        return (
            "admission queue cannot work with discipline fair: one tenant's flood fills the shared bound and keeps the "
            "others out; bound each tenant with fair: {per_tenant: n}"
        )
    return None
