"""The bank's sessions: who is logged in, until when, and how the knowledge is lost.

A session lives `ttl_s` from when it was built, whether or not it is used, and is rebuilt from the store when it is
gone. That looks harmless: one read per user and lifetime. But while the store is away sessions end and are not renewed,
so after an outage longer than a lifetime nobody has one, and every operation asks the store twice: the first of the
bank's two sustaining effects. At the start sessions end staggered, or their rebuilding would be a wave every lifetime.

The three rules are functions of numbers, for the compiled twin (`harness/sim/kernel_app.py`) runs the same ones. Not
here: single flight (two requests of one user that both miss both rebuild), and sessions that use prolongs.
"""

from __future__ import annotations

import math

from harness import seeds

_PREWARM = seeds.stream_id("mobile_banking/prewarm")


def session_is_gone(until_s: float, now_s: float) -> bool:
    """True when a session that lives until `until_s` must be built anew."""
    return until_s <= now_s


def session_until_s(now_s: float, ttl_s: float) -> float:
    """Until when a session built now lives."""
    return now_s + ttl_s


def prewarmed_until_s(ttl_s: float, seed: int, user: int, now_s: float) -> float:
    """Until when a user has a session at the start."""
    return now_s + ttl_s * seeds.draw(seed, _PREWARM, user)


class Sessions:
    """Sessions by user, in memory. `lose` and `regain` are the fault `flush_cache` (`cold.py`)."""

    def __init__(self, ttl_s: float) -> None:
        self.rebuilt_total = 0
        self._ttl_s = ttl_s
        self._until_s: dict[int, float] = {}
        self._lost = False

    def prewarm(self, users: int, seed: int, now_s: float) -> None:
        """Log in users 0 to `users` - 1; those beyond start cold."""
        for user in range(users):
            self._until_s[user] = prewarmed_until_s(self._ttl_s, seed, user, now_s)

    def gone(self, user: int, now_s: float) -> bool:
        """True when the user's session must be built before anything else."""
        return session_is_gone(self._until_s.get(user, -math.inf), now_s)

    def rebuilt(self, user: int, now_s: float) -> None:
        """The store answered: the user has a session, unless sessions cannot be kept just now."""
        if not self._lost:
            self._until_s[user] = session_until_s(now_s, self._ttl_s)
        self.rebuilt_total += 1

    def alive(self, now_s: float) -> int:
        """How many live at this moment."""
        return sum(until_s > now_s for until_s in self._until_s.values())

    def clear(self) -> None:
        """All are gone, as when the process ends."""
        self._until_s.clear()

    def lose(self) -> None:
        """No session is known, and none is kept until `regain`."""
        self.clear()
        self._lost = True

    def regain(self) -> None:
        """Sessions are kept again."""
        self._lost = False
