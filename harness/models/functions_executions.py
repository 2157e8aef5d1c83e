"""One execution of a function, whoever asked for it: an environment, a cold start perhaps, the work, and the store.

The environment is held from the moment it is granted until the last of these is over. That is why a slow dependency is
an outage of its callers: with 100 ms of work and a store that takes 2 s, the same load needs twenty times the
environments.

    sync, async    after its work a function reads its state from the store
    batch          after its work it writes the result of each message, under the key its sender named

With `results_only` just the last does; what is called synchronously then does not feel the store.

The work counts as done when its service time is over, whatever the store then says; an execution that failed after that
has had its effect. Refusals for want of environments are demand too, and the fleet hears of them. Leaves out: time-outs
of functions (the client of the store bounds the wait there).
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import NamedTuple

from harness import seeds
from harness.flows.call import call
from harness.flows.client import Client
from harness.flows.wants import Answer, Cause, Request, Wait, Want
from harness.models.apps.base import LAST_LAYER
from harness.models.fleet import Fleet
from harness.models.functions_environments import CONCURRENCY, KINDS, SYNC, Environments
from harness.models.pollers import STORE, Ran
from harness.models.workplace import Workplace

RESULTS = "results"  # the table in which senders of messages find what became of them
_CALLS = seeds.stream_id("functions/calls")


class Asked(NamedTuple):
    """What an execution is for. `attempt` is that of a synchronous caller, 0 when nobody waits for it."""

    kind: str
    op: int = 0
    layer: int = 0
    attempt: int = 0
    results: Sequence[str] = ()  # keys to write


class Executions:
    """Plays executions; counts how they ended. `store` is None when functions do not touch it."""

    def __init__(
        self, environments: Environments, place: Workplace, store: Client | None, fleet: Fleet | None,
        cold_start_s: float, mean_s: float, *, results_only: bool = False,
    ) -> None:  # fmt: skip
        self.environments = environments
        self.done_total = dict.fromkeys(KINDS, 0)
        self.failed_total = dict.fromkeys(KINDS, 0)
        self._place = place
        self._store = store
        self._results_only = results_only
        self._fleet = fleet
        self._cold_start_s = cold_start_s
        self._mean_s = mean_s
        self._calls = _CALLS

    def take(self, kind: str, now_s: float, again_s: float = math.inf) -> tuple[str, bool]:
        """Ask for an environment: (why not, or "", and whether it starts cold). Refused, it asks after `again_s`."""
        refusal, cold = self.environments.take(kind, now_s)
        if refusal == CONCURRENCY and self._fleet is not None:  # more hosts would help; who asks often is still one
            self._fleet.missed(min(self._mean_s, again_s))
        self._observe(now_s)
        return refusal, cold

    def run(self, asked: Asked, cold: bool, now_s: float) -> Generator[Want, Answer, Ran]:
        """One execution in an environment that was taken for it; gives the environment back."""
        ok = False
        try:
            if cold and self._cold_start_s > 0.0:
                now_s = yield Wait(now_s + self._cold_start_s)
            done = yield from self._place.work(asked.attempt or seeds.mix(self._next_call()), now_s)
            now_s = done.ended_s
            worked = ok = done.cause is Cause.NONE
            if ok and self._store is not None and (asked.results or not self._results_only):
                ok, now_s = yield from self._touch(self._store, asked, now_s)
            return Ran(ok, "", now_s, worked, done.began_s, done.service_s)
        finally:
            self.environments.give_back(asked.kind, now_s)
            self._observe(now_s)
            (self.done_total if ok else self.failed_total)[asked.kind] += 1

    def _touch(self, store: Client, asked: Asked, now_s: float) -> Generator[Want, Answer, tuple[bool, float]]:
        ask = Request("read", {"table": "functions", "key": "state"}, write=False)
        if asked.results:
            puts = [{"table": RESULTS, "key": key, "put": {"done": True}} for key in asked.results]
            ask = Request("write", {"writes": puts})
        result = yield from call(
            store, STORE, ask, op=asked.op, layer=min(asked.layer + 1, LAST_LAYER), parent_id=asked.attempt,
            call_no=1 if asked.kind == SYNC else self._next_call(), now_s=now_s, deadline_s=math.inf,
        )  # fmt: skip
        return result.ok, result.ended_s

    def _observe(self, now_s: float) -> None:
        if self._fleet is not None:
            self._fleet.observe(self.environments.busy, now_s)

    def _next_call(self) -> int:
        self._calls += 1
        return self._calls
