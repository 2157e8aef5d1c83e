"""The fault `flush_cache`: what an app keeps of the store's answers is lost, and nothing is kept until it ends.

A cache hides load from the store behind it. The store is then sized, by people or by itself, for what gets through; so
the loss of a cache that nobody would call critical asks the store for all that the cache answered until then, at once,
and it comes when caches are restarted: in the middle of a recovery. A flush that only cleared would show nothing where
answers are kept for a second. So the fault has a length, as a cache node has that restarts; `for: 100ms` is the flush
of an operator.

Only caches that spare the store belong here. Copies for bad times (a replica on a ward, a pass seen last) do not.
"""

from __future__ import annotations

from typing import Protocol

from harness.models.component import Params, Switch


class Losable(Protocol):
    """A cache that can be lost, as `harness.flows.fallbacks.Kept`."""

    def lose(self) -> None:
        """Nothing is known any more, and nothing is kept."""

    def regain(self) -> None:
        """Answers are kept again."""


def flush_cache(cache: Losable) -> Switch:
    """The fault for one cache. It takes no parameters but its length."""

    def lose(params: Params, now_s: float) -> None:
        if params:
            raise ValueError(f"flush_cache takes nothing but its length; leave out {', '.join(params)}")
        cache.lose()

    def regain(now_s: float) -> None:
        cache.regain()

    return Switch(lose, regain)
