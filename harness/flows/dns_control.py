"""What the step machines of the DNS automation have in common: their knobs, and when their next step falls due.

A machine's `move` is timeless: from its state and the store it gives the next ones and a *pause*, a word for what must
pass before its next step. Only `pause_s` turns the word into seconds. So the explorer, which schedules every order of
moves, and the live region, which runs the moves by timers, share every line that decides anything, and correctness
cannot come to lean on time.

The pauses are what makes the race near certain, without any step being told about it. All of them are fixed places in
the planning period P (default 500 ms; clean_after C = 300 ms):

    phase 0              a plan appears; 1, 2, 3 ms later the enactors see it and apply it within a few ms
    phase C / 2 (150)    enactors that could not get the lock try again, once a period
    phase C (300 ..)     enactors that applied the plan clean up

A transaction that is refused is tried again after 10, 20 and 40 ms (that settles ordinary contention), and from then
on once a period, at a fixed phase of the planning grid (`retry_phase_s`). An enactor that was stalled thus comes back
at phase 150: after the others have applied the newest plan, before they clean up. Coming back at any other time can be
harmless: before the others apply, they overwrite the stale plan; after they clean up, the next plan overwrites it. In
the event nobody chose the phase, there were just many thousands of chances; a run has one, so the phase is a knob.

For a stale plan to be old enough to be deleted, a stall must outlast `stall_needed_s`.

Leaves out: jitter. The machines run in logical time, so a timer that fires late changes no order
(`harness.models.dns_automation`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from harness.flows.dns_plans import RaceFix
from harness.units import duration_s

REACT_S = 0.001  # enactor number n sees a new plan n of these after it appears
RETRY_WAIT_S = 0.010
QUICK_RETRIES = 3
_SAME_MOMENT_S = 1e-9


class Pause(StrEnum):
    """What must pass before a machine's next step."""

    NOTHING = "nothing"  # the next step follows at once, though others may come between
    PLAN = "plan"  # until the machine next looks for a plan
    RETRY = "retry"  # the back-off of a refused transaction
    WRITE = "write"  # the time a transaction takes
    SETTLE = "settle"  # the time between the last write and the clean-up
    LEASE = "lease"  # half the length of a lease


class ControlSpec(NamedTuple):
    """The knobs of the DNS automation. `lease_s` matters to the lease fixes only and must outlast a run."""

    enactors: int = 3
    plan_every_s: float = 0.5
    keep_generations: int = 3
    clean_after_s: float = 0.3
    apply_gap_s: float = 0.005
    race_fix: RaceFix = RaceFix.NONE
    retry_phase_s: float = 0.15
    lease_s: float = 1.0


def control_spec(given: Mapping[str, Any]) -> ControlSpec:
    """The knobs from a component's mapping, quantities as text ("500ms"); what is missing has its default.

    Raises ValueError with the key, what was found and what is allowed. Keys of the zone and of nobody are ignored.
    """
    enactors = _count(given, "enactors", 3, low=1)
    keep = _count(given, "keep_generations", 3, low=0)
    plan_every_s = _duration_s(given, "plan_every", "500ms", above_zero=True)
    clean_after_s = _duration_s(given, "clean_after", "300ms")
    fix = given.get("race_fix") or "none"
    if fix not in list(RaceFix):
        raise ValueError(f"race_fix: {fix!r} is not known; it is one of {', '.join(RaceFix)}")
    return ControlSpec(
        enactors,
        plan_every_s,
        keep,
        clean_after_s,
        _duration_s(given, "apply_gap", "5ms"),
        RaceFix(fix),
        _duration_s(given, "retry_phase", f"{clean_after_s / 2}s"),
        _duration_s(given, "lease", f"{2 * plan_every_s}s", above_zero=True),
    )


def stall_needed_s(spec: ControlSpec) -> float:
    """How long a stall must last, in seconds, to be sure to meet the losing interleaving whenever it begins.

    It begins up to one period before the enactor's next run, and the enactor must come back when its plan is
    keep_generations + 1 periods old: (keep + 1) P + retry phase.
    """
    return (spec.keep_generations + 1) * spec.plan_every_s + spec.retry_phase_s % spec.plan_every_s


def pause_s(spec: ControlSpec, pause: Pause, number: int, retries: int, now_s: float) -> float:
    """Seconds from `now_s` to the next step of machine `number` (0: the planner) after `retries` refusals in a row."""
    match pause:
        case Pause.NOTHING:
            return 0.0
        case Pause.PLAN:
            return until_phase_s(spec.plan_every_s, number * REACT_S, now_s)
        case Pause.RETRY if retries <= QUICK_RETRIES:
            return RETRY_WAIT_S * 2.0 ** (retries - 1)
        case Pause.RETRY:
            return until_phase_s(spec.plan_every_s, spec.retry_phase_s + number * REACT_S, now_s)
        case Pause.WRITE:
            return spec.apply_gap_s
        case Pause.SETTLE:
            return spec.clean_after_s
        case Pause.LEASE:
            return spec.lease_s / 2.0


def until_phase_s(every_s: float, phase_s: float, now_s: float) -> float:
    """Seconds from `now_s` to the next moment k x every_s + phase_s that lies after it; always above 0."""
    k = math.floor((now_s - phase_s) / every_s) + 1
    while k * every_s + phase_s - now_s <= _SAME_MOMENT_S:  # now is that moment, up to rounding
        k += 1
    return k * every_s + phase_s - now_s


def enactor_name(number: int) -> str:
    """The name of enactor `number` (1, 2, ...): one per availability zone."""
    return f"az{number}"


def _duration_s(given: Mapping[str, Any], key: str, default: str, *, above_zero: bool = False) -> float:
    try:
        value = duration_s(given.get(key, default))
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error
    if value < 0.0 or (above_zero and value == 0.0):
        raise ValueError(f"{key}: {value:g} s is not a duration {'above' if above_zero else 'of at least'} zero")
    return value


def _count(given: Mapping[str, Any], key: str, default: int, low: int) -> int:
    value = given.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ValueError(f"{key}: {value!r} is not a whole number of at least {low}")
    return value
