"""One request as Locust tells of it, in the words of the rows.

Locust's event has what happened (a response, an exception, times) and not who did it: the user is found by the greenlet
in which the event fires, which Locust gives its user as first argument, or by the greenlet that started that one. The
outcome is the locustfile's to say: `catch_response` may call an error good and a good answer a failure, and Locust's
statistics count it so; rows do the same, or the two could not be held against each other.

    exception is None                        good                    (whatever the status was)
    429, or 503 with Retry-After             throttled, refused      on purpose
    time ran out                             failed, indeterminate   the work may have happened
    no address, nobody accepted              failed, never sent
    anything else                            failed

Leaves out: how many requests stand behind one event. A client that follows redirects or sends again by itself tells
of it once, so one attempt stands for all of them.
"""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

from locust import User

from harness.flows.wants import Cause, Result
from harness.record.layouts import Outcome

OTHER = "other"  # a user class, or a host, that was not known when the run began
_CHAIN_MOST = 6
_KEPT = "_blackstart_user"
_THROTTLED, _UNAVAILABLE = 429, 503


def user_of(greenlet: Any) -> Any:
    """The user a greenlet, or the one that started it, plays; None when there is none.

    Killing a greenlet takes its arguments away, and a user killed while it waited still has its `on_stop` to run: so
    what was found once is kept on the greenlet.
    """
    for _ in range(_CHAIN_MOST):
        known = getattr(greenlet, _KEPT, None)
        if known is not None:
            return known
        arguments = getattr(greenlet, "args", None)
        if arguments and isinstance(arguments[0], User):
            setattr(greenlet, _KEPT, arguments[0])
            return arguments[0]
        parent = getattr(greenlet, "spawning_greenlet", None)
        greenlet = parent() if parent is not None else None
        if greenlet is None:
            return None
    return None


class Hosts:
    """Hosts by number, from the URLs of requests. `names` is fixed: rows index it, and its last is for all others."""

    def __init__(self, hosts: list[str]) -> None:
        self.names = [*hosts, OTHER]
        self._known: dict[str, int] = {}

    def number(self, url: str | None) -> int:
        """The number of the host of a request; a relative URL goes to the first."""
        if not url:
            return 0
        head = url[: url.find("/", 8)]
        found = self._known.get(head)
        return self._look(url, head) if found is None else found

    def _look(self, url: str, head: str) -> int:
        try:
            place = urlsplit(url).netloc
        except ValueError:
            place = OTHER
        number = self.names.index(place) if place in self.names else 0 if not place else len(self.names) - 1
        if number < len(self.names) - 1:  # others may be any number, and are not remembered
            self._known[head] = number
        return number


def judged(exception: BaseException | None, response: Any) -> tuple[Outcome, Result, int, Cause]:
    """Outcome of the operation; result, status (0 for none) and cause of its attempt."""
    status = getattr(response, "status_code", 0) or 0
    if exception is None:
        return Outcome.GOOD, Result.OK, status, Cause.NONE
    if status == _THROTTLED or (status == _UNAVAILABLE and _asks_to_wait(response)):
        return Outcome.THROTTLED, Result.REFUSED, status, Cause.THROTTLED
    if status:
        return Outcome.FAILED, Result.ERROR, status, Cause.SERVER_ERROR
    result, cause = _unanswered(exception)
    return Outcome.FAILED, result, 0, cause


def _asks_to_wait(response: Any) -> bool:
    headers = getattr(response, "headers", None)
    return headers is not None and "Retry-After" in headers


def _unanswered(exception: BaseException) -> tuple[Result, Cause]:
    """Why no answer came, from the exception or one that it wraps."""
    found: Any = exception
    for _ in range(_CHAIN_MOST):
        if isinstance(found, socket.gaierror):
            return Result.UNSENT, Cause.DNS_FAILED
        if isinstance(found, ConnectionRefusedError):
            return Result.UNSENT, Cause.CONNECT
        if isinstance(found, TimeoutError) or "Timeout" in type(found).__name__:
            return Result.TIMEOUT, Cause.TIMEOUT
        inside = found.__cause__ or found.__context__ or getattr(found, "reason", None)
        if not isinstance(inside, BaseException):
            inside = next((part for part in found.args if isinstance(part, BaseException)), None)
        if inside is None:
            break
        found = inside
    return Result.ERROR, Cause.RESET
