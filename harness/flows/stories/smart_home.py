"""Devices at home: each operation is one reading of one device, to be with the service before its deadline.

    POST /report  {"device", "session", "batch", "readings", "dropped"}    what the device has kept, oldest first
    POST /connect {"device"}                                               when it has no session
    POST /turn    {"device"}                                               before that, where turns are given out

A device without a session must connect first, and may only try when its pacing says so. Readings that are due meanwhile
are kept on the device. How an operation counts: good when its reading was delivered by its deadline, whoever sent it
(an earlier flow of the device takes later readings along); else failed, although the reading is not lost yet: it goes
with a later report, and the audit then finds it done, or thrown away.

A device has lost its session when the service says so (401) or does not answer at all; an answer that the store is away
is not a reason to come again. It notices when it reports, as a half-open connection is noticed. One flow of a device
connects, by single attempts, because the pacing decides about more; the others look every LOOK_S. What a device sends
is bounded by its client's own deadline, not by that of the reading which made it send. All devices of one process live
in the story's memory, and come into the run with a session.

Leaves out: what the readings say, keep-alives, and devices that are switched off by their users.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Final

from harness import seeds
from harness.flows.call import CallResult, Client, call
from harness.flows.device import Device, Manners
from harness.flows.stories.base import Story, StoryContext
from harness.flows.wants import Answer, Cause, Reply, Request, Result, Wait, Want

STORY: Final = Story("smart_home", "smart_home", ("telemetry",))
LOOK_S: Final = 0.25
_PACE = seeds.stream_id("smart_home/pace")


def operation(
    ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None
) -> Generator[Want, Answer, CallResult]:
    """One reading, from when it is due until it is delivered or its time is over."""
    due_s = now_s + ctx.deadline_s if deadline_s is None else deadline_s
    device = _device(ctx, ctx.user(op))
    device.read(op, now_s)
    talk = _Talk(ctx, device, op)
    reply = Reply(Result.UNSENT, 0, Cause.TIMEOUT, due_s)
    try:
        while now_s < due_s:
            delivered_s = device.delivered_s(op)
            if delivered_s is not None:
                return CallResult(True, reply, talk.attempts, delivered_s, False)
            if device.session is None:
                if device.connecting or device.next_try_s > now_s:
                    until_s = now_s + LOOK_S if device.connecting else device.next_try_s
                    now_s = _time_of((yield Wait(min(until_s, due_s))))
                    continue
                result = yield from talk.connect(now_s)
            else:
                batch = device.batch()
                if not batch:  # somebody else has it on the way
                    now_s = _time_of((yield Wait(min(now_s + LOOK_S, due_s))))
                    continue
                result = yield from talk.report(batch, now_s)
                if not result.ok and device.session is not None:  # the service is there, and cannot take it now
                    return result._replace(attempts=talk.attempts)
            reply, now_s = result.reply, result.ended_s
        delivered_s = device.delivered_s(op)
        ended_s = now_s if delivered_s is None else delivered_s
        return CallResult(delivered_s is not None, reply, talk.attempts, ended_s, False)
    finally:
        device.forget(op)


class _Talk:
    """What one operation sends; each call has its own number."""

    def __init__(self, ctx: StoryContext, device: Device, op: int) -> None:
        self.attempts = 0
        self._ctx = ctx
        self._device = device
        self._op = op
        self._calls = 0

    def report(self, batch: tuple[int, ...], now_s: float) -> Generator[Want, Answer, CallResult]:
        """Send one batch."""
        device = self._device
        told = dict(device.dropped)
        params = {
            "device": device.number, "session": device.session, "batch": batch[0], "readings": list(batch),
            **({"dropped": [list(item) for item in told.items()]} if told else {}),
        }  # fmt: skip
        session, done = device.session, False
        try:
            result = yield from self._ask(self._ctx.client, Request("report", params), now_s)
            done = result.ok
        finally:  # also when the run cuts this flow off
            if not done:
                device.failed(batch)
        if done:
            device.confirmed(batch, told, result.ended_s)
            self._listen(result)
        elif (result.reply.status in (0, 401)) and not result.limited and device.session == session:
            device.lost(result.ended_s, self._draw())
        return result

    def connect(self, now_s: float) -> Generator[Want, Answer, CallResult]:
        """Get a session, or first a turn to ask for one."""
        device = self._device
        wants_turn = device.manners.reconnect.kind == "token" and not device.has_turn
        device.connecting, ended_s, well = True, now_s, False
        try:
            ask = Request("turn" if wants_turn else "connect", {"device": device.number})
            result = yield from self._ask(_connector(self._ctx, now_s), ask, now_s)
            ended_s, well = result.ended_s, result.ok and isinstance(result.reply.body, dict)
        finally:
            device.connecting = False
            if not well:
                device.lost(ended_s, self._draw(), again=True)
        if well and wants_turn:
            device.has_turn, device.next_try_s = True, ended_s + float(result.reply.body["wait_s"])
        elif well:
            device.session = int(result.reply.body["session"])
            self._listen(result)
        return result

    def _ask(self, client: Client, request: Request, now_s: float) -> Generator[Want, Answer, CallResult]:
        ctx = self._ctx
        result = yield from call(
            client, STORY.app, request, op=self._op, layer=0, parent_id=0, call_no=self._calls, now_s=now_s,
            deadline_s=math.inf, criticality=ctx.criticality.get("telemetry", 0),
        )  # fmt: skip
        self._calls += 1
        self.attempts += result.attempts
        return result

    def _listen(self, result: CallResult) -> None:
        if isinstance(result.reply.body, dict) and "reconnect" in result.reply.body:
            self._device.manners = Manners.told(result.reply.body)

    def _draw(self) -> float:
        self._device.draws += 1
        return seeds.draw(self._ctx.seed, _PACE, self._device.number, self._device.draws)


def _device(ctx: StoryContext, number: int) -> Device:
    """The device of this number, kept from one operation to the next."""
    devices: dict[int, Device] = ctx.memory.setdefault("devices", {})
    if number not in devices:
        devices[number] = Device(number)
    return devices[number]


def _connector(ctx: StoryContext, now_s: float) -> Client:
    """The client for connecting: the story's, but for single attempts."""
    client: Client | None = ctx.memory.get("connector")
    if client is None:
        spec = ctx.client.spec._replace(attempts=1)
        client = ctx.memory["connector"] = Client(spec, ctx.client.seed, f"load/{STORY.name}/connect", now_s)
    return client


def _time_of(answer: Answer) -> float:
    """After a Wait: the moment, also where an earlier attempt's late reply ended it."""
    return answer.ended_s if isinstance(answer, Reply) else float(answer)
