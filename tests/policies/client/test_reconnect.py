"""Pacing of reconnects: nobody before the moment, never more than the rate, and a slot is a slot."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.policies import reconnect
from harness.policies.reconnect import KINDS, ReconnectSpec, next_try_s, turn

moments = st.fractions(min_value=0, max_value=1000, max_denominator=64)
draws = st.floats(min_value=0.001, max_value=0.999)


@given(now_s=st.floats(0.0, 1e4), again=st.booleans(), slot=st.integers(0, 999), u=draws, kind=st.sampled_from(KINDS))
def test_nobody_is_told_to_come_in_the_past(now_s, again, slot, u, kind):
    spec = ReconnectSpec(kind, 0.25, 8.0, 40.0, 100)
    assert next_try_s(spec, now_s, again, slot, u) >= now_s


def test_an_unpaced_client_comes_at_once_and_then_every_so_often():
    spec = ReconnectSpec("none", retry_s=0.25)
    assert next_try_s(spec, 10.0, False, 3, 0.5) == 10.0
    assert next_try_s(spec, 10.0, True, 3, 0.5) == 10.25


@given(now_s=moments, u=draws, again=st.booleans())
def test_jitter_comes_within_its_window_and_all_of_it_is_used(now_s, u, again):
    spec = ReconnectSpec("jitter", window_s=8.0)
    assert next_try_s(spec, float(now_s), again, 0, u) == float(now_s) + 8.0 * u


@given(now_s=moments, slot=st.integers(0, 30), again=st.booleans())
def test_a_slot_comes_once_a_cycle_at_its_own_place(now_s, slot, again):
    """The oracle counts cycles in exact fractions, slowly, from the beginning of time."""
    spec = ReconnectSpec("slots", rate_per_s=Fraction(4), slots=16)
    cycle, at = Fraction(16, 4), Fraction(slot % 16, 4)
    while at < now_s or (again and at == now_s):
        at += cycle
    assert next_try_s(spec, now_s, again, slot, 0.5) == at


@given(noticed=st.lists(st.floats(0.0, 60.0), min_size=2, max_size=40), shift=st.integers(0, 400))
def test_however_they_lost_it_no_two_clients_of_different_slots_come_at_once(noticed, shift):
    spec = ReconnectSpec("slots", rate_per_s=32.0, slots=40)
    times = sorted(next_try_s(spec, now_s, False, slot + shift, 0.5) for slot, now_s in enumerate(noticed))
    assert all(b - a >= 1.0 / 32.0 for a, b in pairwise(times))


@given(gaps=st.lists(st.fractions(min_value=0, max_value=3, max_denominator=16), min_size=1, max_size=60))
def test_turns_are_given_in_order_at_the_rate_and_as_early_as_can_be(gaps):
    spec = ReconnectSpec("token", rate_per_s=Fraction(5))
    state, now_s, last = reconnect.start(spec, Fraction(0)), Fraction(0), None
    for gap in gaps:
        now_s += gap
        state, at_s = turn(spec, state, now_s)
        assert at_s == (now_s if last is None else max(now_s, last + Fraction(1, 5)))
        last = at_s


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ReconnectSpec("jitters"), "reconnecting by 'jitters'; it is one of none, jitter, slots, token"),
        (ReconnectSpec("jitter", window_s=0.0), "window is 0; it must be above 0 and have an end"),
        (ReconnectSpec("token", rate_per_s=float("inf")), "rate is inf; it must be above 0 and have an end"),
        (ReconnectSpec("slots", slots=0), "0 slots; there must be at least 1"),
        (ReconnectSpec(), None),
    ],
)
def test_what_cannot_work_is_said(spec, said):
    assert reconnect.complaint(spec) == said
