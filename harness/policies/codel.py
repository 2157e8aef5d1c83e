"""CoDel: drop when the *minimum* delay stays high, because a standing queue is the only bad queue.

A bound on queue length cannot tell a burst, which a queue exists to absorb, from a standing queue, which only adds
delay. CoDel watches how long each job waited. If every job leaving the line for a whole `interval` waited `target` or
longer, the queue is standing: drop one, and then one more each interval / sqrt(count), faster and faster, until some
job has waited less than the target.

    above target for an interval        -> dropping, count = 1 (or what was learned, see below), drop this job
    dropping and now >= drop_next       -> drop, count += 1, drop_next += interval / sqrt(count)
    a job below target, or an empty line -> stop dropping

A rate learned is kept: if dropping restarts within 16 intervals of the last scheduled drop, count resumes at the number
of drops of the last episode instead of 1. Several implementations forget (`memory: false`), and it shows.

It was made for packets, whose senders slow down on a loss. Callers with timeouts do not, and then sqrt(count) is far
too slow. M/M/1 with 10 ms jobs and a 1 s deadline: at five times its capacity it delivers a third of it, without
memory a sixth; at 1.2 times 0.96. And the 5 ms target is below one 10 ms service time, which costs 3 % at load 0.8: set
it to several service times.

Asked once per job leaving the line, including jobs that never waited. The RFC's exemption for a line of at most one
packet is kept: at most one other job waits. Leaves out: ECN marking, and flow queues (one CoDel per queue).
Source: RFC 8289, sections 4 and 5; 5 ms and 100 ms are its defaults.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.policies.entry import Entry, flag, seconds
from harness.policies.server_steps import DropSteps


class CodelSpec(NamedTuple):
    """Acceptable standing delay and the time over which it must be exceeded, in seconds."""

    target_s: float
    interval_s: float
    memory: bool  # as in the RFC: resume the drop rate learned in the last episode


class Codel(NamedTuple):
    """Where the control law stands."""

    first_above_s: float  # when jobs will have been above target for an interval; inf while they are not
    drop_next_s: float
    drops: int  # drops in this dropping state, or the count it resumed at plus those
    last_drops: int  # `drops` when this dropping state was entered
    dropping: bool
    advance: bool  # the last job was dropped: drop_next moves if the next job is above target too


def start(spec: CodelSpec, now_s: float) -> Codel:
    """Calm, nothing learned."""
    return Codel(math.inf, now_s, 0, 0, False, False)


def on_dequeue(
    spec: CodelSpec,
    state: Codel,
    now_s: float,
    sojourn_s: float,
    remaining_s: float,
    service_s: float,
    queued: int,
) -> tuple[Codel, bool]:
    """Whether to drop the job that leaves the line after waiting `sojourn_s` with `queued` others behind it."""
    first_above_s = state.first_above_s
    standing = False
    if sojourn_s < spec.target_s or queued <= 1:
        first_above_s = math.inf
    elif first_above_s == math.inf:
        first_above_s = now_s + spec.interval_s
    elif now_s >= first_above_s:
        standing = True

    drop_next_s = state.drop_next_s
    count = state.drops
    if state.dropping:
        if not standing:
            return Codel(first_above_s, drop_next_s, count, state.last_drops, False, False), False
        if state.advance:
            drop_next_s += spec.interval_s / math.sqrt(count)
        if now_s < drop_next_s:
            return Codel(first_above_s, drop_next_s, count, state.last_drops, True, False), False
        return Codel(first_above_s, drop_next_s, count + 1, state.last_drops, True, True), True

    if not standing:
        return Codel(first_above_s, drop_next_s, count, state.last_drops, False, False), False
    learned = count - state.last_drops
    count = 1
    if spec.memory and learned > 1 and now_s - drop_next_s < 16.0 * spec.interval_s:
        count = learned
    drop_next_s = now_s + spec.interval_s / math.sqrt(count)
    return Codel(first_above_s, drop_next_s, count, count, True, False), True


def build(target: float, interval: float, memory: bool) -> CodelSpec:
    """From the parameters of the catalogue, times in seconds."""
    return CodelSpec(target, interval, memory)


def check(params: Mapping[str, Any]) -> str | None:
    """A target of an interval or more could never be judged within one."""
    if params["target"] < params["interval"]:
        return None
    return (
        f"target {params['target']:g} s is not below interval {params['interval']:g} s; "
        "the interval must hold several jobs above target, so make it 5 to 20 targets long"
    )


DROP = {CodelSpec: DropSteps(start, None, on_dequeue)}

ENTRIES: tuple[Entry, ...] = (
    Entry(
        kind="codel",
        side="server",
        slot="drop",
        rule="waits above target for a whole interval: drop one, then one each interval / sqrt(count)",
        params=(
            seconds("target", 0.005, "acceptable standing delay; make it several service times"),
            seconds("interval", 0.1, "how long every job must be above target"),
            flag("memory", True, "resume the drop rate of the last episode if it was recent, as the RFC does"),
        ),
        source="RFC 8289",
        build=build,
        check=check,
    ),
)
