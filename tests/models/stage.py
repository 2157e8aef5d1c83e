"""A stage for brains in exact virtual time: several of them by name, no network between them, no delays but their own.

A request to a name that is not on the stage is answered by a script: `answers[name](request, now_s) -> Reply`.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from typing import Any

from harness.flows.wants import Cause, Flow, Park, Reply, Request, Result, Send, Wait
from harness.models.apps.base import AppRequest, Response
from harness.models.component import Brain, Given

Script = Callable[[Request, float], Reply]


def given(seed: int = 7, region: tuple[str, ...] = (), notes: list[tuple[str, dict[str, Any]]] | None = None) -> Given:
    """What a brain is built from; its notes are appended to `notes`."""

    def note(kind: str, **fields: Any) -> None:
        if notes is not None:
            notes.append((kind, fields))

    return Given(seed, 0.0, note, region, 0, "acceptance", False)


def good(body: Any = None) -> Script:
    """A script that answers well."""
    return lambda request, now_s: Reply(Result.OK, 200, Cause.NONE, now_s, body)


def bad(status: int = 503, cause: Cause = Cause.SERVER_ERROR) -> Script:
    """A script that answers with a failure."""
    result = Result.REFUSED if cause in (Cause.THROTTLED, Cause.QUEUE_FULL) else Result.ERROR
    return lambda request, now_s: Reply(result, status, cause, now_s)


class Stage:
    """Plays flows of brains until a moment; `down` names those that answer nothing but errors."""

    def __init__(self, **brains: Brain) -> None:
        self.brains = brains
        self.answers: dict[str, Script] = {}
        self.down: set[str] = set()
        self.sent: list[tuple[float, str, Request]] = []
        self.now_s = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._attempts = itertools.count(1)
        self._flows: dict[str, dict[int, Flow]] = {name: {} for name in brains}

    def ask(self, name: str, operation: str, params: dict[str, Any] | None = None, op: int = 0) -> list[Response]:
        """Ask a brain now; the list gets its response when it comes."""
        answer: list[Response] = []
        self._serve(name, AppRequest(operation, params or {}, next(self._attempts), op), answer.append)
        return answer

    def until(self, end_s: float) -> None:
        """Let everything happen up to and at `end_s`."""
        while True:
            for name in self.brains:
                self._tend(name)
            wakes = {name: brain.wake_s() for name, brain in self.brains.items() if name not in self.down}
            next_s = min((self._heap[0][0] if self._heap else math.inf, *wakes.values()))
            if next_s > end_s:
                self.now_s = end_s
                return
            self.now_s = max(self.now_s, next_s)
            while self._heap and self._heap[0][0] <= self.now_s:
                heapq.heappop(self._heap)[2]()

    def crash(self, name: str) -> None:
        """Its process dies; it answers nothing until `restart`."""
        self.down.add(name)
        for flow in list(self._flows[name].values()):
            flow.close()
        self._flows[name].clear()
        self.brains[name].crashed(self.now_s)

    def restart(self, name: str) -> None:
        """It is there again."""
        self.down.discard(name)
        self.brains[name].restarted(self.now_s)

    def _tend(self, name: str) -> None:
        if name in self.down:
            return
        while flows := self.brains[name].background(self.now_s):
            for flow in flows:
                self._play(name, flow, lambda value: None)

    def _serve(self, name: str, request: AppRequest, done: Callable[[Response], None]) -> None:
        self._play(name, self.brains[name].handle(request, self.now_s), done)

    def _play(self, name: str, flow: Flow, done: Callable[[Any], None]) -> None:
        key = next(self._order)
        self._flows[name][key] = flow

        def step(answer: Any) -> None:
            if key not in self._flows[name]:
                return
            try:
                want = flow.send(answer)
            except StopIteration as end:
                self._flows[name].pop(key, None)
                done(end.value)
                return
            if isinstance(want, Wait):
                self._at(max(want.until_s, self.now_s), lambda: step(self.now_s))
            elif isinstance(want, Park):
                want.gate.resume = lambda: self._at(self.now_s, lambda: step(want.gate.answer))
                if want.gate.is_open:
                    want.gate.resume()
            else:
                assert isinstance(want, Send)
                self._send(want, step)

        step(None)

    def _send(self, want: Send, step: Callable[[Any], None]) -> None:
        self.sent.append((self.now_s, want.target, want.request))
        over = False

        def reply(answer: Reply) -> None:
            nonlocal over
            if not over:
                over = True
                step(answer)

        def answered(response: Response) -> None:
            cause = Cause.__members__.get(response.code.upper(), Cause.NONE)
            result = Result.OK if response.status == 200 else Result.ERROR
            if cause in (Cause.THROTTLED, Cause.QUEUE_FULL):
                result = Result.REFUSED
            found = Reply(result, response.status, cause, self.now_s, response.body if response.status == 200 else None)
            self._at(self.now_s, lambda: reply(found))

        if want.target in self.down or (want.target not in self.brains and want.target not in self.answers):
            refused = Reply(Result.UNSENT, 0, Cause.CONNECT, self.now_s)
            self._at(self.now_s, lambda: reply(refused))
        elif want.target in self.answers:
            said = self.answers[want.target](want.request, self.now_s)
            self._at(said.ended_s, lambda: reply(said))
        else:
            late = Reply(Result.TIMEOUT, 0, Cause.TIMEOUT, self.now_s + want.timeout_s)
            self._at(late.ended_s, lambda: reply(late))
            request = AppRequest(
                want.request.operation, want.request.params, want.attempt_id, want.op, want.deadline_s,
                want.criticality, want.layer, want.n,
            )  # fmt: skip
            self._serve(want.target, request, answered)

    def _at(self, at_s: float, deed: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (at_s, next(self._order), deed))
