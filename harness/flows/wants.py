"""The words between a flow and whatever drives it.

A conversation (a call with retries, an app's handler, a user's story) is a generator: it *yields* a want and is *sent*
the answer. One body then has several short drivers: gevent in the load process, asyncio in the services, an event heap
in the simulated world. A flow never reads a clock; every answer carries the time at which it came.

    Send      one attempt to a target; answered by a Reply (also when it timed out or never left)
    Hedged    the same request again after a delay while the first is still open; answered by the first good Reply
    Wait      sleep until a moment; answered by the time it then is, in seconds from the run's zero
    Park      sleep until somebody inside the same process opens a gate; answered by what they put into it

Results and causes are small closed sets because rows store them as one byte each.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias


class Result(IntEnum):
    """How one attempt ended, as its caller saw it (attempt rows, column `result`)."""

    OK = 0
    REFUSED = 1  # answered with a throttling or overload status (429, 503 with a code)
    ERROR = 2  # answered with any other failure
    TIMEOUT = 3  # the caller gave up: indeterminate, the work may have happened
    UNSENT = 4  # never reached a server: no address, no connection, or a client-side limiter
    UNFINISHED = 5  # still open when the run was cut


class Cause(IntEnum):
    """Why, when `Result` alone does not say (attempt rows, column `cause`)."""

    NONE = 0
    DNS_EMPTY = 1  # the name resolved to nothing
    DNS_FAILED = 2  # the resolver had no usable reply
    CONNECT = 3  # nobody accepted the connection
    RESET = 4  # the connection broke while the attempt was open
    TIMEOUT = 5
    QUEUE_FULL = 6  # server: admission or bounded queue refused
    THROTTLED = 7  # server: a rate limit refused
    CLIENT_LIMIT = 8  # client: a limiter, breaker or pool refused to send
    SERVER_ERROR = 9
    DROPPED = 10  # server: dropped from the queue (deadline, CoDel, operator)
    NO_SLOT = 11  # client: no connection slot
    DEPENDENCY = 12  # server: its own dependency failed
    CONFLICT = 13  # a conditional write lost
    INJECTED = 14  # a fault answered instead of the service


class Request(NamedTuple):
    """What is asked of a target. `params` must be JSON-able: it is the body on the wire."""

    operation: str  # the path without its slash, as in "transfer"
    params: dict[str, Any]
    write: bool = True


class Send(NamedTuple):
    """Want: send attempt `n` (0 is the first try) of a call to `target`, giving up after `timeout_s`."""

    target: str  # component name, resolved by the driver, as in "kv"
    request: Request
    attempt_id: int
    parent_id: int  # the attempt on whose behalf this one is sent, 0 for none
    op: int  # the operation it serves
    layer: int  # 0 leaves the outermost client
    n: int
    timeout_s: float
    deadline_s: float  # absolute, seconds from zero; inf for none
    criticality: int = 0  # 0 is the most critical


class Hedged(NamedTuple):
    """Want: send `first`, then each of `others` after `delay_s` more without an answer; the first OK wins."""

    first: Send
    others: tuple[Send, ...]
    delay_s: float


class Wait(NamedTuple):
    """Want: resume at `until_s` (seconds from zero); a moment in the past resumes at once."""

    until_s: float


class Gate:
    """Where one flow of a component waits for another part of it; opened once, and only the first opening counts.

    The driver of the waiting flow leaves `resume` here; it must not run the flow inside the call (the opener is in the
    middle of a step of its own), only see to it that it runs.
    """

    __slots__ = ("answer", "is_open", "resume")

    def __init__(self) -> None:
        self.is_open = False
        self.answer: Any = None
        self.resume: Callable[[], None] | None = None

    def open(self, answer: Any = None) -> None:
        """Let the flow at this gate go on, with `answer`."""
        if self.is_open:
            return
        self.is_open, self.answer = True, answer
        if self.resume is not None:
            self.resume()


class Park(NamedTuple):
    """Want: resume when `gate` is open (at once when it is); answered by what was put into it, and by no time: the
    answer carries the moment if the flow needs it."""

    gate: Gate


class Reply(NamedTuple):
    """Answer to a Send: what came, and when. `retry_after_s` is the server's hint (nan for none, negative: never)."""

    result: Result
    status: int  # HTTP status, 0 when none came
    cause: Cause
    ended_s: float
    body: Any = None
    retry_after_s: float = float("nan")

    @property
    def ok(self) -> bool:
        """True when the attempt succeeded."""
        return self.result is Result.OK


Want: TypeAlias = Send | Hedged | Wait | Park
Answer: TypeAlias = Any  # Reply for Send and Hedged, float (now_s) for Wait, anything for Park
Flow: TypeAlias = Generator[Want, Answer, Any]
