"""Locust's statistics are told of every attempt, so that its page and its summary show what it is used to show.

They are never read back: sums over whole runs, in which a stall is a few slow requests.
"""

from __future__ import annotations

from typing import Any

from harness.flows.wants import Reply, Send
from harness.load.clock import monotonic_ns, wall_s
from harness.load.driver import Observer


class AttemptFailed(Exception):
    """An attempt that did not succeed, for Locust's statistics."""


def observer(environment: Any, zero_ns: int) -> Observer:
    """Fires Locust's request event for each attempt; `zero_ns` is the run's zero on this host's clock."""
    fire = environment.events.request.fire
    wall_zero_s = wall_s() - (monotonic_ns() - zero_ns) * 1e-9
    failures: dict[str, AttemptFailed] = {}

    def observe(want: Send, reply: Reply, sent_s: float, size: int) -> None:
        failure = None
        if not reply.ok:
            words = f"{reply.result.name.lower()}: {reply.cause.name.lower()}"
            failure = failures.get(words)
            if failure is None:
                failure = failures[words] = AttemptFailed(words)
        operation = want.request.operation
        fire(
            request_type="POST",
            name=f"/{operation}",
            response_time=(reply.ended_s - sent_s) * 1e3,
            response_length=size,
            exception=failure,
            context={},
            start_time=sent_s + wall_zero_s,
            url=f"http://{want.target}/{operation}",
            response=None,
        )

    return observe
