"""Stop conditions fire when every reading of a time was beyond the bound, and only then."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.live.stop import Watch, gauges_watched, step
from harness.spec.lines import read_stop

HOT = {"orchestrator_cpu": read_stop("> 95% for 10s")}


def fired_at(readings: list[tuple[float, float | None]]) -> list[float]:
    state, fired = Watch({}), []
    for now_s, value in readings:
        state, condition = step(HOT, state, now_s, {} if value is None else {"orchestrator_cpu": value})
        if condition is not None:
            fired.append(now_s)
    return fired


def test_one_reading_over_the_bound_proves_nothing() -> None:
    assert fired_at([(0.0, 2.0), (1.0, 0.5), (9.0, 2.0), (18.0, 2.0)]) == []


def test_it_fires_once_the_time_is_full() -> None:
    assert fired_at([(0.0, 0.99), (5.0, 0.99), (9.99, 0.99), (10.0, 0.99)]) == [10.0]


def test_a_reading_at_the_bound_is_not_beyond_it() -> None:
    assert fired_at([(0.0, 0.95), (20.0, 0.95)]) == []


def test_a_missing_reading_is_no_evidence_either_way() -> None:
    assert fired_at([(0.0, 0.99), (5.0, None), (10.0, 0.99)]) == [10.0]


def test_the_words_name_gauge_bound_and_reading() -> None:
    _, fired = step(HOT, Watch({"orchestrator_cpu": 0.0}), 10.0, {"orchestrator_cpu": 1.25})
    assert fired == "orchestrator_cpu > 95% for 10s (it was 1.25)"


def test_watched_gauges_are_shares_of_a_core_and_all_waiting_work() -> None:
    readings = {
        ("kv", "cpu_share"): 0.5,
        ("orchestrator", "cpu_share"): 0.1,
        ("kv", "waiting_queue"): 30.0,
        ("mobile_banking", "waiting_outbox"): 12.0,
        ("kv", "in_service"): 5.0,
    }
    assert gauges_watched(readings) == {"kv_cpu": 0.5, "orchestrator_cpu": 0.1, "backlog": 42.0}
    assert gauges_watched({("kv", "in_service"): 5.0}) == {}


@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from([0.5, 0.99, None])), max_size=40))
def test_it_agrees_with_looking_back_over_everything(steps: list[tuple[int, float | None]]) -> None:
    """The slow obvious twin: fired at t when all readings back to some one at least 10 s before t were beyond."""
    readings, now = [], 0
    for gap, value in steps:
        now += gap
        readings.append((float(now), value))
    expected = []
    for i, (t, value) in enumerate(readings):
        if value is None or value <= 0.95:
            continue
        run = [t]
        for at, earlier in reversed(readings[:i]):
            if earlier is not None and earlier <= 0.95:
                break
            if earlier is not None:
                run.append(at)
        if t - min(run) >= 10.0:
            expected.append(t)
    assert fired_at(readings) == expected
