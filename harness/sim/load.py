"""The load of a world: operations begin when the plan says so, run as flows, and end as rows.

Open load comes from the plan's schedule and never waits for an answer. A closed crowd's next turn is known only when
its last one is over: it is put on the heap then. Nothing here draws: the schedule, the crowd and every story have their
own streams from the plan's seed, and the same calls as the live pacer.

An operation that is not over when the drain ends is written as unfinished, so rows balance with what was started.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any

from harness.flows.call import CallResult, Client
from harness.flows.crowd import Crowd, Turn, groups_of, seat
from harness.flows.stories.base import StoryContext, StoryModule, find_story, make_context
from harness.flows.wants import Result
from harness.policies.crowd import MARK
from harness.record.layouts import Outcome
from harness.schedule import Schedule
from harness.sim.conversation import Conversation
from harness.sim.heap import Heap
from harness.sim.records import Records
from harness.sim.region import Region
from harness.spec.vocabulary import criticality_of

_PART = 1024  # operations
_REFUSED, _GOOD = Result.REFUSED, Outcome.GOOD
_GAUGES = ("in_flight", "waiting_orbit", "waiting_slot", "started", "late", "dropped", "attempts_total")


class Load:
    """Everybody who uses the region in one run."""

    def __init__(self, region: Region, heap: Heap, records: Records) -> None:
        plan = region.plan
        experiment = plan.experiment
        self.takes_late = experiment.conventions.late_replies
        self.caller = region.caller(experiment.client.resolver, "load-0-attempt")
        self._plan = plan
        self._heap = heap
        self._numbers = region.numbers
        self._groups = groups_of(experiment.crowds())
        self._crowd = Crowd(self._groups, plan.seed, plan.load_end_s) if self._groups else None
        self.stories = [self._make_story(name) for name in plan.stories]
        names = {"story": list(plan.stories), "app": list(region.map.places), "worker": ["load-0"]}
        self._operations = records.rows("load-0-operation", "operation", names)
        self._open: dict[int, _Operation] = {}
        self._outcomes = [0] * len(Outcome)
        self._started = 0
        schedule = plan.schedule()
        self._planned = int(schedule.op.size)
        self._due = _in_turn(schedule)
        self._next = (0, 0, 0.0)  # the operation that comes next: its number, its story, and when

    def begin(self) -> None:
        """Put the first operation, and everybody of a crowd, on the heap."""
        self._next_operation()
        if self._crowd is not None:
            for turn in self._crowd.first():
                self._turn(turn)

    def readings(self) -> dict[str, float]:
        """The gauges of a load process at this moment."""
        waiting = sum(talk.waiting for talk in self._open.values())
        found = (len(self._open), waiting, 0, self._started, 0, 0, self.caller.attempts_total)
        return dict(zip(_GAUGES, map(float, found), strict=True)) | self.caller.cache.gauges()

    def summary(self) -> dict[str, Any]:
        """What a load process writes at its end: `load-0.json`. A world is never late."""
        return {
            "worker": "load-0",
            "scheduled": self._planned,  # turns of closed loops are counted as they come due
            "started": self._started,
            "dropped": 0,
            "late": 0,
            "lag_p50_s": 0.0,
            "lag_p99_s": 0.0,
            "lag_max_s": 0.0,
            "unfinished": self._outcomes[Outcome.UNFINISHED],
            "outcomes": {outcome.name.lower(): self._outcomes[outcome] for outcome in Outcome},
            "attempts": self.caller.attempts_total,
            "resolver": self.caller.cache.gauges(),
            "errors": 0,
        }

    def ended(self, talk: _Operation, outcome: Outcome, finished_ns: int) -> None:
        """Write the row of an operation that is over; -1 for one that never finished."""
        op, story, deadline_s = talk.op, talk.story, talk.deadline_s
        del self._open[op]
        self._outcomes[outcome] += 1
        _, _, app = self.stories[story]
        intended_ns = round(talk.intended_s * 1e9)
        deadline_ns = round(deadline_s * 1e9) if deadline_s < math.inf else -1
        self._operations.add(op, story, app, 0, intended_ns, intended_ns, finished_ns, deadline_ns, outcome, talk.sent)
        if op >= MARK and finished_ns >= 0 and self._crowd is not None:
            turn = self._crowd.after(op, outcome is _GOOD, finished_ns * 1e-9)
            if turn is not None:
                self._turn(turn)

    def cut(self) -> None:
        """The run is over: what is still under way never finished."""
        for talk in list(self._open.values()):
            talk.cut()
            self.ended(talk, Outcome.UNFINISHED, -1)

    def _make_story(self, name: str) -> tuple[StoryModule, StoryContext, int]:
        module = find_story(name)
        plan = self._plan
        load = plan.experiment.load[name]
        client = Client(load.client.policy(), plan.seed, f"load/{name}", 0.0)
        context = make_context(
            module.STORY, client, plan.seed, load.users, plan.experiment.mix(name), load.client.deadline_s,
            criticality_of(name), seat(self._groups, name),
        )  # fmt: skip
        return module, context, self._numbers[module.STORY.app]

    def _next_operation(self) -> None:
        due = next(self._due, None)
        if due is not None:
            self._next = due
            self._heap.at(due[2], self._operate)

    def _operate(self) -> None:
        self._start(*self._next)
        self._next_operation()

    def _start(self, op: int, story: int, intended_s: float) -> None:
        self._started += 1
        talk = _Operation(self, op, story, intended_s)
        self._open[op] = talk
        talk.begin()

    def _turn(self, turn: Turn) -> None:
        """Somebody of a closed loop will start an operation."""
        self._heap.at(turn.due_s, partial(self._take, turn))

    def _take(self, turn: Turn) -> None:
        self._planned += 1
        self._start(*turn)


def _in_turn(schedule: Schedule) -> Iterator[tuple[int, int, float]]:
    """Operations in order, a part at a time: as Python objects all of them would take as much memory as a long run."""
    parts = (slice(first, first + _PART) for first in range(0, schedule.op.size, _PART))
    return chain.from_iterable(
        zip(schedule.op[part].tolist(), schedule.story[part].tolist(), schedule.intended_s[part].tolist(), strict=True)
        for part in parts
    )


class _Operation(Conversation):
    """One operation of a story."""

    __slots__ = ("_load", "deadline_s", "intended_s", "op", "story")

    def __init__(self, load: Load, op: int, story: int, intended_s: float) -> None:
        module, context, _ = load.stories[story]
        self.op = op
        self.story = story
        self.intended_s = intended_s
        self.deadline_s = deadline_s = intended_s + context.deadline_s
        self._load = load
        flow = module.operation(context, op, intended_s, deadline_s)
        Conversation.__init__(self, flow, load.caller, None, None, load.takes_late)  # quicker than by super()

    def end(self, value: CallResult) -> None:
        """The call has ended, and with it the operation."""
        ok, reply, _, ended_s, limited = value
        if ok and ended_s <= self.deadline_s:
            outcome = _GOOD
        else:
            refused = limited or reply.result is _REFUSED
            outcome = Outcome.of(ok, refused, ended_s, self.deadline_s)
        self._load.ended(self, outcome, round(ended_s * 1e9))
