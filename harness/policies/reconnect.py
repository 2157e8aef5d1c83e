"""Reconnecting: when a client that lost its connection may try to get it back, so that all of them do not at once.

A service that keeps connections carries many times the clients it could admit in a second. When it restarts, all have
lost theirs, and the natural reaction, trying at once and then again, is a herd: the line at the door grows longer than
anybody's patience, those who are served have gone, and the connections they came for are never used. No retry budget
helps, since most attempts are the first try of somebody. What helps is to spread them:

    none     at once, and after a failure again `retry_s` later
    jitter   somewhere in the next `window_s`, by a draw; after a failure again so. Nobody has to agree on anything,
             but the rate is clients / window, and so only right for the number of clients one had in mind
    slots    the server gave everyone a slot: a cycle has `slots` of them, 1 / rate apart, and a client tries in its
             own. Never more than one a slot, however they lost their connections, if clocks agree
    token    clients ask for a turn, which is cheap, and come when it is theirs; turns are 1 / rate apart. The only one
             that knows how many want to come; it needs a server that can answer while it cannot yet serve

Pure arithmetic on seconds. Whoever keeps turns stores the next free moment, a time and not a level
(`harness.policies.pacing` says why). Leaves out: giving up a turn, and clients that lie about having one.
Sources: Brooker, "Exponential backoff and jitter" (2015); `incident.md` section 5, the reconnect storm of July 2025.
"""

from __future__ import annotations

import math
from typing import NamedTuple

KINDS = ("none", "jitter", "slots", "token")


class ReconnectSpec(NamedTuple):
    """How clients come back. `slots` is the length of a cycle, in slots of 1 / `rate_per_s`."""

    kind: str = "none"
    retry_s: float = 0.2
    window_s: float = 10.0
    rate_per_s: float = 30.0
    slots: int = 1


class Turns(NamedTuple):
    """Whoever gives out turns: the next one that is free."""

    free_s: float


def complaint(spec: ReconnectSpec) -> str | None:
    """Why this cannot work, or None."""
    if spec.kind not in KINDS:
        return f"reconnecting by {spec.kind!r}; it is one of {', '.join(KINDS)}"
    for name, value in (("retry", spec.retry_s), ("window", spec.window_s), ("rate", spec.rate_per_s)):
        if not 0.0 < value < math.inf:
            return f"{name} is {value:g}; it must be above 0 and have an end"
    if spec.slots < 1:
        return f"{spec.slots} slots; there must be at least 1"
    return None


def next_try_s(spec: ReconnectSpec, now_s: float, again: bool, slot: int, u: float) -> float:
    """When a client may try that lost its connection, or failed to get one (`again`), at `now_s`.

    `slot` is the one it was given, `u` a draw in (0, 1). With `token` this is when it may ask for a turn.
    """
    if spec.kind == "jitter":
        return now_s + spec.window_s * u
    if spec.kind == "slots":
        return _slot_s(spec, now_s, again, slot)
    if not again:
        return now_s
    return now_s + spec.retry_s * (1.0 + u if spec.kind == "token" else 1.0)


def _slot_s(spec: ReconnectSpec, now_s: float, again: bool, slot: int) -> float:
    """The next beginning of the slot: at `now_s` at the earliest, after it for another try."""
    cycle_s, offset_s = spec.slots / spec.rate_per_s, (slot % spec.slots) / spec.rate_per_s
    cycle = math.floor((now_s - offset_s) / cycle_s)
    at_s = offset_s + cycle * cycle_s
    while at_s < now_s or (again and at_s <= now_s):  # once or twice: division rounds
        cycle += 1
        at_s = offset_s + cycle * cycle_s
    return at_s


def start(spec: ReconnectSpec, now_s: float) -> Turns:
    """All turns are free."""
    return Turns(now_s)


def turn(spec: ReconnectSpec, state: Turns, now_s: float) -> tuple[Turns, float]:
    """Give out the next turn: when it is."""
    at_s = max(now_s, state.free_s)
    return Turns(at_s + 1 / spec.rate_per_s), at_s
