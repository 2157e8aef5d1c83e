"""World and kernel are judged by one rule: what a sweep is told does not depend on which of them ran."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.study.engine import prepare
from harness.study.subject import Subject, read_subject

DNS_RACE = Path(__file__).parents[2] / "experiments/dns_race.yaml"
pytest.importorskip("numba")


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
    file = read_subject(DNS_RACE).file({})
    assert prepare(file, "auto").engine == "world"
    with pytest.raises(SpecError, match=r"the kernel cannot express this.*--engine world"):
        prepare(file, "kernel")
    with pytest.raises(SpecError, match="unknown engine"):
        prepare(file, "warp")


def test_a_plan_of_one_story_on_the_store_goes_to_the_kernel(subject: Subject) -> None:
    assert prepare(subject.file({}), "auto").engine == "kernel"
