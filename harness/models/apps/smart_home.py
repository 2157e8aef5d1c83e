"""The cloud side of a smart home: devices hold sessions, and send what they measured.

    connect   a session: a worker of the session service, then the device's registration from the store
    report    telemetry under a session: one write, of one record for each reading, however many a device had kept
    turn      when a device may come, where that is how they are paced; costs nothing

Sessions are in memory. That makes reports cheap, one write and no check, and makes the process a trap: when it dies
every device has to come back, through a service sized for the few that come on a usual day. An unpaced herd keeps that
service busy with devices that have given up waiting. How they should come back (`harness.policies.reconnect`) must be
known to them before it is needed, because then nobody is there to ask: so every answer tells it, with how many readings
a device should keep while it has no session.

Readings come in batches that a device never changes: a batch is written under its own token, so repeating it changes
nothing, and each reading under its own key. Without idempotency keys each attempt that gets through writes them again.
A device says which readings it had to throw away; they are `expired` for the audit.

Leaves out: commands to devices (they keep their last setting), sessions that end for their age, and several processes
that share sessions. A session whose device never heard of it stays until the crash; it costs nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.flows.wants import Cause, Flow, Request
from harness.models.apps.app import AppBrain, AppSpec, Serving
from harness.models.apps.base import AppRequest, Response
from harness.models.component import Given, Switch
from harness.models.workplace import Workplace
from harness.policies import reconnect
from harness.policies.reconnect import ReconnectSpec

TABLE = "telemetry"
FROM_BEFORE = 0  # the session with which a device comes into the run
_CALL = 1


class HomeSpec(NamedTuple):
    """The knobs of the app."""

    app: AppSpec
    reconnect: ReconnectSpec
    keep: int  # readings a device keeps while it cannot send
    collapse: bool  # only the newest of them
    idempotency_keys: bool
    prewarmed: int  # devices that have a session before the run


class SmartHome(AppBrain):
    """The brain of the app. `place` is the session service."""

    def __init__(self, spec: HomeSpec, place: Workplace, given: Given) -> None:
        problem = reconnect.complaint(spec.reconnect)
        if problem is not None:
            raise ValueError(f"{spec.app.name}.reconnect: {problem}")
        if not spec.app.depends_on:
            raise ValueError(f"{spec.app.name} depends on nothing; it needs a store first in depends_on, as in [kv]")
        super().__init__(spec.app, given)
        self.spec = spec
        self.place = place
        self.store = spec.app.depends_on[0]
        self.connected_total = self.turns_total = self.unknown_session_total = self.readings_total = 0
        self.dropped: dict[int, float] = {}  # readings that devices threw away, and since when they had them
        self._prewarmed = spec.prewarmed
        self._devices: dict[int, int] = {}  # session -> device
        self._turns = reconnect.start(spec.reconnect, given.now_s)
        self._told = {"reconnect": list(spec.reconnect), "keep": spec.keep, "collapse": spec.collapse}
        self.faults.update({name: Switch(on, off) for name, (on, off) in place.faults().items()})
        self.actions.update(place.actions())

    def serve(self, request: AppRequest, now_s: float) -> Serving:
        """`connect` {device}, `turn` {device}, `report` {device, session, batch, readings, dropped?: [[op, s]]}."""
        device = request.params.get("device")
        if isinstance(device, bool) or not isinstance(device, int) or device < 0:
            return Response(400, "bad_request", {"message": f"device is {device!r}; give the device's number"}), now_s
        match request.operation:
            case "connect":
                return (yield from self._connect(device, request, now_s))
            case "report":
                return (yield from self._report(device, request, now_s))
            case "turn":
                self.turns_total += 1
                self._turns, at_s = reconnect.turn(self.spec.reconnect, self._turns, now_s)
                return Response(200, "", {"wait_s": at_s - now_s}), now_s
            case _:
                pass
        said = f"no {request.operation!r}; there are: connect, report, turn"
        return Response(404, "unknown_operation", {"message": said}), now_s

    def background(self, now_s: float) -> list[Flow]:
        """The session service's work goes on."""
        self.place.settle(now_s)
        return super().background(now_s)

    def wake_s(self) -> float:
        """When a worker of the session service is done."""
        return min(super().wake_s(), self.place.next_s())

    def crashed(self, now_s: float) -> None:
        """Sessions and turns were in memory."""
        self._prewarmed = 0
        self._devices.clear()
        self._turns = reconnect.start(self.spec.reconnect, now_s)
        self.place.crashed(now_s)

    def gauges(self, now_s: float) -> dict[str, float]:
        """The shared ones, the session service's, and what devices did."""
        own, place = super().gauges(now_s), self.place.gauges(now_s)
        return {
            **own,
            **place,
            "refused_total": own["refused_total"] + place["refused_total"],
            "sessions": float(self._prewarmed + sum(d >= self._prewarmed for d in set(self._devices.values()))),
            "connected_total": float(self.connected_total),
            "unknown_session_total": float(self.unknown_session_total),
            "turns_total": float(self.turns_total),
            "readings_total": float(self.readings_total),
            "readings_dropped_total": float(len(self.dropped)),
        }

    def export(self) -> dict[str, Any]:
        """For the audit: this side owes nothing; devices keep what they could not send."""
        return {"owed": [], "expired": list(self.dropped.items()), "idempotency_keys": self.spec.idempotency_keys}

    def _connect(self, device: int, request: AppRequest, now_s: float) -> Serving:
        done = yield from self.place.work(
            request.attempt, now_s, request.deadline_s, request.criticality, first_try=request.n == 0
        )
        if done.cause is not Cause.NONE:
            return Response(429 if done.cause is Cause.THROTTLED else 503, done.cause.name.lower()), done.ended_s
        ask = Request("read", {"table": "devices", "key": str(device)}, write=False)
        result = yield from self.ask(self.store, ask, request, _CALL, done.ended_s)
        if not result.ok:
            return Response(503, "dependency", None, done.began_s, done.service_s), result.ended_s
        self._devices[request.attempt] = device
        self.connected_total += 1
        body = {"session": request.attempt, **self._tell(device)}
        return Response(200, "", body, done.began_s, done.service_s), result.ended_s

    def _report(self, device: int, request: AppRequest, now_s: float) -> Serving:
        params = request.params
        if not self._holds(device, params.get("session")):
            self.unknown_session_total += 1
            return Response(401, "conflict", {"message": "no such session; connect first"}), now_s
        try:
            write = self._write_of(device, params, request.attempt)
            dropped = [(int(op), float(since_s)) for op, since_s in params.get("dropped", ())]
        except (TypeError, ValueError):
            said = "give readings as a list of operation numbers, batch as one, dropped as a list of [operation, s]"
            return Response(400, "bad_request", {"message": said}), now_s
        result = yield from self.ask(self.store, write, request, _CALL, now_s)
        if not result.ok:
            return Response(503, "dependency"), result.ended_s
        self.readings_total += len(write.params["writes"])
        self.dropped.update(dropped)
        return Response(200, "", self._tell(device)), result.ended_s

    def _holds(self, device: int, session: object) -> bool:
        if session == FROM_BEFORE:
            return device < self._prewarmed
        return isinstance(session, int) and self._devices.get(session) == device

    def _tell(self, device: int) -> dict[str, Any]:
        return {**self._told, "slot": device % self.spec.reconnect.slots}

    def _write_of(self, device: int, params: Mapping[str, Any], attempt: int) -> Request:
        """One write of all readings. Raises TypeError or ValueError when there are none, or they are no numbers."""
        readings = [int(op) for op in params["readings"]] if params.get("readings") else []
        if not readings:
            raise ValueError("no readings")
        records = [{"table": TABLE, "key": str(op), "put": {"op": op, "device": device}} for op in readings]
        if not self.spec.idempotency_keys:  # records are named after the attempt
            return Request("write", {"writes": [{**r, "key": f"{attempt}-{r['key']}"} for r in records]})
        once = [{**record, "if": {"absent": True}} for record in records]
        return Request("write", {"writes": once, "token": f"{TABLE}-{int(params['batch'])}"})
