"""World and kernel are judged by one rule: what a sweep is told does not depend on which of them ran."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.windows import Windows
from harness.errors import SpecError
from harness.record.layouts import LAYOUTS, Outcome
from harness.spec.load import parse_experiment
from harness.study.engine import Runner, prepare
from harness.study.subject import Subject, read_subject

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
pytest.importorskip("numba")

from harness.study import counted  # noqa: E402  # needs numba

# A line about as long as callers wait, and little time after the fix: runs of every kind, many near one half.
EDGE = {
    "phases.outage": "2s", "phases.recovery": "5s", "steady_state.for": "1s",
    "load.kv_reads.arrivals.process": "poisson", "load.kv_reads.arrivals.rate": "75/s",
    "region.kv.admission": "queue", "region.kv.admission.limit": 44, "region.kv.service.distribution": "exponential",
}  # fmt: skip


def replayed(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seeds of runs that are played once more with rows, filled in as this happens."""
    found: list[int] = []
    with_rows = counted.rows_of

    def noted(model: object) -> object:
        found.append(model.seed)
        return with_rows(model)

    monkeypatch.setattr(counted, "rows_of", noted)
    return found


@pytest.mark.long
def test_the_kernel_and_the_world_give_one_word_where_runs_hang_in_the_balance(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = subject.file(EDGE)
    kernel, world = prepare(file, "kernel"), prepare(file, "world")
    again = replayed(kernel, monkeypatch)
    told = dict(zip(range(1, 61), kernel.tell_all(range(1, 61)), strict=True))
    assert {one.verdict for one in told.values()} >= {"recovered", "draining", "degraded", "metastable"}
    assert 0 < len(again) < 30, "some are in doubt, and most are not"
    for seed in again[:3]:
        assert told[seed]._replace(engine="world") == world.tell(seed), seed


def test_seeds_told_together_are_told_as_they_are_alone(subject: Subject) -> None:
    runner = prepare(subject.file({"load.kv_reads.arrivals.process": "poisson"}), "kernel")
    assert runner.tell_all((3, 1, 2)) == tuple(map(runner.tell, (3, 1, 2)))


@given(
    starts=st.lists(st.integers(0, 19_999), max_size=60),
    waits=st.lists(st.integers(0, 3_000), min_size=60, max_size=60),
    span=st.tuples(st.integers(0, 40), st.integers(1, 40)),
)
def test_goodput_by_finish_lies_within_its_bounds(starts: list[int], waits: list[int], span: tuple[int, int]) -> None:
    """Operations of a deadline of 3 s, good up to its last millisecond; spans of quarters of a second."""
    rows = np.zeros(len(starts), np.dtype(list(LAYOUTS["operation"])))
    rows["intended_ns"] = rows["started_ns"] = np.array(starts, dtype=np.int64) * 1_000_000
    rows["finished_ns"] = rows["intended_ns"] + np.array(waits[: len(starts)], dtype=np.int64) * 1_000_000
    rows["outcome"] = Outcome.GOOD
    windows = Windows(25.0)
    windows.feed_operations(rows)
    start_s, end_s = span[0] * 0.25, (span[0] + span[1]) * 0.25
    low, high = counted.bounds(windows, start_s, end_s, 3.0)
    assert low <= windows.get("good")[windows.span(start_s, end_s)].mean() <= high
    assert counted.bounds(windows, start_s, end_s, float("inf"))[0] == 0.0


@pytest.mark.long
@pytest.mark.parametrize("p99", ["none", "<= 2x baseline"])
@pytest.mark.parametrize("length", ["250ms", "750ms", "2s"])
def test_the_kernel_tells_what_the_world_tells(subject: Subject, length: str, p99: str) -> None:
    """Poisson arrivals: with even ones an attempt can fall on the edge of two windows, where the last bits decide.
    Phases are whole windows, so that goodput by phase counts the same operations."""
    settings = {"phases.outage": length, "load.kv_reads.arrivals.process": "poisson", "steady_state.p99": p99}
    file = subject.file(settings)
    kernel, world = prepare(file, "kernel"), prepare(file, "world")
    for seed in (1, 2, 3):
        assert kernel.tell(seed)._replace(engine="world") == world.tell(seed), seed


def test_what_the_kernel_cannot_express_goes_to_the_world_or_is_refused() -> None:
    file = read_subject(EXPERIMENTS / "components/compute_leases.yaml").file({})
    assert prepare(file, "auto").engine == "world"
    with pytest.raises(SpecError, match=r"the kernel cannot express this.*--engine world"):
        prepare(file, "kernel")
    with pytest.raises(SpecError, match="unknown engine"):
        prepare(file, "warp")


@pytest.mark.long
@pytest.mark.parametrize("variant", ["naive", "short", "budget"])
def test_the_phase_diagrams_runs_are_what_the_world_says(variant: str) -> None:
    file = read_subject(EXPERIMENTS / "outage_and_load.yaml", variant).file({})
    kernel, world = prepare(file, "kernel"), prepare(file, "world")
    for seed in (1, 2):
        assert kernel.tell(seed)._replace(engine="world") == world.tell(seed), seed


@pytest.mark.long
@pytest.mark.parametrize("variant", ["naive", "budget"])
def test_the_flagship_goes_to_the_kernel_which_tells_what_the_world_tells(variant: str) -> None:
    file = read_subject(EXPERIMENTS / "dns_race.yaml", variant).file({})
    kernel, world = prepare(file, "auto"), prepare(file, "world")
    assert kernel.engine == "kernel"
    for seed in (7, 8, 9):
        assert kernel.tell(seed)._replace(engine="world") == world.tell(seed), seed


@pytest.mark.long
def test_a_surge_is_told_alike() -> None:
    entries = "  - {at: outage.start, do: load.surge, with: {factor: 3, for: 2s}}\n"
    text = (EXPERIMENTS / "slow_dependency.yaml").read_text().replace("timeline:\n", f"timeline:\n{entries}", 1)
    file = parse_experiment(text.replace("process: even", "process: poisson").replace("outage: 400ms", "outage: 500ms"))
    kernel, world = prepare(file, "kernel"), prepare(file, "world")
    for seed in (1, 2):
        assert kernel.tell(seed)._replace(engine="world") == world.tell(seed), seed


def test_a_plan_of_one_story_on_the_store_goes_to_the_kernel(subject: Subject) -> None:
    assert prepare(subject.file({}), "auto").engine == "kernel"
