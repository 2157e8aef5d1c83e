"""An airline: check-in that closes, boarding passes that may be old, and crews that must be re-planned.

    boarding_pass   a read; a pass once seen or issued is kept and shown old rather than not at all
    check_in        a write, worth nothing after its window (`harness.models.apps.windows`). When the store cannot
                    confirm it, an agent does it on paper, at a low fixed rate; the paper is entered when the store is
                    back, at the pace at which people type, under the key of the check-in
    crew_change     a crew cannot fly as planned. The change is taken at once and waits until it is planned and written

Planning one change means weighing it against all that are open, so its time is base x (1 + open / k), `open` counting
itself. That makes the backlog itself the fault. At `rate` changes a second the solver keeps up only while

    open < k x (1 / (rate x base) - 1)

and while the store is away changes gather unplanned. An outage that ends below this line is made good by itself; one
that ends above it never is, though the store is well and the load is as before: the solver falls behind by more with
every change. This is what grounded Delta for five days in July 2024, when its rivals were flying on the second. The
`horizon` is the way out: weigh only so many at once, plan worse, and get through.

Crews without a new plan keep the old one. A plan whose write fails is made anew: by then it is out of date. Leaves out:
aircraft, passengers re-booked, and crews that run out of hours while they wait.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

from harness.flows.fallbacks import Kept, ManualChannel
from harness.flows.wants import Answer, Request, Wait, Want
from harness.models.apps.app import AppSpec, Serving
from harness.models.apps.base import AppRequest, Response
from harness.models.apps.owing import OwingApp, OwingSpec, whole
from harness.models.apps.windows import Windows, WindowSpec
from harness.models.component import Given
from harness.models.outbox import Item, OutboxSpec

_CALL = 1
_CREW, _PAPER = "crew_changes", "paper"


class SolverSpec(NamedTuple):
    """The crew planner: seconds for one change alone, the k of its cost, and how many open ones it weighs at most."""

    base_s: float
    k: float
    horizon: int  # 0: all

    def takes_s(self, open_changes: int) -> float:
        """Seconds to plan one of so many."""
        weighed = min(open_changes, self.horizon) if self.horizon else open_changes
        return self.base_s * (1.0 + weighed / self.k)


class AirlineSpec(NamedTuple):
    """The knobs of the app. Rates per second; `manual_per_s` None leaves no agents."""

    app: AppSpec
    owing: OwingSpec
    windows: WindowSpec
    solver: SolverSpec
    crew: OutboxSpec  # its senders are the solvers at work
    paper: OutboxSpec  # its pace is that of people who type
    manual_per_s: float | None
    manual_room: int
    pass_stale_s: float  # 0 switches the fallback off


class CheckIn(NamedTuple):
    """One passenger for their next flight. `key` is the passenger's idempotency key."""

    user: int
    key: str


class Change(NamedTuple):
    """A crew that cannot fly as planned."""

    crew: int
    key: str


class Airline(OwingApp):
    """The brain of the app."""

    def __init__(self, spec: AirlineSpec, given: Given) -> None:
        super().__init__(spec.app, spec.owing, {_CREW: spec.crew, _PAPER: spec.paper}, given)
        self.spec = spec
        self.windows = Windows(spec.windows)
        self.passes: Kept[int] = Kept(0.0, spec.pass_stale_s)
        self.agents = ManualChannel(spec.manual_per_s, spec.manual_room, given.now_s)
        self.planned_total = 0
        self.solver_busy_s = 0.0
        self._planned: set[int] = set()
        self._by_hand: dict[int, float] = {}  # op -> when an agent has done it

    def serve(self, request: AppRequest, now_s: float) -> Serving:
        """Operations `check_in` {user, key?}, `boarding_pass` {user} and `crew_change` {crew, key?}."""
        key = str(request.params.get("key", request.op))
        try:
            if request.operation == "check_in":
                return (yield from self._check_in(CheckIn(whole(request.params, "user"), key), request, now_s))
            if request.operation == "boarding_pass":
                return (yield from self._pass(whole(request.params, "user"), request, now_s))
            if request.operation == "crew_change":
                return self._change(Change(whole(request.params, "crew"), key), request, now_s), now_s
        except ValueError as error:
            return Response(400, "bad_request", {"message": str(error)}), now_s
        said = f"no {request.operation!r}; there are: boarding_pass, check_in, crew_change"
        return Response(404, "unknown_operation", {"message": said}), now_s

    def replay(self, box: str, item: Item, now_s: float) -> Generator[Want, Answer, tuple[bool, float]]:
        """Plan a change and write the plan, or enter a check-in from paper."""
        if box == _PAPER:
            result, _ = yield from self.system_told(self._record(item.payload, item.op, "paper"), item.op, now_s)
            return self.is_done(result), result.ended_s
        began_s = now_s
        now_s = yield Wait(now_s + self.spec.solver.takes_s(len(self.boxes[_CREW])))
        self.solver_busy_s += now_s - began_s
        change: Change = item.payload
        write = self.write_of("crew_plans", change.key, {"op": item.op, "crew": change.crew})
        result, _ = yield from self.system_told(write, item.op, now_s)
        if self.is_done(result):
            self._planned.add(item.op)
            self.planned_total += 1
        return self.is_done(result), result.ended_s

    def crashed(self, now_s: float) -> None:
        """Passes were in memory; paper and open changes are not."""
        super().crashed(now_s)
        self.passes.clear()

    def gauges(self, now_s: float) -> dict[str, float]:
        """The shared ones, the windows', the solver's, and what the fallbacks did."""
        self.windows.until(now_s)
        return {
            **super().gauges(now_s),
            "waiting_agents": float(self.agents.waiting(now_s)),
            "agents_served_total": float(self.agents.done_total),
            "turned_away_total": float(self.agents.turned_away_total),
            "stale_served_total": float(self.passes.stale_served_total),
            "windows_open": float(self.windows.open),
            "windows_met_total": float(self.windows.met),
            "windows_missed_total": float(self.windows.missed),
            "planned_total": float(self.planned_total),
            "solver_busy_s_total": self.solver_busy_s,
            "plan_takes_s": self.spec.solver.takes_s(len(self.boxes[_CREW])),
        }

    def export(self) -> dict[str, Any]:
        """The shared part, and the windows that were missed."""
        return {**super().export(), "missed_windows": self.windows.missed}

    def _check_in(self, guest: CheckIn, request: AppRequest, now_s: float) -> Serving:
        op = request.op
        self.windows.until(now_s)
        self.windows.expect(op, guest.user, now_s)
        if op in self._by_hand:  # an earlier attempt of theirs went to an agent, and its reply was lost
            return self._from_agent(op), now_s
        result, _ = yield from self.told(self._record(guest, op, "app"), request, _CALL, now_s)
        now_s = result.ended_s
        if self.is_done(result):
            self.windows.done(op, now_s)
            self.passes.put(guest.user, {"seat": guest.user % 180}, now_s)
            return Response(200, "", {"checked_in": op}), now_s
        if op not in self._by_hand:
            at_s = self.agents.take(now_s)
            if at_s is None:
                return Response(503, "dependency"), now_s
            if not self.boxes[_PAPER].add(op, guest, now_s):
                return Response(503, "queue_full"), now_s
            self._by_hand[op] = at_s
            self.windows.done(op, at_s)
            self.degraded_total += 1
        return self._from_agent(op), now_s

    def _from_agent(self, op: int) -> Response:
        return Response(200, "", {"checked_in": op, "degraded": "manual", "served_s": self._by_hand[op]})

    def _pass(self, user: int, request: AppRequest, now_s: float) -> Serving:
        read = Request("read", {"table": "passes", "key": str(user)}, write=False)
        result = (yield from self.told(read, request, _CALL, now_s)).result
        now_s = result.ended_s
        if result.ok:
            shown = (result.reply.body or {}).get("item") or {"seat": user % 180}
            self.passes.put(user, shown, now_s)
            return Response(200, "", {"pass": shown}), now_s
        known = self.passes.stale(user, now_s)
        if known is None:
            return Response(503, "dependency"), now_s
        self.degraded_total += 1
        return Response(200, "", {"pass": known.value, "degraded": "stale", "age_s": known.age_s}), now_s

    def _change(self, change: Change, request: AppRequest, now_s: float) -> Response:
        if request.op not in self._planned and not self.boxes[_CREW].add(request.op, change, now_s):
            return Response(503, "queue_full")
        return Response(200, "", {"change": request.op, "open": len(self.boxes[_CREW])})

    def _record(self, guest: CheckIn, op: int, at: str) -> Request:
        """The same key wherever it was done, but a token of its own: the record tells the two apart."""
        record = {"op": op, "user": guest.user, "at": at}
        return self.write_of("check_ins", guest.key, record, sort=f"-{at}")
