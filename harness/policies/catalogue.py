"""The list of every policy: what the experiment file accepts, what the docs say, what `blackstart policies` prints.

Each policy module states its own facts in `ENTRIES`; this file only names the modules and looks entries up. It loads
them when first asked, so importing it stays cheap.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Final

from harness.policies.entry import Entry, did_you_mean

CLIENT_MODULES: Final = (
    "backoff",
    "finagle_backoff",
    "botocore_backoff",
    "retry_budget",
    "retry_circuit",
    "retry_rate",
    "grpc_throttle",
    "finagle_budget",
    "envoy_budget",
    "botocore_quota",
    "breaker_count",
    "breaker_window",
    "ejection",
    "pacing",
    "adaptive_throttle",
    "nack_filter",
    "botocore_adaptive",
    "hedging",
    "hints",
    "resolver",
)
SLOTS: Final = {
    "client": ("backoff", "retry_budget", "breaker", "limiter", "hedge", "hints", "resolver"),
    "server": ("admission", "discipline", "drop", "priority"),
}
# The kind meant by a bare mapping of parameters, as in `retry_budget: {ratio: 0.1, burst: 100}`.
DEFAULT_KIND: Final = {
    "backoff": "exponential",
    "retry_budget": "token_bucket",
    "breaker": "consecutive",
    "limiter": "pace",
    "hedge": "delayed",
    "hints": "retry_after",
    "resolver": "ttl",
    "admission": "concurrency",
    "discipline": "fifo",
    "drop": "expired",
    "priority": "criticality",
}


class UnknownPolicy(LookupError, ValueError):
    """No such policy; the message names the nearest known ones."""


@cache
def _all() -> tuple[Entry, ...]:
    found: list[Entry] = []
    server_modules = import_module("harness.policies.server_steps").SERVER_MODULES
    for name in (*CLIENT_MODULES, *server_modules):
        found.extend(import_module(f"harness.policies.{name}").ENTRIES)
    return tuple(found)


def entries(side: str | None = None, slot: str | None = None) -> tuple[Entry, ...]:
    """Every entry, of one side or slot if asked, in catalogue order."""
    return tuple(e for e in _all() if side in (None, e.side) and slot in (None, e.slot))


def find(side: str, slot: str, kind: str) -> Entry:
    """The entry of that name. Raises UnknownPolicy, which lists what the slot accepts and the nearest name."""
    offered = entries(side, slot)
    if not offered:
        slots = SLOTS.get(side, ())
        raise UnknownPolicy(f"no {side} slot {slot!r}; {side} slots are {', '.join(slots)}{did_you_mean(slot, slots)}")
    for entry in offered:
        if entry.kind == kind:
            return entry
    kinds = list(dict.fromkeys(("none", *(e.kind for e in offered))))
    raise UnknownPolicy(f"unknown {slot} policy {kind!r}; {slot} takes {', '.join(kinds)}{did_you_mean(kind, kinds)}")
