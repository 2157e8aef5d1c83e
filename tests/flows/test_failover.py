"""Two providers: when a caller leaves one, how it comes back, and what that costs an operation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.flows.client import Client
from harness.flows.failover import FIRST, SECOND, Choice, Failover, FailoverSpec, Side, choose, on_result, start
from harness.flows.wants import Cause, Reply, Request, Result, Send
from harness.policies.client import ClientSpec

SPEC = FailoverSpec("active_passive", fail_after=2, back_after=2, probe_every_s=1.0)
EVENTS = st.lists(st.tuples(st.integers(0, 1), st.booleans(), st.integers(0, 6)), max_size=80)


def after(*results: tuple[int, bool], spec: FailoverSpec = SPEC):
    sides = start()
    for side, alive in results:
        sides = on_result(spec, sides, side, alive, 0.0)
    return sides


def test_a_side_is_left_after_failures_in_a_row_and_not_before():
    assert after((FIRST, False), (FIRST, True), (FIRST, False))[FIRST] == Side(failures=1)
    sides = after((FIRST, False), (FIRST, False))
    assert choose(SPEC, sides, 0.5, 0.5)[1] == Choice(SECOND, probe=False)


def test_one_call_in_each_period_goes_to_the_side_that_is_down():
    sides = after((FIRST, False), (FIRST, False))
    asked = []
    for now_s in (0.5, 1.0, 1.5, 2.0, 2.0):
        sides, choice = choose(SPEC, sides, 0.5, now_s)
        asked.append(choice)
    away, probe = Choice(SECOND, probe=False), Choice(FIRST, probe=True)
    assert asked == [away, probe, away, probe, away]


def test_a_side_is_returned_to_after_successes_in_a_row():
    down = [(FIRST, False), (FIRST, False)]
    assert after(*down, (FIRST, True), (FIRST, False), (FIRST, True))[FIRST].down
    assert after(*down, (FIRST, True), (FIRST, True)) == start()


def test_with_both_sides_down_the_caller_stays_at_home():
    sides = after((FIRST, False), (FIRST, False), (SECOND, False), (SECOND, False))
    assert choose(SPEC, sides, 0.5, 0.5)[1] == Choice(FIRST, probe=False)


def test_nobody_who_is_statically_stable_ever_moves():
    spec = SPEC._replace(mode="none")
    assert choose(spec, after((FIRST, False), (FIRST, False)), 0.9, 9.0)[1] == Choice(FIRST, probe=False)


@given(st.floats(0.0, 1.0, exclude_min=True, exclude_max=True), EVENTS)
def test_in_active_active_a_key_leaves_home_only_while_home_is_down(u, events):
    spec = SPEC._replace(mode="active_active", first_share=0.25)
    home = FIRST if u < 0.25 else SECOND
    sides, now = start(), 0
    for side, alive, gap in events:
        now += gap
        sides = on_result(spec, sides, side, alive, now / 4)
        sides, choice = choose(spec, sides, u, now / 4)
        assert choice.side == home or sides[home].down
        assert not choice.probe or (choice.side == home and sides[home].down)


@given(EVENTS)
def test_the_machine_agrees_with_a_plain_reading_of_the_rule(events):
    sides = start()
    history: tuple[list[bool], list[bool]] = ([], [])
    down = [False, False]
    for side, alive, _ in events:
        sides = on_result(SPEC, sides, side, alive, 0.0)
        history[side].append(alive)
        if history[side][-2:] == [down[side]] * 2:  # two in a row of the sort that ends the state it is in
            down[side] = not down[side]
            history[side].clear()
        assert [one.down for one in sides] == down


def failover(mode: str = "active_passive") -> Failover:
    clients = tuple(Client(ClientSpec(1.5, 0.5, 2), 7, f"app/{name}", 0.0) for name in ("kv", "provider"))
    return Failover(SPEC._replace(mode=mode), ("kv", "provider"), clients)


def play(subject: Failover, op: int, now_s: float, well) -> tuple[tuple, list[tuple[str, float]]]:
    """One call; a target that is not well (`well(target)` is a Result) fails after its timeout."""
    flow = subject.call(lambda side: Request("read", {"side": side}), 0.1, op=op, layer=0, parent_id=0, call_no=0,
                        now_s=now_s, deadline_s=now_s + 1.5)  # fmt: skip
    sent = []
    try:
        want = next(flow)
        while True:
            assert isinstance(want, Send)
            sent.append((want.target, now_s))
            assert want.request.params["side"] == ("kv", "provider").index(want.target)
            result = well(want.target)
            if result is Result.TIMEOUT:
                now_s += want.timeout_s
            status = {Result.OK: 200, Result.REFUSED: 503, Result.TIMEOUT: 0}[result]
            want = flow.send(Reply(result, status, Cause.NONE, now_s))
    except StopIteration as end:
        return end.value, sent


def first_dead(target: str) -> Result:
    return Result.TIMEOUT if target == "kv" else Result.OK


def test_after_two_dead_calls_the_third_goes_to_the_standby_at_once():
    subject = failover()
    for op in (1, 2):
        (result, side), sent = play(subject, op, 0.0, first_dead)
        assert (result.ok, side, [target for target, _ in sent]) == (False, FIRST, ["kv", "kv"])
    (result, side), sent = play(subject, 3, 1.5, first_dead)
    assert (result.ok, side, sent, subject.left_total) == (True, SECOND, [("provider", 1.5)], [1, 0])


def test_a_probe_that_fails_costs_its_operation_one_timeout_and_not_its_life():
    subject = failover()
    play(subject, 1, 0.0, first_dead)
    play(subject, 2, 0.0, first_dead)  # down at 1.0, to be probed at 2.0
    (result, side), sent = play(subject, 3, 2.0, first_dead)
    assert (result.ok, side, result.attempts) == (True, SECOND, 2)
    assert sent == [("kv", 2.0), ("provider", 2.5)]


def test_it_comes_home_after_two_good_probes():
    subject = failover()
    play(subject, 1, 0.0, first_dead)
    play(subject, 2, 0.0, first_dead)
    asked = [play(subject, op, now_s, lambda target: Result.OK)[1][0][0]
             for op, now_s in ((3, 2.0), (4, 2.5), (5, 3.0), (6, 3.25))]  # fmt: skip
    assert asked == ["kv", "provider", "kv", "kv"]
    assert subject.returned_total == [1, 0]


def test_a_refusal_is_a_sign_of_life_so_the_herd_is_not_led_on():
    subject = failover()
    for op in range(1, 6):
        play(subject, op, 0.0, lambda target: Result.REFUSED)
    assert subject.left_total == [0, 0]


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="it is one of none, active_passive, active_active"):
        failover("sometimes")
