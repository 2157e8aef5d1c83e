"""One run of the kernel from outside: its tables, which grow while the loop pauses, and what it is given to do.

The compiled loop allocates nothing. When a table is full it stops between two events; here the table is doubled, rows
and all, and the loop called again. So memory follows the work in flight, and rows if they are kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.errors import RunError
from harness.sim import kernel_state as k
from harness.sim.heap import PENDING_MAX
from harness.sim.kernel_arrivals import NONE_DUE, Part
from harness.sim.kernel_loop import MORE_DUE, OVER
from harness.sim.kernel_play import play, play_with_app

Slots = NDArray[np.intp]
Left = tuple[Slots, Slots, Slots, Slots]
_NOTHING_LEFT: Final[Slots] = np.zeros(0, np.intp)


class Run:
    """The tables of one run, and what the loop wants from outside: more room, and the next operations."""

    def __init__(self, tables: k.Tables, own: k.AppTables | None) -> None:
        self.tables: dict[str, Any] = tables._asdict()
        self.own: dict[str, Any] | None = None if own is None else own._asdict()
        self.now, self.link = tables.now[0], tables.link[0]
        self._link_free(self.tables, "exchanges", self.now, "free_exchange", 0)
        self._link_free(self.tables, "talks", self.now, "free_talk", 0)
        if self.own is not None:
            self._link_free(self.own, "wishes", self.own["app"][0], "free_wish", 0)
        self._measure()

    def play(self, blocks: Iterator[Part], user: Any, server: Any, app: Any) -> None:
        """Play the run to the end of its drain. `user` and `server` are specs and states; `app` is None, or specs,
        states, door's spec and door's state.
        """
        (due, ops), ahead = next(blocks, NONE_DUE), next(blocks, None)
        self.now["more_due"] = ahead is not None
        left: Left = (_NOTHING_LEFT,) * 4
        while True:
            given = (k.Tables(**self.tables), due, ops, user, server, left)
            if app is None or self.own is None:
                said, states, server_state, inner = play(*given)
            else:
                said, states, server_state, inner = play_with_app(*given, (k.AppTables(**self.own), *app))
            user, server = (user[0], states), (server[0], server_state)
            app = None if app is None else (app[0], inner[0], app[2], inner[1])
            if said == OVER and self.tables["rules"]["closing"][0]:
                return
            if said == OVER:
                left = self._close()
                if not any(slots.size for slots in left):
                    return
            elif ahead is not None and said == MORE_DUE:
                (due, ops), ahead = ahead, next(blocks, None)
                self.now["due"], self.now["more_due"] = 0, ahead is not None
            else:
                self._make_room()

    def rows(self) -> tuple[NDArray[Any], ...]:
        """What was written."""
        tables, own = self.tables, self.own
        counted = [
            (tables["operations"], self.now["operations"]), (tables["attempts"], self.link["written"]),
            (tables["served"], self.now["served"]),
        ]  # fmt: skip
        if own is None:
            counted += [(tables["attempts"], 0), (tables["served"], 0)]
        else:
            counted += [(own["attempts"], own["link"][0]["written"]), (own["served"], own["app"][0]["served"])]
        return tuple(table[:count] for table, count in counted)

    def first_empty_s(self) -> float:
        """When a query was first answered without addresses; inf for never."""
        inner_s = math.inf if self.own is None else float(self.own["link"][0]["first_empty_s"])
        return min(float(self.link["first_empty_s"]), inner_s)

    def attempts(self) -> int:
        """All attempts, of callers and app."""
        return int(self.link["written"]) + (0 if self.own is None else int(self.own["link"][0]["written"]))

    def _close(self) -> Left:
        """The run is over: what is left open, for the loop to write down."""
        xs, ts = self.tables["exchanges"], self.tables["talks"]
        jobs = np.flatnonzero(xs["job"] != k.NOWHERE)
        open_ = np.flatnonzero(ts["state"] != k.FREE)
        open_ = open_[np.argsort(ts["number"][open_])]
        users, inner = open_[ts["layer"][open_] == 0], open_[ts["layer"][open_] == 1]
        inside, beside = inner[ts["inbound"][inner] >= 0], inner[ts["inbound"][inner] < 0]
        self._make_room(open_.size + jobs.size + 4)
        self.tables["rules"]["closing"] = 1
        return users, jobs[np.argsort(xs["number"][jobs])], inside, beside

    def _make_room(self, more: int | None = None) -> None:
        """Make room for `more` rows of each kind, or for what one event can add."""
        now, tables, own = self.now, self.tables, self.own
        if now["in_exchanges"] > PENDING_MAX:
            raise RunError(
                f"kernel: {now['in_exchanges']} attempts are under way at {now['now_s']:.3f} s, the most allowed is "
                f"{PENDING_MAX}; look for a retry storm without end, or shorten the run"
            )
        event = 4 + int(self.link["asking_n"])
        if own is not None:
            app, asking = own["app"][0], int(own["link"][0]["asking_n"])
            event += asking + min(int(app["senders"]), int(app["items"]) + asking + 1)
        rows = (event if more is None else more) + int(now["in_exchanges"])
        if self._grow(tables, "exchanges", now["in_exchanges"] + event, now, "free_exchange"):
            for side in (tables,) if own is None else (tables, own):
                self._grow(side, "idle", tables["exchanges"].size)
        self._grow(tables, "talks", now["in_talks"] + event, now, "free_talk")
        self._grow(tables, "timed", now["timed"] + 2 * event)
        self._grow(tables, "ends", now["ends"] + now["waiting"] + 4)
        if tables["rules"]["keep_rows"][0]:
            self._grow(tables, "operations", now["operations"] + rows)
            self._grow(tables, "attempts", self.link["written"] + rows)
            self._grow(tables, "served", now["served"] + rows)
        if own is not None:
            self._make_room_inside(own, event, rows)
        self._measure()

    def _make_room_inside(self, own: dict[str, Any], event: int, rows: int) -> None:
        """The same for the app's tables."""
        app = own["app"][0]
        self._grow(own, "wishes", app["wishes"] + event, app, "free_wish")
        self._grow(own, "due", app["due"] + event)
        if self.tables["rules"]["keep_rows"][0]:
            self._grow(own, "attempts", own["link"][0]["written"] + rows)
            self._grow(own, "served", app["served"] + rows)

    def _grow(self, tables: dict[str, Any], name: str, needed: int, holder: Any = None, free: str = "") -> bool:
        """Double a table until it has `needed` rows; new ones join the list of free rows, if it has one."""
        held = tables[name].size
        while tables[name].size < needed:
            tables[name] = _doubled(tables[name])
        grown = tables[name].size > held
        if grown and free:
            self._link_free(tables, name, holder, free, held)
        return bool(grown)

    def _link_free(self, tables: dict[str, Any], name: str, holder: Any, free: str, held: int) -> None:
        """Thread the rows from `held` on into the list of free ones, before those that are free already."""
        table = tables[name]
        table["free_after"][held:] = np.arange(held + 1, table.size + 1)
        table["free_after"][-1] = holder[free]
        holder[free] = held

    def _measure(self) -> None:
        """Tell the loop how large its tables are."""
        now, tables = self.now, self.tables
        for name in ("exchanges", "talks", "timed", "ends", "operations", "served"):
            now[f"room_{name}"] = tables[name].size
        self.link["room_rows"] = tables["attempts"].size
        if self.own is not None:
            app = self.own["app"][0]
            for name in ("wishes", "due", "served"):
                app[f"room_{name}"] = self.own[name].size
            self.own["link"][0]["room_rows"] = self.own["attempts"].size


def _doubled(table: NDArray[Any]) -> NDArray[Any]:
    wider = np.zeros(2 * table.size, table.dtype)
    wider.view(np.uint8)[: table.nbytes] = table.view(np.uint8)  # as bytes: by fields it takes ten times as long
    return wider
