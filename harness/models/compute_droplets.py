"""Droplets and the instances on them: who is where, what is free, and where the next one may go.

An instance takes one droplet. Only a leased droplet can take one; a lease that is lost later changes nothing for the
instance that runs there. Free droplets are taken in the order in which they became free, leased ones first come first:
always taking the lowest number would let a few droplets carry everything, and their leases decide the whole outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Instance(NamedTuple):
    """A running instance. `owner` and `token` are the caller's words for it."""

    number: int
    droplet: int
    owner: int | None
    token: str | None


class Droplets:
    """All droplets of a region. `leased(droplet)` says whether something may be launched there."""

    def __init__(self, count: int, leased: Callable[[int], bool]) -> None:
        self.instances: dict[int, Instance] = {}
        self.ending: set[int] = set()  # whose termination is under way
        self.reserved = 0  # for launches under way
        self._leased = leased
        self._free = dict.fromkeys(range(count))
        self._of: dict[int, dict[int, None]] = {}  # by owner: instances, oldest first
        self._numbers = 0

    @property
    def free(self) -> int:
        """Droplets without an instance."""
        return len(self._free)

    def launchable(self) -> int:
        """Droplets that are free and leased."""
        return sum(map(self._leased, self._free))

    def reserve(self) -> int | None:
        """Take a droplet for a launch; None when there is none. `up` or `give_back` must follow."""
        for droplet in self._free:
            if self._leased(droplet):
                del self._free[droplet]
                self.reserved += 1
                return droplet
        return None

    def number(self, droplet: int, owner: int | None, token: str | None) -> Instance:
        """A new instance, not up yet."""
        self._numbers += 1
        return Instance(self._numbers, droplet, owner, token)

    def give_back(self, droplet: int) -> None:
        """The launch came to nothing."""
        self.reserved -= 1
        self._free[droplet] = None

    def up(self, one: Instance) -> None:
        """The launch succeeded."""
        self.reserved -= 1
        self.instances[one.number] = one
        if one.owner is not None:
            self._of.setdefault(one.owner, {})[one.number] = None

    def to_end(self, number: int | None, owner: int | None) -> Instance | None:
        """The instance of that number, or the owner's oldest; None when it is gone or going."""
        if number is None and owner is not None:
            number = next((one for one in self._of.get(owner, ()) if one not in self.ending), None)
        if number is None or number in self.ending:
            return None
        return self.instances.get(number)

    def end(self, number: int) -> Instance:
        """The instance is gone, and its droplet free. KeyError when there is none."""
        one = self.instances.pop(number)
        if one.owner is not None:
            mine = self._of[one.owner]
            del mine[number]
            if not mine:
                del self._of[one.owner]
        self._free[one.droplet] = None
        return one
