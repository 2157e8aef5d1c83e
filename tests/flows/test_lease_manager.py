"""The lease manager, tick by tick: the published thresholds exactly, and a twin that shares nothing with it."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.flows import lease_manager
from harness.flows.lease_manager import Leases, LeaseSpec, Work

FOR_EVER = 1_000_000  # a lease that does not run out within a test
PUBLISHED = [(4, 3), (50, 20)]
sizes = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 120))


def in_line(spec: LeaseSpec) -> Leases:
    """Everybody in line, the store there, just before tick 0."""
    return lease_manager.start(spec, -1, leased=False)


def minimal(droplets: int, c: int, t: int, cap: int = 0, drop: bool = False) -> LeaseSpec:
    """The model of the public illustration: a lease once made is kept, nobody is checked."""
    return LeaseSpec(droplets, c, t, FOR_EVER, FOR_EVER - 1, cap, drop)


def calm_tick(spec: LeaseSpec, state: Leases) -> tuple[Leases, int]:
    """One tick whose calls are all answered well at once; attempts wasted."""
    done = lease_manager.tick(spec, state)
    state = done.state
    for work in done.attempts:
        state = lease_manager.attempted(spec, state, work, True)
    for droplet in done.checks:
        state = lease_manager.checked(spec, state, droplet, True)
    return (lease_manager.probed(spec, state, True) if done.probe else state), len(done.wasted)


def play(spec: LeaseSpec, ticks: int) -> tuple[list[int], int]:
    """Droplets leased after each tick, until all are; attempts wasted in all."""
    state, leased, wasted = in_line(spec), [], 0
    for _ in range(ticks):
        state, lost = calm_tick(spec, state)
        leased.append(lease_manager.leased(state))
        wasted += lost
        if leased[-1] == spec.droplets:
            break
    return leased, wasted


def twin(droplets: int, c: int, t: int, ticks: int) -> tuple[list[int], int]:
    """The published model as a reader would write it down: a deque of the ticks at which each joined."""
    line, leased, wasted, history = deque([0] * droplets), 0, 0, []
    for tick in range(ticks):
        for _ in range(c):
            if not line:
                break
            if tick - line.popleft() < t:
                leased += 1
            else:
                line.append(tick)
                wasted += 1
        history.append(leased)
        if leased == droplets:
            break
    return history, wasted


@pytest.mark.parametrize(("c", "t"), PUBLISHED)
def test_a_line_that_can_be_served_in_time_wastes_nothing(c: int, t: int) -> None:
    assert play(minimal(c * t, c, t), 1000) == ([c * tick for tick in range(1, t + 1)], 0)


@pytest.mark.parametrize(("c", "t", "over"), [(4, 3, 1), (4, 3, 11), (50, 20, 1), (50, 20, 999)])
def test_a_line_of_less_than_twice_that_recovers_with_waste(c: int, t: int, over: int) -> None:
    leased, wasted = play(minimal(c * t + over, c, t), 1000)
    assert leased[-1] == c * t + over
    assert wasted >= over


@pytest.mark.parametrize(("c", "t", "times"), [(4, 3, 2), (4, 3, 4), (50, 20, 2), (50, 20, 3)])
def test_a_line_of_twice_that_is_stuck_at_exactly_what_fitted_for_ever(c: int, t: int, times: int) -> None:
    spec = minimal(times * c * t, c, t)
    state = in_line(spec)
    for tick in range(300):
        state, wasted = calm_tick(spec, state)
        assert lease_manager.leased(state) == min(c * (tick + 1), c * t)
        assert wasted == (0 if tick < t else c)
        assert len(state.line) == spec.droplets - lease_manager.leased(state)


def test_the_published_illustration_leases_12_of_48_and_36_stay_in_line() -> None:
    spec = minimal(48, 4, 3)
    state = in_line(spec)
    for _ in range(500):
        state, wasted = calm_tick(spec, state)
    assert (lease_manager.leased(state), len(state.line), wasted) == (12, 36, 4)


@pytest.mark.parametrize(("c", "t"), PUBLISHED)
@pytest.mark.parametrize("times", [1, 2, 4])
def test_with_the_line_capped_or_expired_work_dropped_all_are_leased_in_n_over_c_ticks(
    c: int, t: int, times: int
) -> None:
    droplets = times * c * t
    every = [c * tick for tick in range(1, droplets // c + 1)]
    assert play(minimal(droplets, c, t, cap=c * t), 1000) == (every, 0)
    assert play(minimal(droplets, c, t, drop=True), 1000) == (every, 0)


@pytest.mark.parametrize(("cap", "leased_by", "wasted"), [(12, 12, 0), (13, 15, 11), (15, 32, 78)])
def test_every_place_more_than_can_be_served_in_time_costs(cap: int, leased_by: int, wasted: int) -> None:
    leased, lost = play(minimal(48, 4, 3, cap), 400)
    assert (len(leased), leased[-1], lost) == (leased_by, 48, wasted)


def test_a_cap_one_tick_of_work_too_high_saves_nobody() -> None:
    """The last in a line of C (T + 1) is always a tick too late, and everybody who enters is the last."""
    leased, wasted = play(minimal(48, 4, 3, cap=16), 400)
    assert (leased[-1], wasted) == (12, 4 * (400 - 3))


@given(sizes)
@example((4, 3, 24))
@settings(max_examples=200, deadline=None)
def test_it_does_what_the_twin_does(size: tuple[int, int, int]) -> None:
    c, t, droplets = size
    ticks = 4 * droplets + 20
    assert play(minimal(droplets, c, t), ticks) == twin(droplets, c, t, ticks)


@given(sizes)
@settings(max_examples=200, deadline=None)
def test_the_three_regimes_hold_for_all_sizes(size: tuple[int, int, int]) -> None:
    c, t, droplets = size
    leased, wasted = play(minimal(droplets, c, t), 6 * droplets + 60)
    if droplets <= c * t:
        assert (leased[-1], wasted) == (droplets, 0)
    elif droplets < 2 * c * t:
        assert leased[-1] == droplets
        assert wasted > 0
    else:
        assert leased[-1] == c * t
    ticks = -(-droplets // c)
    assert len(play(minimal(droplets, c, t, cap=c * t), 6 * droplets)[0]) == ticks
    assert len(play(minimal(droplets, c, t, drop=True), 6 * droplets)[0]) == ticks


SPEC = LeaseSpec(droplets=6, attempts_per_tick=2, timeout_ticks=2, lease_ticks=4, check_ticks=3, gone_after=2)


def test_in_calm_every_droplet_is_checked_once_in_so_many_ticks_and_keeps_its_lease() -> None:
    state = lease_manager.start(SPEC)
    checked: list[int] = []
    for _ in range(12):
        done = lease_manager.tick(SPEC, state)
        assert (done.attempts, done.lost, done.wasted) == ((), (), ())
        checked += done.checks
        state = done.state
        for droplet in done.checks:
            state = lease_manager.checked(SPEC, state, droplet, True)
    assert sorted(checked) == sorted([*range(6)] * 4)
    assert lease_manager.leased(state) == 6


def test_a_store_that_is_gone_is_probed_once_a_tick_and_the_line_forms_when_it_is_back() -> None:
    state = lease_manager.start(SPEC)
    probes = 0
    for _ in range(12):
        done = lease_manager.tick(SPEC, state)
        state = done.state
        assert not done.attempts
        for droplet in done.checks:
            state = lease_manager.checked(SPEC, state, droplet, False)
        if done.probe:
            probes += 1
            state = lease_manager.probed(SPEC, state, False)
    assert lease_manager.is_gone(SPEC, state)
    assert probes == 11
    assert lease_manager.leased(state) == 0
    assert (sorted(state.outside), state.line) == ([*range(6)], ())
    state = lease_manager.probed(SPEC, lease_manager.tick(SPEC, state).state, True)
    done = lease_manager.tick(SPEC, state)
    assert len(done.attempts) == 2
    assert {work.since for work in (*done.attempts, *done.state.line)} == {done.state.tick}


def test_an_attempt_the_store_fails_goes_to_the_end_with_a_new_wait() -> None:
    state = lease_manager.tick(SPEC, in_line(SPEC)).state
    assert [work.droplet for work in state.busy] == [0, 1]
    state = lease_manager.attempted(SPEC, state, Work(0, 0), False)
    assert [work.droplet for work in state.line] == [2, 3, 4, 5, 0]
    assert lease_manager.attempted(SPEC, state, Work(0, 0), True) == state  # nobody waits for this answer


def test_attempts_that_are_not_answered_keep_their_worker() -> None:
    state = lease_manager.tick(SPEC, in_line(SPEC)).state
    done = lease_manager.tick(SPEC, lease_manager.attempted(SPEC, state, Work(0, 0), True))
    assert [work.droplet for work in done.attempts] == [2]
    assert [work.droplet for work in done.state.busy] == [1, 2]


def test_a_restart_forgets_the_line_and_work_comes_back_by_the_state_checks() -> None:
    state = lease_manager.restart(lease_manager.tick(SPEC, in_line(SPEC)).state)
    assert (state.line, state.busy, state.outside) == ((), (), ())
    came = []
    for _ in range(3):
        done = lease_manager.tick(SPEC, state)
        state = done.state
        came.append(sorted(work.droplet for work in done.attempts))
    assert came == [[1, 4], [], []]  # two workers, still at work on them
    assert [work.droplet for work in state.line] == [2, 5, 0, 3]


def test_a_throttle_lets_no_more_into_the_line_and_sends_nobody_away() -> None:
    spec = minimal(48, 4, 3)
    state = in_line(spec)
    for _ in range(20):
        state, _ = calm_tick(spec, state)
    state = lease_manager.throttled(state, 12)
    assert len(state.line) == 36
    for _ in range(2 * 36 // 4):  # once to throw the line away, once to serve it
        state, _ = calm_tick(spec, state)
    assert lease_manager.leased(state) == 48


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"droplets": 0}, "droplets is 0"),
        ({"attempts_per_tick": 0}, "attempts_per_tick is 0"),
        ({"lease_ticks": 3}, "runs out before the next check"),
        ({"line_cap": -1}, "line_cap is -1"),
    ],
)
def test_knobs_that_mean_nothing_are_refused(knobs: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        lease_manager.start(SPEC._replace(**knobs))


@given(st.lists(st.sampled_from(["tick", "ok", "bad", "restart", "cap", "open"]), max_size=60), st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_droplet_is_never_in_two_places_and_never_lost(events: list[str], drop: bool) -> None:
    spec = SPEC._replace(drop_expired=drop)
    state = lease_manager.start(spec)
    for event in events:
        if event == "tick":
            state = lease_manager.tick(spec, state).state
        elif event == "restart":
            state = lease_manager.restart(state)
        elif event in ("cap", "open"):
            state = lease_manager.throttled(state, 4 if event == "cap" else 0)
        elif state.busy:
            state = lease_manager.attempted(spec, state, state.busy[0], event == "ok")
        elif state.checking:
            state = lease_manager.checked(spec, state, state.checking[0], event == "ok")
        else:
            state = lease_manager.probed(spec, state, event == "ok")
        places = [*state.outside, *(work.droplet for work in (*state.line, *state.busy))]
        assert len(places) == len(set(places))
        assert not [droplet for droplet in places if state.until[droplet] > state.tick]
    state = lease_manager.throttled(state, 0)
    for _ in range(spec.check_ticks + 2 * spec.lease_ticks):
        for work in state.busy:
            state = lease_manager.attempted(spec, state, work, True)
        for droplet in state.checking:
            state = lease_manager.checked(spec, state, droplet, True)
        state, _ = calm_tick(spec, lease_manager.probed(spec, state, True))
    places = [*state.outside, *(work.droplet for work in (*state.line, *state.busy))]
    assert sorted([*places, *(droplet for droplet, end in enumerate(state.until) if end)]) == [*range(6)]
