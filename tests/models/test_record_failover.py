"""A name that fails over: when its record changes, when it comes back, and who finds what meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.flows.wants import Cause, Reply, Result, Send, Wait
from harness.models.nameserver import NameServer
from harness.models.record_failover import RecordFailover, RecordFailoverSpec, spec_of

SPEC = RecordFailoverSpec("kv", "provider", check_every_s=1.0, timeout_s=0.25, fail_after=2, back_after=3)
PLACES = {
    "dns": ("dns.region.test", ("127.9.2.1",)),
    "kv": ("kv.region.test", ("127.9.3.1", "127.9.3.2")),
    "provider": ("provider.region.test", ("127.9.4.1",)),
}
OK, DEAD = (Result.OK, 200, Cause.NONE), (Result.TIMEOUT, 0, Cause.TIMEOUT)
FULL, BROKEN = (Result.REFUSED, 503, Cause.QUEUE_FULL), (Result.ERROR, 500, Cause.SERVER_ERROR)


def subject(spec: RecordFailoverSpec = SPEC) -> tuple[RecordFailover, list[tuple[str, dict[str, Any]]]]:
    told: list[tuple[str, dict[str, Any]]] = []
    return RecordFailover(spec, lambda kind, **fields: told.append((kind, fields))), told


def play(failover: RecordFailover, answers: list[tuple[Result, int, Cause] | None]) -> list[float]:
    """Checks with these answers, one a period (None: the record is empty); when each began."""
    at = iter(answers)
    now = [next(at)]
    flow = failover.checks(lambda now_s: now[0] is not None, 0.0)
    want, began = next(flow), []
    for answer in answers:
        assert isinstance(want, Wait)
        began.append(want.until_s)
        want = flow.send(want.until_s)
        if answer is not None:
            assert isinstance(want, Send)
            assert (want.target, want.op, want.layer, want.timeout_s) == ("kv", 0, 1, 0.25)
            want = flow.send(Reply(*answer, began[-1] + 0.125))
        now[0] = next(at, OK)
    flow.close()
    return began


def test_the_record_changes_after_failures_in_a_row_and_returns_after_successes_in_a_row() -> None:
    failover, told = subject()
    assert play(failover, [OK, DEAD, OK, DEAD, BROKEN]) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert failover.points_to == "provider"
    play(failover, [OK, OK, DEAD, OK, OK])
    assert failover.points_to == "provider"
    play(failover, [OK])
    assert failover.points_to == "kv"
    by_checks = {"name": "kv", "by": "checks"}
    assert told == [("failed_over", {**by_checks, "to": "provider"}), ("failed_back", {**by_checks, "to": "kv"})]
    assert failover.gauges() == {
        "name_moved": 0.0, "name_changes_total": 2.0, "health_checks_total": 11.0, "health_checks_failed_total": 4.0,
    }  # fmt: skip


def test_an_empty_record_is_a_failed_check_and_costs_no_request() -> None:
    failover, _ = subject()
    play(failover, [None, None])
    assert failover.points_to == "provider"


def test_a_store_that_is_full_is_not_left() -> None:
    failover, told = subject()
    play(failover, [FULL] * 9)
    assert (failover.points_to, told) == ("kv", [])


def test_operators_point_the_name_and_checks_change_nothing_until_they_are_let_again() -> None:
    failover, told = subject()
    assert failover.point("provider") == {"points_to": "provider"}
    play(failover, [OK] * 5)
    assert failover.points_to == "provider"
    play(failover, [DEAD, DEAD])
    assert failover.point("kv") == {"points_to": "kv"}
    assert failover.point("checks") == {"points_to": "provider"}
    assert [(kind, fields["by"]) for kind, fields in told] == [
        ("failed_over", "operators"), ("failed_back", "operators"), ("failed_over", "operators"),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="'compute' is not a place for this name; it is one of kv, provider, checks"):
        failover.point("compute")


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 4), st.integers(1, 4))
def test_the_name_follows_the_streaks_of_a_plain_account(checks: list[bool], fail_after: int, back_after: int) -> None:
    failover, told = subject(SPEC._replace(fail_after=fail_after, back_after=back_after))
    moved, streak, changes = False, 0, 0
    for number, alive in enumerate(checks):
        failover.learn(alive, float(number))
        streak = streak + 1 if alive is moved else 0  # against what the name says now
        if streak == (back_after if moved else fail_after):
            moved, streak, changes = not moved, 0, changes + 1
        assert failover.points_to == ("provider" if moved else "kv")
    assert len(told) == changes


def names(**dns: Any) -> NameServer:
    return NameServer(dns, PLACES, frozenset({"provider"}), lambda kind, **fields: None)


def test_who_asks_for_the_name_finds_the_second_and_its_own_record_is_kept() -> None:
    server = names(failover={"to": "provider"})
    server.advance(1.0)
    assert set(server.ask("kv.region.test", "A").addresses) == set(PLACES["kv"][1])
    server.point({"to": "provider"})
    assert server.ask("KV.region.test", "A").addresses == ("127.9.4.1",)
    assert set(server.addresses_of("kv", 1.0)) == set(PLACES["kv"][1])
    server.empty({"component": "kv"})
    assert server.ask("kv.region.test", "A").addresses == ("127.9.4.1",)
    assert server.addresses_of("kv", 1.0) == ()
    server.point({"to": "checks"})
    assert server.ask("kv.region.test", "A").empty


def test_without_failover_no_name_moves() -> None:
    server = names()
    assert "name_moved" not in server.gauges()
    with pytest.raises(ValueError, match="no name can move here"):
        server.point({"to": "provider"})


@pytest.mark.parametrize(("given_", "said"), [
    ({"to": "elsewhere"}, "'elsewhere' is not a component of this region"),
    ({"of": "provider", "to": "provider"}, "'provider' is the one that is failed over from"),
    ({"check_every": "1s"}, "to is missing"),
    ({"to": "provider", "timeout": "0s"}, "timeout: 0 s; give a time above 0"),
    ({"to": "provider", "check_every": "often"}, "check_every"),
    ({"to": "provider", "lag": "1s"}, "'lag' is not known"),
])  # fmt: skip
def test_what_cannot_be_is_said(given_: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        names(failover=given_)


def test_knobs_are_read_with_their_units() -> None:
    found = spec_of({"to": "provider", "check_every": "2s", "timeout": "250ms", "fail_after": 2, "back_after": 5})
    assert found == RecordFailoverSpec("kv", "provider", 2.0, 0.25, 2, 5)
