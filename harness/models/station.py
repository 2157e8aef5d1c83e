"""A service station: worker slots, a waiting line, and the server's policy in front of, in and behind the line.

The tempting model of a busy server is "sleep for the service time". It has unlimited capacity: a thousand sleeps run at
once. And a model that starts the next job whenever its timer happens to fire leaks capacity to every late timer, which
under load are all of them, so it overloads at a lower rate than stated. Here capacity is arithmetic. A job occupies a
slot from `began` to `began + service`, a slot freed at t starts the next job *at t* however late anybody asks, and
timers only decide when the outside hears of it.

    refused <- priority gate <- intake <- room in the line <- admission       offer(): the door, decided once
    line    <- discipline, one line per rank                                  waits until a slot is free
    dropped <- drop rule                                                      asked of each job as it leaves the line
    served  <- began + service                                                advance(): what has ended by now

Two conventions move every threshold, `service_draw` and `cancellation`; `station_spec.py` states them.

At one moment departures come before arrivals. A running job is never disturbed: `set_slots` below the number running
starts nobody until enough have ended, and `set_slowdown` leaves their times alone. Each event costs O(log n).

Leaves out: processor sharing, service times that depend on the number inside, and pre-emption.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from heapq import heappop, heappush
from typing import Any

from harness import seeds
from harness.flows.wants import Cause
from harness.models.service_time import SERVICE_TIMES, STREAM
from harness.models.station_spec import Done, Job, StationSpec
from harness.policies.discipline import Fifo
from harness.policies.server import Gate, drop_steps, new_line, priority_steps
from harness.policies.server_steps import QUEUE_FULL, Line

__all__ = ["Done", "Station", "StationSpec"]

_ADMISSION = seeds.stream_id("admission")
_SERVED, _DROPPED, _WITHDRAWN = Cause.NONE, Cause.DROPPED, Cause.TIMEOUT  # ends of jobs
_ACCEPTED = Cause.NONE
_new = tuple.__new__  # quicker than the constructor of a NamedTuple


class Station:
    """One component's workers. Times never run backwards: an earlier `now_s` counts as the latest one seen."""

    __slots__ = (
        "_admission", "_admission_luck", "_at_acceptance", "_births", "_busy_s", "_busy_until_s", "_cancelled",
        "_cancels", "_done", "_drop", "_drop_state", "_dropped", "_ends", "_gates", "_guarded", "_intake", "_latest",
        "_lines", "_mean_s", "_now_s", "_plain", "_priority", "_priority_state", "_refused", "_running", "_served",
        "_service_luck", "_service_time", "_slots", "_slowdown", "_waiting", "spec",
    )  # fmt: skip

    def __init__(self, spec: StationSpec, seed: int, now_s: float) -> None:
        problem = spec.complaint()
        if problem is not None:
            raise ValueError(f"station: {problem}")
        self.spec = spec
        self._admission_luck = seeds.mix(seed, _ADMISSION)
        self._service_luck = seeds.mix(seed, STREAM)
        self._service_time = SERVICE_TIMES[spec.distribution]
        self._now_s = now_s
        self._slots = spec.slots
        self._mean_s = spec.mean_s
        self._slowdown = 1.0
        self._at_acceptance = spec.service_draw == "acceptance"
        self._births = 0
        self._waiting: OrderedDict[int, Job] = OrderedDict()  # by arrival, whatever the discipline
        self._running: dict[int, Job] = {}
        self._ends: list[tuple[float, int]] = []  # heap; entries of withdrawn jobs stay until they surface
        self._cancels = spec.cancellation
        self._latest: dict[int, int] = {}  # attempt -> job number; kept when there is something to cancel
        self._done: list[Done] = []
        self._refused = self._served = self._dropped = self._cancelled = 0
        self._busy_s, self._busy_until_s = 0.0, now_s

        server = spec.server
        self._admission = Gate.of(server.admission, now_s)
        self._intake: Gate | None = None
        self._drop = None if server.drop is None else drop_steps(server.drop)
        self._drop_state: Any = None if self._drop is None else self._drop.start(server.drop, now_s)
        self._priority = None if server.priority is None else priority_steps(server.priority)
        starts = None if self._priority is None else self._priority.start
        self._priority_state: Any = None if starts is None else starts(server.priority, now_s)
        ranks = 1 if self._priority is None else self._priority.ranks
        self._lines: list[Line] = [new_line(server.discipline, now_s) for _ in range(ranks)]
        self._plain = self._drop is None and self._priority is None  # nothing to ask of a job that leaves the line
        self._find_gates()

    # What comes in

    def offer(
        self,
        attempt: int,
        now_s: float,
        deadline_s: float = math.inf,
        criticality: int = 0,
        tenant: int = 0,
        first_try: bool = True,
    ) -> Cause:
        """Ask to be served: NONE when accepted, else why not (QUEUE_FULL or THROTTLED).

        An accepted attempt comes out of `advance` exactly once, unless `cancel` or `drop_queue` hand it back first.
        """
        ends = self._ends
        if now_s < self._now_s or (ends and ends[0][0] <= now_s):
            now_s = self._settle(now_s)
        self._now_s = now_s
        rank = 0
        if self._guarded:
            if self._priority is not None:
                rank = self._priority.rank(self.spec.server.priority, criticality, first_try)
            cause = self._door(attempt, now_s, criticality, tenant, first_try, rank)
            if cause is not _ACCEPTED:
                self._refused += 1
                return cause
        number = self._births
        self._births = number + 1
        running = len(self._running)
        job = Job(attempt, now_s, deadline_s, rank, running + len(self._waiting) + 1)
        if self._cancels:
            self._latest[attempt] = number
        if self._at_acceptance:
            job.service_s = self._service_time(self._mean_s * self._slowdown, self._service_luck, attempt)
        if running < self._slots:  # a slot is only free when nobody waits
            self._leave_line(number, job, now_s)
            return _ACCEPTED
        if self._drop is not None and self._drop.on_enqueue is not None:
            self._drop_state = self._drop.on_enqueue(self.spec.server.drop, self._drop_state, now_s, len(self._waiting))
        self._waiting[number] = job
        self._lines[rank].push(number, tenant, now_s)
        return _ACCEPTED

    def _door(self, attempt: int, now_s: float, criticality: int, tenant: int, first_try: bool, rank: int) -> Cause:
        in_service, queued = len(self._running), len(self._waiting)
        if self._priority is not None and self._priority.admit is not None:
            self._priority_state, let_in = self._priority.admit(
                self.spec.server.priority, self._priority_state, now_s, criticality, tenant, first_try,
                in_service, queued,
            )  # fmt: skip
            if not let_in:
                return Cause.THROTTLED
        if not self._lines[rank].has_room(tenant):
            return Cause.QUEUE_FULL
        for gate in self._gates:
            u = seeds.draw_after(self._admission_luck, attempt) if gate.steps.draws else 0.5
            if not gate.admit(now_s, in_service, queued, self._oldest_wait_s(now_s), u):
                return Cause.QUEUE_FULL if gate.steps.refusal == QUEUE_FULL else Cause.THROTTLED
        return _ACCEPTED

    def _find_gates(self) -> None:
        self._gates = tuple(gate for gate in (self._intake, self._admission) if gate is not None)
        bounded = not isinstance(self._lines[0], Fifo)  # lines of that family have room always
        self._guarded = bounded or self._priority is not None or len(self._gates) > 0

    def cancel(self, attempt: int, now_s: float) -> Done | None:
        """The caller gave up. With the convention `cancellation` the work ends now and is returned, else None."""
        now_s = self._settle(now_s)
        number = self._latest.get(attempt)
        if number is None:
            return None
        self._cancelled += 1
        if number in self._waiting:
            job = self._waiting.pop(number)
            self._lines[job.rank].remove(number)
            return self._end(job, _WITHDRAWN, now_s)
        job = self._running[number]
        self._occupy(now_s)
        del self._running[number]
        job.service_s = now_s - job.began_s
        done = self._end(job, _WITHDRAWN, now_s)
        self._fill_slots(now_s)
        return done

    # What happens inside, in logical time

    def advance(self, now_s: float) -> list[Done]:
        """Everything that has ended up to `now_s` and was not handed out before, in order of its end."""
        self._settle(now_s)
        done, self._done = self._done, []
        return done

    def next_event_s(self) -> float:
        """When to call `advance` next: the earliest end known, inf when nothing runs."""
        if self._done:
            return self._done[0].ended_s
        if self._cancels:
            self._skip_withdrawn()
        return self._ends[0][0] if self._ends else math.inf

    def _settle(self, now_s: float) -> float:
        """Let every slot that was freed up to `now_s` take its next job at the moment it was freed."""
        if now_s < self._now_s:
            return self._now_s
        ends, running, waiting = self._ends, self._running, self._waiting
        plain = not (self._cancels or self._gates)
        while ends and ends[0][0] <= now_s:
            ended_s, number = heappop(ends)
            busy = len(running)
            job = running.pop(number, None)
            if job is None:  # withdrawn
                continue
            self._busy_s += busy * (ended_s - self._busy_until_s)
            self._busy_until_s = self._now_s = ended_s
            self._served += 1
            self._done.append(
                _new(Done, (job.attempt, _SERVED, job.arrived_s, job.began_s, ended_s, job.service_s))
                if plain
                else self._end(job, _SERVED, ended_s)
            )
            if waiting:
                self._fill_slots(ended_s)
        self._now_s = now_s
        return now_s

    def _skip_withdrawn(self) -> None:
        while self._ends and self._ends[0][1] not in self._running:
            heappop(self._ends)

    def _fill_slots(self, now_s: float) -> None:
        while self._waiting and len(self._running) < self._slots:
            line = self._lines[0]
            if len(self._lines) > 1:
                line = next(line for line in self._lines if len(line))
            number = line.pop(now_s)
            self._leave_line(number, self._waiting.pop(number), now_s)

    def _leave_line(self, number: int, job: Job, now_s: float) -> None:
        """Start the job in a free slot, or drop it if the drop rule says so."""
        if not self._at_acceptance:
            job.service_s = self._service_time(self._mean_s * self._slowdown, self._service_luck, job.attempt)
        if not self._plain and self._asked_to_go(job, now_s):
            return
        running = self._running
        self._busy_s += len(running) * (now_s - self._busy_until_s)
        self._busy_until_s = now_s
        job.began_s = now_s
        running[number] = job
        heappush(self._ends, (now_s + job.service_s, number))

    def _asked_to_go(self, job: Job, now_s: float) -> bool:
        """Ask the drop rule about a job that is about to start, and tell the priority; True when it was dropped."""
        delay_s = now_s - job.arrived_s
        if self._drop is not None:
            self._drop_state, drop = self._drop.on_dequeue(
                self.spec.server.drop, self._drop_state, now_s, delay_s, job.deadline_s - now_s, job.service_s,
                len(self._waiting),
            )  # fmt: skip
            if drop:
                self._dropped += 1
                job.service_s = 0.0
                self._done.append(self._end(job, _DROPPED, now_s))
                return True
        if self._priority is not None and self._priority.on_start is not None:
            self._priority_state = self._priority.on_start(
                self.spec.server.priority, self._priority_state, now_s, delay_s
            )
        return False

    def _end(self, job: Job, cause: Cause, now_s: float, *, tell: bool = True) -> Done:
        """Forget the job and tell the gates; its `service_s` is what it held a slot for."""
        began_s = job.began_s
        began = not math.isnan(began_s)
        if not began:
            job.service_s = 0.0
        if self._cancels:
            self._latest.pop(job.attempt, None)
        if self._gates and tell:
            delay_s = (began_s if began else now_s) - job.arrived_s
            useless = cause is not _SERVED or now_s > job.deadline_s
            for gate in self._gates:
                gate.on_done(now_s, delay_s, job.service_s, job.inside, useless)
        return _new(Done, (job.attempt, cause, job.arrived_s, began_s, now_s, job.service_s))

    def _occupy(self, now_s: float) -> None:
        self._busy_s += len(self._running) * (now_s - self._busy_until_s)
        self._busy_until_s = now_s

    def _oldest_wait_s(self, now_s: float) -> float:
        return now_s - next(iter(self._waiting.values())).arrived_s if self._waiting else 0.0

    # What an operator or a fault does

    def set_slots(self, slots: int, now_s: float) -> None:
        """Change the number of workers; running jobs run on. Raises ValueError below 0."""
        if slots < 0:
            raise ValueError(f"station: slots is {slots}; it must be 0 or more")
        now_s = self._settle(now_s)
        self._slots = slots
        self._fill_slots(now_s)

    def set_slowdown(self, factor: float, now_s: float) -> None:
        """Multiply the mean of service times drawn from now on; 1.0 heals. Raises ValueError unless finite and >= 0."""
        if not 0.0 <= factor < math.inf:
            raise ValueError(f"station: slowdown is {factor:g}; it must be finite and at least 0")
        self._settle(now_s)
        self._slowdown = factor

    def set_mean_s(self, mean_s: float, now_s: float) -> None:
        """Change the mean of service times drawn from now on (seconds). Raises ValueError unless finite and >= 0."""
        if not 0.0 <= mean_s < math.inf:
            raise ValueError(f"station: mean service time is {mean_s:g} s; it must be finite and at least 0 s")
        self._settle(now_s)
        self._mean_s = mean_s

    def set_intake(self, spec: Any, now_s: float) -> None:
        """An operator's valve in front of the server's own admission: any admission spec, or None to open it."""
        self._settle(now_s)
        self._intake = Gate.of(spec, now_s)
        self._find_gates()

    def drop_queue(self, now_s: float) -> list[Done]:
        """Throw away all waiting jobs, oldest first. Adaptive gates are not told: it is no sign of congestion."""
        now_s = self._settle(now_s)
        dropped = []
        for number, job in self._waiting.items():
            self._lines[job.rank].remove(number)
            dropped.append(self._end(job, _DROPPED, now_s, tell=False))
        self._waiting.clear()
        self._dropped += len(dropped)
        return dropped

    def lose_all(self, now_s: float) -> None:
        """The process died: what waited and what ran is gone, and nobody is told."""
        now_s = self._settle(now_s)
        self._done.clear()
        self.drop_queue(now_s)
        self._occupy(now_s)
        self._dropped += len(self._running)
        self._running.clear()
        self._ends.clear()
        self._latest.clear()

    # What can be seen

    def gauges(self, now_s: float) -> dict[str, float]:
        """Levels and totals at `now_s`, by name; `admission_limit` only where the admission rule has one."""
        now_s = self._settle(now_s)
        self._occupy(now_s)
        seen = {
            "waiting_queue": float(len(self._waiting)),
            "in_service": float(len(self._running)),
            "slots": float(self._slots),
            "oldest_wait_s": self._oldest_wait_s(now_s),
            "served_total": float(self._served),
            "refused_total": float(self._refused),
            "dropped_total": float(self._dropped),
            "cancelled_total": float(self._cancelled),
            "busy_s_total": self._busy_s,
        }
        limit = None if self._admission is None else getattr(self._admission.state, "limit", None)
        if limit is not None:
            seen["admission_limit"] = float(limit)
        return seen
