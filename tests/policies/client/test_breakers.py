"""Every breaker: nothing passes while open, and a twin that keeps all results in a list decides the same."""

from __future__ import annotations

import math
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.policies import breaker_count, breaker_window, catalogue, ejection
from harness.policies.entry import make, steps_of


def spec(kind: str, **params: object) -> object:
    return make(catalogue.find("client", "breaker", kind), params)


class Twin:
    """The state machine with a list instead of bits or buckets. `kept` says which results count at a time."""

    def __init__(self, chosen: object, kept: object) -> None:
        self.chosen, self.kept = chosen, kept
        self.phase, self.until_s, self.results, self.let = "closed", 0.0, deque(), 0

    def may_send(self, now_s: float) -> bool:
        if self.phase == "open" and now_s >= self.until_s:
            self.phase, self.let, self.results = "half", 0, deque()
            self.until_s = now_s + self.chosen.open_s
        elif self.phase == "half" and self.let >= self.chosen.probes and now_s >= self.until_s:
            self.let, self.results, self.until_s = 0, deque(), now_s + self.chosen.open_s
        if self.phase == "half":
            self.let += 1
            return self.let <= self.chosen.probes
        return self.phase == "closed"

    def on_result(self, now_s: float, ok: bool) -> None:
        if self.phase == "open":
            return
        self.results.append((now_s, ok))
        if self.phase == "closed":
            counted = self.kept(self.results, now_s)
            need = self.chosen.min_calls
        else:
            counted, need = list(self.results), self.chosen.probes
        if len(counted) < need:
            return
        bad = sum(not ok for _, ok in counted)
        if bad / len(counted) >= self.chosen.threshold:
            self.phase, self.until_s, self.results = "open", now_s + self.chosen.open_s, deque()
        elif self.phase == "half":
            self.phase, self.results = "closed", deque()


# (gap in eighths of a second, what): a asks; g and b are good and bad results of what was let through
TAPES = st.lists(st.tuples(st.integers(0, 12), st.sampled_from("aaaagbbb")), max_size=250)


def both(chosen: object, twin: Twin, tape: list[tuple[int, str]]) -> None:
    steps = steps_of(chosen)
    state = steps.start(chosen, 0.0)
    now_s, out = 0.0, 0
    for gap, what in tape:
        now_s += gap / 8
        if what == "a":
            state, yes = steps.may_send(chosen, state, now_s)
            assert yes is twin.may_send(now_s)
            out += yes
        elif out > 0:
            out -= 1
            state = steps.on_result(chosen, state, now_s, what == "g")
            twin.on_result(now_s, what == "g")
        assert state.phase == ["closed", "open", "half"].index(twin.phase)


@given(
    tape=TAPES,
    window=st.integers(1, 128),
    least=st.integers(1, 20),
    threshold=st.sampled_from([0.1, 0.5, 1.0]),
    probes=st.integers(1, 4),
)
def test_the_count_breaker_agrees_with_a_list(
    tape: list[tuple[int, str]], window: int, least: int, threshold: float, probes: int
) -> None:
    least = min(least, window)
    chosen = breaker_count.CountBreakerSpec(window, least, threshold, 5.0, probes)
    both(chosen, Twin(chosen, lambda results, now_s: list(results)[-window:]), tape)


@given(
    results=st.lists(st.booleans(), min_size=130, max_size=400),
    window=st.sampled_from([31, 32, 33, 63, 64, 65, 96, 97, 127, 128]),
)
def test_the_window_forgets_exactly_the_oldest_result(results: list[bool], window: int) -> None:
    chosen = breaker_count.CountBreakerSpec(window, window, 1.5, 5.0, 1)  # a threshold that never opens
    state = breaker_count.start(chosen, 0.0)
    for k, ok in enumerate(results, start=1):
        state = breaker_count.on_result(chosen, state, 0.0, ok)
        assert state.failures == sum(not r for r in results[max(0, k - window) : k])
        assert state.calls == min(k, window)


@given(
    tape=TAPES,
    buckets=st.integers(1, 6),
    least=st.integers(1, 8),
    threshold=st.sampled_from([0.1, 0.5, 1.0]),
    probes=st.integers(1, 3),
)
def test_the_window_breaker_agrees_with_a_list(
    tape: list[tuple[int, str]], buckets: int, least: int, threshold: float, probes: int
) -> None:
    chosen = breaker_window.WindowBreakerSpec(1.0, buckets, least, threshold, 5.0, probes)

    def kept(results: deque[tuple[float, bool]], now_s: float) -> list[tuple[float, bool]]:
        return [(t, ok) for t, ok in results if math.floor(t) > math.floor(now_s) - buckets]

    both(chosen, Twin(chosen, kept), tape)


@pytest.mark.parametrize("kind", ["consecutive", "resilience4j", "hystrix", "polly", "resilience4j_time"])
def test_while_open_nothing_passes_and_then_the_probes_do(kind: str) -> None:
    chosen = spec(kind)
    steps = steps_of(chosen)
    state = steps.start(chosen, 0.0)
    sent = 0
    while steps.may_send(chosen, state, 1.0)[1]:
        sent += 1
        state = steps.on_result(chosen, state, 1.0, False)
    assert sent == chosen.min_calls
    opens_s = 1.0 + chosen.open_s
    for k in range(100):
        state, yes = steps.may_send(chosen, state, 1.0 + chosen.open_s * k / 100)
        assert yes is False
    let = 0
    for _ in range(100):
        state, yes = steps.may_send(chosen, state, opens_s)
        let += yes
    assert let == chosen.probes
    for _ in range(chosen.probes):
        state = steps.on_result(chosen, state, opens_s, True)
    assert state.phase == 0
    assert state.calls == 0


@pytest.mark.parametrize("kind", ["consecutive", "hystrix"])
def test_a_lost_probe_is_replaced_after_the_open_time(kind: str) -> None:
    chosen = spec(kind)
    steps = steps_of(chosen)
    state = steps.start(chosen, 0.0)
    for _ in range(chosen.min_calls):
        state = steps.on_result(chosen, state, 0.0, False)
    state, yes = steps.may_send(chosen, state, 5.0)
    assert yes is True
    assert steps.may_send(chosen, state, 9.9)[1] is False
    assert steps.may_send(chosen, state, 10.0)[1] is True


@given(results=st.lists(st.tuples(st.floats(0.01, 20.0), st.booleans()), max_size=60))
def test_ejections_average_is_the_sum_of_faded_results(results: list[tuple[float, bool]]) -> None:
    """The oracle writes the average out: each result weighs 1 - w of its own step, faded by all later ones."""
    chosen = ejection.EjectionSpec(1000, 0.0, 30.0, 5.0, 300.0)  # neither rule can fire
    state = ejection.start(chosen, 0.0)
    now_s = 0.0
    times, values = [], []
    for gap_s, ok in results:
        now_s += gap_s
        times.append(now_s)
        values.append(1.0 if ok else 0.0)
        state = ejection.on_result(chosen, state, now_s, ok)
        last_s = times[0]
        expected = values[0] * math.exp(-(now_s - times[0]) / 30.0)
        for t, x in zip(times[1:], values[1:], strict=True):
            expected += x * (1.0 - math.exp(-(t - last_s) / 30.0)) * math.exp(-(now_s - t) / 30.0)
            last_s = t
        assert state.success == pytest.approx(expected, abs=1e-12)


def test_ejection_doubles_its_time_to_the_cap_and_a_good_probe_revives() -> None:
    chosen = spec("passive_ejection")
    state = ejection.start(chosen, 0.0)
    for _ in range(5):
        assert ejection.may_send(chosen, state, 0.0)[1] is True
        state = ejection.on_result(chosen, state, 0.0, False)
    now_s, times = 0.0, []
    for _ in range(8):
        times.append(state.out_s)
        assert ejection.may_send(chosen, state, now_s + state.out_s - 1e-6)[1] is False
        now_s += state.out_s
        state, yes = ejection.may_send(chosen, state, now_s)
        assert yes is True
        assert ejection.may_send(chosen, state, now_s)[1] is False  # one probe at a time
        state = ejection.on_result(chosen, state, now_s, False)
    assert times == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]
    now_s += state.out_s
    state, _ = ejection.may_send(chosen, state, now_s)
    state = ejection.on_result(chosen, state, now_s, True)
    assert state == ejection.start(chosen, now_s)


def test_ejection_by_success_rate_waits_for_a_full_window() -> None:
    chosen = spec("passive_ejection")
    state = ejection.start(chosen, 0.0)
    first_s = math.nan
    for k in range(1, 1000):
        now_s = k * 0.1
        state = ejection.on_result(chosen, state, now_s, k % 2 == 0)  # half fail, never two in a row
        if state.phase == ejection.EJECTED:
            first_s = now_s
            break
    assert first_s == pytest.approx(30.1, abs=1e-9)  # at 30.0 it is a success that arrives
