"""Failover by a change of the record: who fails over does not know it, and comes when its old answer has run out.

A client that fails over by itself notices within its own three calls. Most clients cannot: they know one name. So the
provider of the name checks the first store's health from outside, and when it is found dead, the name answers with the
addresses of the second. That is three delays one after the other, and people forget the last two:

    checks       a request every `check_every`; `fail_after` failures in a row, and the record changes
    TTL          who has an answer keeps it until it has run out, and no longer (`resolver` policy of the client)
    connections  who has an open connection asks for no name at all; it leaves when the connection closes

A check fails when the first's own record is empty (an alias to nothing is unhealthy), when there is no answer in time,
and for answers of 500 and over. A refusal is a sign of life: to leave a full store takes its whole load along. The
first is checked by its own record and not by the name, or the checker would find the second in good health and come
back. After `back_after` successes in a row the name returns. Operators may point the name by hand (`point`), and then
checks change nothing until they are let again.

Whoever copies the first by the same name copies the second from itself; `harness.models.provider` looks out for that.
Leaves out: several checkers that vote, and checks of the second (with both dead, the name stays where it is).
Source: Amazon Route 53 Developer Guide, "Active-passive failover" and "How health checks work in complex
configurations".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from typing import Any, Final, NamedTuple

from harness import seeds
from harness.flows import failover
from harness.flows.client import worth_repeating
from harness.flows.failover import FIRST, FailoverSpec, Side, Sides
from harness.flows.ids import attempt_id
from harness.flows.wants import Answer, Reply, Request, Result, Send, Wait, Want
from harness.units import duration_s

CHECKS: Final = "checks"  # the word for letting the checks decide
_ATTEMPT: Final = seeds.stream_id("dns/health_check")
_ASK: Final = Request("read", {"table": "health", "key": "check"}, write=False)


class RecordFailoverSpec(NamedTuple):
    """The knobs. `first` and `second` are components; the name is the first's."""

    first: str
    second: str
    check_every_s: float = 0.5
    timeout_s: float = 0.5
    fail_after: int = 3
    back_after: int = 3


def spec_of(given: Mapping[str, Any]) -> RecordFailoverSpec:
    """From `dns.failover` of the experiment, quantities as text. Raises ValueError, naming the key."""
    known = {"of", "to", "check_every", "timeout", "fail_after", "back_after"}
    for key in given:
        if key not in known:
            raise ValueError(f"failover: {key!r} is not known; there are: {', '.join(sorted(known))}")
    if not given.get("to"):
        raise ValueError("failover: to is missing; name the component that takes over, as in {to: provider}")
    return RecordFailoverSpec(
        str(given.get("of", "kv")), str(given["to"]), _duration_s(given, "check_every"), _duration_s(given, "timeout"),
        int(given.get("fail_after", 3)), int(given.get("back_after", 3)),
    )  # fmt: skip


class RecordFailover:
    """Where one name points. `tell(kind, **fields)` writes down each change. Times are seconds from the run's zero."""

    def __init__(self, spec: RecordFailoverSpec, tell: Callable[..., None]) -> None:
        self.spec = spec
        self.by_hand: str | None = None  # where operators have pointed it; None while the checks decide
        self.checks_total = 0
        self.failed_total = 0
        self.changes_total = 0
        self._rule = FailoverSpec(fail_after=spec.fail_after, back_after=spec.back_after)
        self._side = Side()
        self._tell = tell
        self._pointed = spec.first

    @property
    def points_to(self) -> str:
        """The component whose addresses the name answers with."""
        return self.by_hand or (self.spec.second if self._side.down else self.spec.first)

    def checks(self, has_record: Callable[[float], bool], now_s: float) -> Generator[Want, Answer, None]:
        """The checker, as a flow without an end. `has_record(now_s)`: whether the first's own record has addresses."""
        due_s = now_s + self.spec.check_every_s
        while True:
            now_s = yield Wait(due_s)
            alive = has_record(now_s)
            self.checks_total += 1
            if alive:
                reply: Reply = yield self._send(now_s)
                now_s, alive = reply.ended_s, reply.result is Result.REFUSED or not worth_repeating(reply)
            self.learn(alive, now_s)
            due_s = max(due_s + self.spec.check_every_s, now_s)

    def learn(self, alive: bool, now_s: float) -> None:
        """A check has ended."""
        self.failed_total += not alive
        sides: Sides = failover.on_result(self._rule, (self._side, Side()), FIRST, alive, now_s)
        self._side = sides[FIRST]
        self._write("checks")

    def point(self, to: str) -> dict[str, Any]:
        """Operators point the name at a component, or let the checks decide again; what it points to now.

        Raises ValueError for a component that is neither of the two.
        """
        allowed = (self.spec.first, self.spec.second, CHECKS)
        if to not in allowed:
            raise ValueError(f"to: {to!r} is not a place for this name; it is one of {', '.join(allowed)}")
        self.by_hand = None if to == CHECKS else to
        self._write("operators")
        return {"points_to": self.points_to}

    def gauges(self) -> dict[str, float]:
        """Readings, for the name server to add to its own."""
        return {
            "name_moved": float(self.points_to == self.spec.second),
            "name_changes_total": float(self.changes_total),
            "health_checks_total": float(self.checks_total),
            "health_checks_failed_total": float(self.failed_total),
        }

    def _write(self, by: str) -> None:
        if self.points_to == self._pointed:
            return
        self._pointed = self.points_to
        self.changes_total += 1
        kind = "failed_over" if self._pointed == self.spec.second else "failed_back"
        self._tell(kind, name=self.spec.first, to=self._pointed, by=by)

    def _send(self, now_s: float) -> Send:
        attempt = attempt_id(0, 0, 1, _ATTEMPT + self.checks_total, 0)
        return Send(self.spec.first, _ASK, attempt, 0, 0, 1, 0, self.spec.timeout_s, math.inf)


def _duration_s(given: Mapping[str, Any], key: str) -> float:
    try:
        value = duration_s(given.get(key, "500ms"))
    except ValueError as error:
        raise ValueError(f"failover: {key}: {error}") from error
    if value <= 0:
        raise ValueError(f"failover: {key}: {value:g} s; give a time above 0")
    return value
