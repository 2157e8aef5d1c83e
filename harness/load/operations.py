"""Operations in flight: each in a greenlet of its own, from its start to its row.

Whatever happens to an operation, exactly one row says so: it was dropped before it started, it ended (good, late,
failed, throttled), or it was still open when the run was cut, and is then reported as unfinished, because leaving out
the slow ones would flatter the system. The deadline counts from the intended start, also when the generator was late.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gevent
from gevent.event import Event

from harness.flows.call import CallResult
from harness.flows.stories.base import StoryContext, StoryModule
from harness.flows.wants import Result
from harness.load.driver import Cut, Driver, Talk
from harness.load.pacer import Arrival, Lateness
from harness.load.recorder import Recorder
from harness.record.layouts import Outcome

_CUT_ROUNDS_MAX = 100
IN_FLIGHT_MAX = 16_000  # 4,000 operations a second, open for 4 s; a greenlet holds some 15 kB
_log = logging.getLogger(__name__)


Ended = Callable[[int, Outcome, float], None]  # operation, outcome, when


class Playing(NamedTuple):
    """One story as this process plays it. `app` indexes the recorder's app names."""

    module: StoryModule
    context: StoryContext
    app: int


class Operations:
    """Starts operations, keeps those that are open, and can cut them off."""

    def __init__(
        self, driver: Driver, recorder: Recorder, stories: Sequence[Playing], in_flight_max: int = IN_FLIGHT_MAX
    ) -> None:
        self.driver = driver
        self.recorder = recorder
        self.started = 0
        self.dropped = 0
        self.errors = 0  # operations that our own code broke
        self.lateness = Lateness()
        self.ended: Ended | None = None  # told of each operation that ended, or had no room to start
        self._clock = driver.clock
        self._stories = list(stories)
        self._in_flight_max = in_flight_max
        self._open: dict[int, Any] = {}  # op -> greenlet
        self._idle = Event()
        self._idle.set()

    @property
    def in_flight(self) -> int:
        """Operations started, or about to be, and not ended."""
        return len(self._open)

    def start(self, arrival: Arrival) -> None:
        """Start one operation, or drop it when too many are open. Never blocks."""
        if len(self._open) >= self._in_flight_max:
            self.dropped += 1
            self._row(arrival, -1, -1, Outcome.DROPPED, 0)
            if self.ended is not None:
                self.ended(arrival.op, Outcome.DROPPED, self._clock.now_s())
            return
        self._idle.clear()
        self.started += 1
        self._open[arrival.op] = gevent.spawn_raw(self._operate, arrival)

    def drain(self, patience_s: float) -> bool:
        """Wait until nothing is open, at most `patience_s`; True when nothing is."""
        return bool(self._idle.wait(max(0.0, patience_s)))

    def cut(self) -> int:
        """End what is open, with UNFINISHED rows: how many operations that were. Not to be called by one of them."""
        cut = len(self._open)
        for _ in range(_CUT_ROUNDS_MAX):  # one is enough, unless a flow waits again while it cleans up
            if not self._open:
                break
            for greenlet in list(self._open.values()):
                gevent.kill(greenlet, Cut)
            gevent.sleep(0)  # thrown out of their waits, they write their rows
        return cut

    def _operate(self, arrival: Arrival) -> None:
        op, story, intended_s = arrival
        started_ns = self._clock.now_ns()
        started_s = started_ns * 1e-9
        self.lateness.add(started_s - intended_s)
        module, context, _ = self._stories[story]
        deadline_s = intended_s + context.deadline_s
        talk = Talk()
        outcome, finished_ns = Outcome.UNFINISHED, -1
        try:
            result = self.driver.play(module.operation(context, op, started_s, deadline_s), talk)
            outcome = judge(result, deadline_s)
            finished_ns = round(result.ended_s * 1e9)
        except Cut:
            pass
        except Exception:
            outcome, finished_ns = Outcome.FAILED, self._clock.now_ns()
            self.errors += 1
            if self.errors == 1:
                _log.exception("operation %d of story %s broke; this is a fault of ours", op, module.STORY.name)
        finally:
            self._row(arrival, started_ns, finished_ns, outcome, talk.attempts)
            del self._open[op]
            if not self._open:
                self._idle.set()
            if self.ended is not None and finished_ns >= 0:
                self.ended(op, outcome, finished_ns * 1e-9)

    def _row(self, arrival: Arrival, started_ns: int, finished_ns: int, outcome: Outcome, attempts: int) -> None:
        _, context, app = self._stories[arrival.story]
        deadline_s = arrival.intended_s + context.deadline_s
        deadline_ns = -1 if math.isinf(deadline_s) else round(deadline_s * 1e9)
        times_ns = (round(arrival.intended_s * 1e9), started_ns, finished_ns, deadline_ns)
        self.recorder.operation(arrival.op, arrival.story, app, times_ns, outcome, attempts)


def judge(result: CallResult, deadline_s: float) -> Outcome:
    """What an ended call is to its user."""
    if result.ok:
        return Outcome.GOOD if result.ended_s <= deadline_s else Outcome.LATE
    if result.limited or result.reply.result is Result.REFUSED:
        return Outcome.THROTTLED
    return Outcome.FAILED
