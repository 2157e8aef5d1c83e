"""What is written on the wire is what is read from it, and what it means is decided in one place."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.flows import wire
from harness.flows.wants import Cause, Request, Result, Send

U64 = st.integers(1, (1 << 64) - 1)


@given(
    attempt=U64,
    op=U64,
    layer=st.integers(0, 9),
    n=st.integers(0, 99),
    deadline_s=st.one_of(st.just(math.inf), st.integers(0, 10**15).map(lambda ns: ns * 1e-9)),
    criticality=st.integers(0, 5),
)
def test_headers_read_back_to_what_was_sent(
    attempt: int, op: int, layer: int, n: int, deadline_s: float, criticality: int
) -> None:
    send = Send("kv", Request("read", {}), attempt, 0, op, layer, n, 1.0, deadline_s, criticality)
    headers = wire.headers_of(send)
    assert wire.parse_attempt(headers[wire.ATTEMPT_HEADER]) == attempt
    context = wire.parse_context(headers[wire.CONTEXT_HEADER])
    assert context[:3] == (op, layer, n)
    assert context.criticality == criticality
    assert context.deadline_s == pytest.approx(deadline_s, rel=1e-15, abs=1e-9)


def test_a_context_may_be_partial_and_in_any_order() -> None:
    assert wire.parse_context(None) == wire.Context()
    assert wire.parse_context("n=2;op=7") == wire.Context(op=7, n=2)
    assert wire.Context().deadline_s == math.inf


@pytest.mark.parametrize("text", ["", "-1", "x", "1.5", "٣", str(1 << 64), "9" * 30])
def test_what_is_no_attempt_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="unsigned 64-bit"):
        wire.parse_attempt(text)


@pytest.mark.parametrize(("text", "says"), [("op=x", "op is 'x'"), ("user=1", "unknown field 'user'"), ("", "unknown")])
def test_what_is_no_context_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        wire.parse_context(text)


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        (200, None, (Result.OK, Cause.NONE)),
        (204, None, (Result.OK, Cause.NONE)),
        (503, "queue_full", (Result.REFUSED, Cause.QUEUE_FULL)),
        (429, "throttled", (Result.REFUSED, Cause.THROTTLED)),
        (429, None, (Result.REFUSED, Cause.THROTTLED)),
        (503, "dropped", (Result.REFUSED, Cause.DROPPED)),
        (503, "dependency", (Result.ERROR, Cause.DEPENDENCY)),  # a failure, not a throttle
        (503, None, (Result.ERROR, Cause.SERVER_ERROR)),
        (409, "conflict", (Result.ERROR, Cause.CONFLICT)),
        (500, "injected", (Result.ERROR, Cause.INJECTED)),
        (404, "unknown_operation", (Result.ERROR, Cause.SERVER_ERROR)),
        (302, None, (Result.ERROR, Cause.SERVER_ERROR)),
    ],
)
def test_what_an_answer_means(status: int, code: str | None, meaning: tuple[Result, Cause]) -> None:
    assert wire.classify(status, code) == meaning


@pytest.mark.parametrize("cause", list(wire.STATUS_OF))
def test_every_cause_a_server_gives_is_read_back(cause: Cause) -> None:
    assert wire.classify(wire.STATUS_OF[cause], wire.code_of(cause))[1] is cause


@pytest.mark.parametrize(("text", "seconds"), [("2", 2.0), ("0.25", 0.25), ("-1", -1.0)])
def test_retry_after_is_seconds(text: str, seconds: float) -> None:
    assert wire.parse_retry_after_s(text) == seconds


@pytest.mark.parametrize("text", [None, "", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_other_retry_after_values_are_no_hint(text: str | None) -> None:
    assert math.isnan(wire.parse_retry_after_s(text))


@pytest.mark.parametrize(
    "text",
    [
        "op=18446744073709551616;layer=0;n=0;deadline_ns=-1;criticality=0",
        "op=1;layer=256;n=0;deadline_ns=-1;criticality=0",
        "op=1;layer=0;n=65536;deadline_ns=-1;criticality=0",
        "op=1;layer=0;n=0;deadline_ns=-2;criticality=0",
        "op=1;layer=0;n=0;deadline_ns=-1;criticality=256",
        "layer=-1",
    ],
)
def test_a_context_that_rows_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="out of range"):
        wire.parse_context(text)
