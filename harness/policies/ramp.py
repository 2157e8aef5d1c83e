"""Ramped re-admission: let traffic back in x % at a time, and only while it goes well.

After a repair all demand returns at once, with everything that was put off. The instinct is to open the gates when the
fault is gone; the caches are cold, the backlogs full, and the second collapse comes within a second. Operators close
the intake and open it by steps instead, looking at errors between steps. This rule does it without the phone call.

    each job is let in with probability `share`
    each `every` seconds: if at most `errors` of the results since the last step did no good, share + step; else hold
    (a step in which jobs were let in but none has ended proves nothing, and holds too)

An operator has three controls here. The *intake throttle* is any admission rule put in front of the server's own while
it runs (`token_bucket`, or this one); `drop the queue` is an action of the station, because a line that has outlived
its callers is best thrown away; and this ramp, which may also be named in the file.

Admission is by a draw per attempt, so a retry has a new chance: with a small share and eager clients, retries eat the
ramp. Leaves out: choosing *who* gets in first (priority.py). Source: incident reports, among them AWS October 2025,
where throttles were eased by hand over hours; the steps are ours.
"""

from __future__ import annotations

from typing import NamedTuple

from harness.policies.entry import Entry, seconds, share
from harness.policies.server_steps import THROTTLED, AdmissionSteps


class RampSpec(NamedTuple):
    """Shares from 0 to 1; `every_s` in seconds."""

    initial: float
    step: float
    every_s: float
    errors: float


class Ramp(NamedTuple):
    """The share let in, and what this step has seen."""

    share: float
    steps: int  # good steps so far; the share is computed from it, because sums of tenths never quite reach 1
    step_ends_s: float
    let_in: int
    results: int
    bad: int


def start(spec: RampSpec, now_s: float) -> Ramp:
    """The first step begins now."""
    return Ramp(spec.initial, 0, now_s + spec.every_s, 0, 0, 0)


def admit(
    spec: RampSpec, state: Ramp, now_s: float, in_service: int, queued: int, oldest_wait_s: float, u: float
) -> tuple[Ramp, bool]:
    """Whether this job's draw lies within the share; ends the step when its time has come."""
    part, steps, ends_s = state.share, state.steps, state.step_ends_s
    let_in, results, bad = state.let_in, state.results, state.bad
    if now_s >= ends_s:
        if let_in == 0 or (results > 0 and bad <= spec.errors * results):
            steps += 1
            part = min(spec.initial + steps * spec.step, 1.0)
        ends_s = now_s + spec.every_s
        let_in, results, bad = 0, 0, 0
    if u < part:
        return Ramp(part, steps, ends_s, let_in + 1, results, bad), True
    return Ramp(part, steps, ends_s, let_in, results, bad), False


def on_done(
    spec: RampSpec, state: Ramp, now_s: float, delay_s: float, service_s: float, inside: int, dropped: bool
) -> Ramp:
    """Count one result, good or bad."""
    bad = state.bad
    if dropped:
        bad += 1
    return Ramp(state.share, state.steps, state.step_ends_s, state.let_in, state.results + 1, bad)


def build(initial: float, step: float, every: float, errors: float) -> RampSpec:
    """From the parameters of the catalogue."""
    return RampSpec(initial, step, every, errors)


ADMISSION = {RampSpec: AdmissionSteps(start, admit, on_done, THROTTLED, True)}

ENTRIES: tuple[Entry, ...] = (
    Entry(
        kind="ramp",
        side="server",
        slot="admission",
        rule="let in a share of jobs; + step each `every`, while at most `errors` of results are bad",
        params=(
            share("initial", 0.1, "share let in at first", open_=True),
            share("step", 0.1, "added at each good step", open_=True),
            seconds("every", 5.0, "length of a step"),
            share("errors", 0.05, "share of bad results up to which a step is good"),
        ),
        source="operators' practice; see the incident reports",
        build=build,
    ),
)
