"""How a service dies, comes back, and is cut off, while its process lives on to tell.

A crash must be felt like one and leave a whole record. Killing the process would take its rows' closing counts along,
and its control port, so the process stays and does what its death would do to others: sockets close, connections break,
what was under way ends and what was in memory is forgotten. Healing binds the sockets again.

    crash              connections are reset, new ones refused; then a restart
    partition          what is sent here arrives, and is swallowed: the caller runs into its timeout
    partition {to}     what this process sends to one component is lost on the way
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from mock_services.contract import Fault, Params, ServiceContext
from mock_services.http_face import HttpFace


class Life:
    """The HTTP face of a process that can seem to die. `down` and `deaf` say what it suffers now."""

    def __init__(
        self,
        context: ServiceContext,
        new_face: Callable[[], HttpFace],
        die: Callable[[], Awaitable[None]],
        return_: Callable[[], None],
        cut_off: Callable[[str | None], None] | None = None,
    ) -> None:
        """`die` ends what is under way and forgets; `return_` begins anew; `cut_off` stops sending to a component."""
        self.down = self.deaf = False
        self.face = new_face()
        self._context = context
        self._new_face = new_face
        self._die = die
        self._return = return_
        self._cut = cut_off
        self._socks: list[socket.socket] = []
        self._turn: asyncio.Task[None] | None = None  # going down, or coming up
        self.faults = {"crash": Fault(self._crash, self._restart), "partition": Fault(self._cut_off, self._rejoin)}

    def bind(self) -> None:
        """Take the component's addresses. Raises RunError when a port is taken."""
        place = self._context.place
        self._socks = [self._context.bind_tcp(address, place.port) for address in place.addresses]

    async def begin(self) -> None:
        """Accept on the bound sockets."""
        await self.face.start(self._socks)

    async def end(self) -> None:
        """Stop accepting, for good."""
        if self._turn is not None:
            await asyncio.gather(self._turn, return_exceptions=True)
        if not self.down:
            await self.face.stop()

    def _crash(self, params: Params) -> None:
        if not self.down:
            self.down = True
            self._turn = asyncio.create_task(self._go_down(self._turn))

    def _restart(self) -> None:
        if self.down:
            self._turn = asyncio.create_task(self._come_up(self._turn))

    async def _go_down(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        self.face.abort()
        await self._die()
        await self.face.stop()

    async def _come_up(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        self.face = self._new_face()
        self.bind()
        await self.begin()
        self.down = False
        self._return()

    def _cut_off(self, params: Params) -> None:
        to = params.get("to")
        if to is not None and self._cut is None:
            raise ValueError(f"to is {to!r}; {self._context.component} sends nothing to anybody; leave `to` out")
        if to is not None and to not in self._context.targets():
            raise ValueError(f"to is {to!r}; there are: {', '.join(self._context.targets())}")
        self._rejoin()
        if to is not None and self._cut is not None:
            self._cut(str(to))
        else:
            self.deaf = True

    def _rejoin(self) -> None:
        self.deaf = False
        if self._cut is not None:
            self._cut(None)
