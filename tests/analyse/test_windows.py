"""The window accumulator against slow loops that are obviously right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.rolling import rolling
from harness.analyse.windows import PROBE_LAYER, Windows
from harness.flows.wants import Cause, Result
from harness.record.layouts import ATTEMPT, GAUGE, OPERATION, SERVED, Outcome

MS = 1_000_000


def rows(layout: tuple[tuple[str, str], ...], *records: tuple[float, ...]) -> np.ndarray:
    return np.array(list(records), dtype=np.dtype(list(layout)))


def operation(intended_ms: int, finished_ms: int, outcome: Outcome, op: int = 1) -> tuple[int, ...]:
    started = -1 if outcome is Outcome.DROPPED else intended_ms * MS
    finished = finished_ms * MS if finished_ms >= 0 else -1
    return (op, 0, 0, 0, intended_ms * MS, started, finished, (intended_ms + 1500) * MS, outcome, 1)


def attempt(
    sent_ms: int, result: Result, cause: Cause, n: int = 0, layer: int = 0, ended_ms: int | None = None
) -> tuple[int, ...]:
    ended = sent_ms + 1 if ended_ms is None else ended_ms
    return (1, layer, 0, 1, n, 0, sent_ms * MS, ended * MS, result, 0, cause)


def test_good_counts_at_the_finish_and_due_good_at_the_intended_start() -> None:
    windows = Windows(1.0)
    windows.feed_operations(rows(OPERATION, operation(100, 300, Outcome.GOOD), operation(240, 900, Outcome.FAILED)))
    assert windows.get("due").tolist() == [2, 0, 0, 0]
    assert windows.get("due_good").tolist() == [1, 0, 0, 0]
    assert windows.get("good").tolist() == [0, 1, 0, 0]
    assert windows.get("failed").tolist() == [0, 0, 0, 1]


def test_a_window_in_which_nothing_happened_is_zero_and_not_missing() -> None:
    windows = Windows(10.0)
    windows.feed_operations(rows(OPERATION, operation(9900, 9950, Outcome.GOOD)))
    assert windows.get("due").tolist() == [0] * 39 + [1]
    assert windows.get("no such series").tolist() == [0] * 40


def test_operations_that_never_finished_or_started_count_where_they_were_due() -> None:
    windows = Windows(1.0)
    windows.feed_operations(
        rows(OPERATION, operation(600, -1, Outcome.UNFINISHED), operation(800, -1, Outcome.DROPPED))
    )
    assert windows.get("unfinished").tolist() == [0, 0, 1, 0]
    assert windows.get("dropped").tolist() == [0, 0, 0, 1]
    assert (windows.total("started"), windows.total("finished")) == (1, 0)


def test_moments_outside_the_run_are_counted_apart() -> None:
    windows = Windows(1.0)
    windows.feed_operations(rows(OPERATION, operation(900, 1100, Outcome.GOOD)))
    assert (windows.outside, windows.total("good"), windows.get("good").sum()) == (
        2,
        1,
        0,
    )  # its finish, and the good it did


def test_an_attempt_its_own_limiter_held_back_is_throttled_and_not_an_attempt() -> None:
    windows = Windows(1.0)
    windows.feed_attempts(
        rows(
            ATTEMPT,
            attempt(0, Result.OK, Cause.NONE),
            attempt(10, Result.UNSENT, Cause.CLIENT_LIMIT),
            attempt(20, Result.UNSENT, Cause.DNS_EMPTY, n=1),
            attempt(240, Result.REFUSED, Cause.QUEUE_FULL, n=2, ended_ms=260),
        ),
        "load",
        ["kv"],
    )
    assert windows.get("attempts", "load->kv").tolist() == [3, 0, 0, 0]
    assert windows.get("first_tries", "load->kv").tolist() == [1, 0, 0, 0]
    assert windows.get("throttled_client", "load->kv").tolist() == [1, 0, 0, 0]
    assert windows.get("throttled_server", "load->kv").tolist() == [0, 1, 0, 0]


def test_the_canary_is_no_layer_of_the_system() -> None:
    windows = Windows(1.0)
    windows.feed_attempts(rows(ATTEMPT, attempt(0, Result.OK, Cause.NONE, layer=PROBE_LAYER)), "canary", ["kv"])
    assert windows.layers == {}


def test_layers_and_targets_of_one_file_are_kept_apart() -> None:
    windows = Windows(1.0)
    mixed = [(1, layer, 0, 1, 0, target, 0, MS, 0, 200, 0) for layer in (0, 1) for target in (0, 1, 1)]
    windows.feed_attempts(rows(ATTEMPT, *mixed), "app", ["kv", "queue"])
    assert windows.layers == {"app->kv": 0, "app->queue": 0}
    assert windows.get("attempts", "app->queue").sum() == 4


spans = st.lists(st.tuples(st.integers(-500, 2500), st.integers(0, 3000)), max_size=20)


@given(spans)
def test_spans_are_spread_over_the_windows_they_last(pairs: list[tuple[int, int]]) -> None:
    windows = Windows(2.0)
    start = np.array([a for a, _ in pairs], dtype=np.int64) * MS
    stop = start + np.array([b for _, b in pairs], dtype=np.int64) * MS
    windows.add_spans("busy", "kv", start, stop)
    for k in range(8):
        expected = sum(max(0, min(a + b, 250 * (k + 1)) - max(a, 250 * k)) for a, b in pairs) / 1000
        assert windows.overlap_s("busy", "kv")[k] == pytest.approx(expected, abs=1e-6)


def test_served_rows_give_queue_delay_at_the_beginning_and_refusals_at_their_end() -> None:
    windows = Windows(1.0)
    windows.feed_served(
        rows(
            SERVED,
            (1, 0, 0, 100 * MS, 120 * MS, 20 * MS, 0),
            (2, 0, 0, 300 * MS, 320 * MS, 20 * MS, 0),
            (3, 0, 240 * MS, -1, 260 * MS, 0, 0),
            (4, 0, 500 * MS, -1, -1, 0, 0),
        ),
        ["kv"],
    )
    assert windows.get("arrived", "kv").tolist() == [3, 0, 1, 0]
    assert windows.get("queue_delay_s", "kv").tolist() == [0.1, 0.3, 0, 0]
    assert windows.get("refused", "kv").tolist() == [0, 1, 0, 0]
    assert windows.overlap_s("busy", "kv").tolist() == pytest.approx([0.02, 0.02, 0, 0])


def test_feeding_in_pieces_is_feeding_at_once() -> None:
    rng = np.random.default_rng(3)
    made = [operation(int(t), int(t + d), Outcome(int(o))) for t, d, o in zip(
        rng.integers(0, 4000, 500), rng.integers(1, 900, 500), rng.integers(0, 4, 500), strict=True)]  # fmt: skip
    whole, parts = Windows(5.0), Windows(5.0)
    table = rows(OPERATION, *made)
    whole.feed_operations(table)
    for part in np.array_split(table, 7):
        parts.feed_operations(part)
    for name in ("due", "good", "due_good", "late", "failed", "throttled", "started", "finished"):
        assert np.array_equal(whole.get(name), parts.get(name))
    starts = np.arange(20)
    assert np.array_equal(
        whole.latency.quantiles(starts, starts + 1, [0.5, 0.99]),
        parts.latency.quantiles(starts, starts + 1, [0.5, 0.99]),
        equal_nan=True,
    )


def test_progress_shows_the_last_whole_second_against_the_schedule() -> None:
    windows = Windows(10.0)
    windows.expect_due(np.arange(0, 10, 0.01))
    windows.feed_operations(rows(OPERATION, *(operation(10 * k, 10 * k + 5, Outcome.GOOD) for k in range(300, 380))))
    windows.feed_attempts(
        rows(ATTEMPT, *(attempt(10 * k, Result.OK, Cause.NONE) for k in range(300, 450))), "load", ["kv"]
    )
    windows.feed_gauges(rows(GAUGE, (3_900 * MS, 0, 0, 7.0), (4_600 * MS, 0, 0, 99.0)), ["kv"], ["waiting_queue"])
    now = windows.latest(4.5)
    assert (now.t_s, now.offered_per_s, now.goodput_per_s, now.attempts_per_s, now.amplification, now.waiting) == (
        4.0, 100.0, 80.0, 100.0, 1.0, 7.0,
    )  # fmt: skip


@given(st.lists(st.integers(0, 60), min_size=4, max_size=60))
def test_rolling_windows_are_at_least_a_second_and_two_hundred_due(due: list[int]) -> None:
    rolls = rolling(np.array(due, dtype=float), 0.25, len(due) * 0.25)
    for start, stop in zip(rolls.starts, rolls.stops, strict=True):
        assert stop - start >= 4
        assert sum(due[start:stop]) >= 200
        assert stop - start == 4 or sum(due[start : stop - 1]) < 200
    rest = due[len(rolls.starts) :]
    assert len(rest) < 4 or sum(rest) < 200
