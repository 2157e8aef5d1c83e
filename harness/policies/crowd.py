"""Users of a closed loop: when each of them comes next, as arithmetic.

An open loop asks what a service does with a given demand. Its demand never tires: after an hour of errors as many come
as before. People are not so. They wait for the answer, think, and ask again; who is failed a few times goes away and
tries again later; they come in the course of a morning, and all at once when something told them to. So each user is a
loop of turns:

    turn -> answer -> think -> turn          thinking takes `think_s` on average, drawn exponentially or always the same
    `give_up_after` turns in a row failed    gone for half to one and a half times `come_back_s`, then patient again
    ramp                                     users enter one after the other over `ramp_s`
    day                                      the share that is awake goes from `night` to all and back, as a cosine with
                                             a period of `day_s`; time zero is midnight. Who sleeps comes in the morning
    herd                                     at `herd_s` everyone who is awake and has nothing under way comes within
                                             `herd_within_s`: a push message, or a service whose connections all broke

What it costs: while a service hangs, its users wait, so the load falls just when it should be seen, and a turn that the
hang prevented is in no record (coordinated omission). A turn's intended start is the end of the one before plus the
time to think, and nothing knows better. For a recovery after which demand is what it was, use arrivals.

Turns are numbered so that one number says who and which: MARK + nth x users + user, over all users of a run. All draws
are hashes of (user, nth), so user 17's third turn is the same in every engine, whenever it comes. `u` is always a draw
in (0, 1). Leaves out: users who leave for good, and think times of other shapes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

MARK = 1 << 39  # in the numbers of all operations of closed loops and no other; below the ids of the next load process
SEATS = 1 << 20  # users that may walk in, where nobody knows how many will come
_MASK = MARK - 1


class CrowdSpec(NamedTuple):
    """How the users of one story behave. 0 for `give_up_after` and inf for a time are "never"."""

    users: int
    think_s: float
    fixed: bool = False  # every think time the same
    ramp_s: float = 0.0
    give_up_after: int = 0
    come_back_s: float = 10.0
    day_s: float = math.inf
    night: float = 0.2
    herd_s: float = math.inf
    herd_within_s: float = 1.0


def number(nth: int, user: int, users: int) -> int:
    """The operation that is turn `nth` (from 0) of a user, of `users` in the run. OverflowError past the last."""
    found = nth * users + user
    if found > _MASK:
        raise OverflowError(f"turn {nth} of {users} users has no number; the most is {_MASK // users}")
    return MARK + found


def user_of(op: int, users: int) -> int:
    """Whose turn an operation is."""
    return (op & _MASK) % users


def nth_of(op: int, users: int) -> int:
    """Which of their turns."""
    return (op & _MASK) // users


def think_s(spec: CrowdSpec, u: float) -> float:
    """How long a user thinks between an answer and the next turn."""
    return spec.think_s if spec.fixed else -spec.think_s * math.log(u)


def first_s(spec: CrowdSpec, user: int, u: float) -> float:
    """When a user has the first turn: having entered at their place in the ramp, and thought.

    With fixed think times the first one is cut short by a draw, or all who enter together would stay together.
    """
    entered_s = spec.ramp_s * user / spec.users
    return awake_s(spec, user, entered_s + (spec.think_s * u if spec.fixed else think_s(spec, u)))


def next_s(spec: CrowdSpec, user: int, now_s: float, streak: int, u: float, u_herd: float) -> tuple[float, int]:
    """When a user whose turn ended now has the next one, and the failures in a row they then have behind them.

    `streak` counts the turn that just ended. A herd that was to come meanwhile takes the user along.
    """
    if 0 < spec.give_up_after <= streak:
        due_s, streak = now_s + spec.come_back_s * (0.5 + u), 0
    else:
        due_s = now_s + think_s(spec, u)
    if now_s < spec.herd_s < due_s:
        due_s = min(due_s, spec.herd_s + spec.herd_within_s * u_herd)
    return awake_s(spec, user, due_s), streak


def awake_s(spec: CrowdSpec, user: int, at_s: float) -> float:
    """`at_s`, or the next morning of this user when they are asleep then.

    The share awake at t is night + (1 - night)(1 - cos(2 pi t / day)) / 2; users wake in their order, and fall asleep
    in the opposite one.
    """
    rank = (user + 0.5) / spec.users
    if math.isinf(spec.day_s) or rank <= spec.night:
        return at_s
    wakes_s = spec.day_s / (2.0 * math.pi) * math.acos(1.0 - 2.0 * (rank - spec.night) / (1.0 - spec.night))
    midnight_s = math.floor(at_s / spec.day_s) * spec.day_s
    since_s = at_s - midnight_s
    if since_s < wakes_s:
        return midnight_s + wakes_s
    if since_s > spec.day_s - wakes_s:
        return midnight_s + spec.day_s + wakes_s
    return at_s
