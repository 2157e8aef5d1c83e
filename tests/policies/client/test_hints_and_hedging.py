"""Server hints and hedging: their bounds, and their rules written out another way."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from harness.policies import catalogue, hedging, hints
from harness.policies.entry import make

WAITS = st.floats(0.0, 100.0)


def spec(kind: str, **params: object) -> hints.HintSpec:
    chosen = make(catalogue.find("client", "hints", kind), params)
    assert isinstance(chosen, hints.HintSpec)
    return chosen


@given(own=WAITS)
def test_no_hint_changes_nothing(own: float) -> None:
    for kind in ("retry_after", "grpc_pushback", "amz_retry_after"):
        assert hints.delay_s(spec(kind), own, math.nan) == own


@given(own=WAITS, hint=st.floats(-5.0, 200.0))
def test_a_hint_moves_the_wait_only_within_its_rule(own: float, hint: float) -> None:
    at_least = hints.delay_s(spec("retry_after", cap=60.0), own, hint)
    assert at_least == sorted((own, hint, 60.0))[1] if own <= 60.0 else own
    clamped = hints.delay_s(spec("amz_retry_after"), own, hint)
    assert clamped == sorted((own, hint, own + 5.0))[1]  # the middle one: a clamp without min or max
    pushed = hints.delay_s(spec("grpc_pushback"), own, hint)
    assert pushed == hint if hint >= 0.0 else pushed < 0.0


@given(delay=st.integers(1, 100), copies=st.integers(1, 5), left=st.integers(1, 6), patience=st.integers(1, 400))
def test_every_planned_copy_would_leave_in_time(delay: int, copies: int, left: int, patience: int) -> None:
    chosen = hedging.HedgeSpec(delay / 1000, copies)
    planned = hedging.extra_copies(chosen, left, patience / 1000)
    leaving = [k for k in range(1, copies + 1) if Fraction(delay * k) < patience]
    exact = min(len(leaving), left - 1)
    # On a tie k x delay == patience, rounding of the product may count the copy or not.
    tie = any(delay * k == patience for k in range(1, copies + 1))
    assert planned == exact or (tie and abs(planned - exact) <= 1)
    assert planned <= left - 1


@given(delay=st.floats(0.001, 1.0), planned=st.integers(0, 5), answered=st.floats(0.0, 10.0))
def test_the_copies_sent_are_those_due_before_the_answer(delay: float, planned: int, answered: float) -> None:
    chosen = hedging.HedgeSpec(delay, 5)
    due = sum(k * delay < answered for k in range(1, planned + 1))
    assert hedging.copies_sent(chosen, planned, answered) == due
