"""Locust's own users as users of a closed loop, when a `LoadTestShape` says how many there are.

A plan knows its load, so the number of Locust's users means nothing to it: one paces, the others idle. A shape is the
opposite: it is nothing but a number of users. So under a shape each of Locust's users is somebody who wants something
done, waits, thinks, and asks again, from the moment Locust spawns them to the moment it takes them away. How they think
and tire is the experiment's where its load is a closed loop (`think`, `crowd`), else a second of thinking on average.

Turns are numbered as those of any closed loop, by (nth, user); users are numbered as they come, and no number comes
twice. What somebody has under way when Locust takes them away goes on to its end, and to its row.
"""

from __future__ import annotations

from typing import Final, NoReturn

import gevent
from gevent.event import Event

from harness import seeds
from harness.load.load_run import LoadRun
from harness.load.pacer import Arrival
from harness.load.session import OP_SPAN, Session
from harness.policies.crowd import SEATS, CrowdSpec, next_s, number
from harness.record.layouts import Outcome
from harness.spec.experiment import Experiment

THINK_S: Final = 1.0  # of a story whose load says nothing about thinking


class WalkIns:
    """Everybody whom a shape brought into one session; `run` is to be finished by whoever ends it."""

    def __init__(self, session: Session, run: LoadRun) -> None:
        self.run = run
        self._seed = session.plan.seed
        self._base = 0 if session.orchestrated else OP_SPAN * (session.worker + 1)
        self._stories = {name: number for number, name in enumerate(session.plan.stories)}
        self._specs = {name: spec_of(session.plan.experiment, name) for name in self._stories}
        self._came = 0
        self._waiting: dict[int, tuple[Event, list[bool]]] = {}
        run.operations.ended = self._ended

    def live(self, story: str) -> NoReturn:
        """Be one user of a story until killed. Runs in that user's greenlet."""
        spec, luck = self._specs[story], seeds.mix(self._seed, seeds.stream_id(f"crowd/{story}"), self._came)
        user, self._came = self._came, self._came + 1
        streak = 0
        due_s = self.run.clock.now_s()  # who comes wants something: a herd that is spawned at once asks at once
        for nth in range(1 << 62):
            while (wait_s := due_s - self.run.clock.now_s()) > 0.0:
                gevent.sleep(wait_s)
            good = self._turn(Arrival(self._base + number(nth, user, SEATS), self._stories[story], due_s))
            streak = 0 if good else streak + 1
            u, u_herd = (seeds.draw_after(seeds.after(luck, nth + 1), what) for what in (0, 1))
            due_s, streak = next_s(spec, 0, self.run.clock.now_s(), streak, u, u_herd)
        raise AssertionError("nobody comes so often")

    def _turn(self, arrival: Arrival) -> bool:
        """Start one operation and wait for its end; whether it came good."""
        answer = self._waiting[arrival.op] = (Event(), [])
        self.run.start(arrival)
        answer[0].wait()
        return answer[1][0]

    def _ended(self, op: int, outcome: Outcome, at_s: float) -> None:
        event, good = self._waiting.pop(op)
        good.append(outcome is Outcome.GOOD)
        event.set()


def spec_of(experiment: Experiment, story: str) -> CrowdSpec:
    """How a user of a story behaves. When users come is the shape's to say, so neither ramp, day nor herd are kept."""
    for _, name, spec in experiment.crowds():
        if name == story:
            return CrowdSpec(1, spec.think_s, spec.fixed, 0.0, spec.give_up_after, spec.come_back_s)
    return CrowdSpec(1, THINK_S)
