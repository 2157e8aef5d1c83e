"""Critical values with intervals, against rules whose critical value is known; and the fluid's expectation."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness import seeds
from harness.errors import SpecError
from harness.spec import ExperimentFile
from harness.study import fluid
from harness.study.axes import Axis, number_of, read_axis
from harness.study.design import make_design
from harness.study.journal import Journal, of
from harness.study.subject import Subject, read_subject
from harness.study.sweep import Sweep
from harness.study.threshold import Probe, Threshold, find, logistic
from tests.study.hands import Answering, told


def search(
    folder: Path, subject: Subject, over: str, hands: Answering, *, most: int = 20, event: str = "recovered",
    tolerance: float | None = None,
) -> Threshold:  # fmt: skip
    axis: Axis = read_axis(over)
    sweep = Sweep(subject, make_design("grid", [axis], None, 1), tuple(range(1, 1 + most)), "world")
    with Journal(folder / "sweep.jsonl", of(subject, "world", [axis.name])) as journal:
        return find(sweep, journal, hands, lambda done: None, event=event, tolerance=tolerance)


def below(limit: float) -> Answering:
    return Answering(lambda settings, seed: told(number_of(settings["phases.outage"]) < limit))


def lucky(middle: float, width: float, stream: int) -> Answering:
    """Recovers with a chance that falls along a logistic curve."""

    def rule(settings: dict[str, object], seed: int) -> object:
        chance = 1.0 / (1.0 + math.exp((number_of(settings["phases.outage"]) - middle) / width))
        return told(seeds.draw(seed, stream, seeds.stream_id(str(settings["phases.outage"]))) < chance)

    return Answering(rule)


@pytest.mark.parametrize("limit", [0.11, 0.6309, 1.0, 1.999])
def test_a_sharp_threshold_is_bracketed_to_the_tolerance(tmp_path: Path, subject: Subject, limit: float) -> None:
    found = search(tmp_path, subject, "phases.outage=0.1s..2s:2", below(limit), tolerance=0.01)
    assert (found.how, found.rising) == ("bracket", False)
    assert found.low is not None
    assert found.high is not None
    assert found.low < limit <= found.high
    assert found.high - found.low <= 0.01
    assert found.runs == 5 * len(found.probes), "where all agree the first few seeds are enough"


def test_a_threshold_of_whole_numbers_ends_between_neighbours(tmp_path: Path, subject: Subject) -> None:
    hands = Answering(lambda settings, seed: told(settings["client.attempts"] >= 7))
    found = search(tmp_path, subject, "client.attempts=1..20", hands)
    assert (found.low, found.high, found.rising) == (6, 7, True)


@pytest.mark.parametrize(("middle", "width"), [(0.8, 0.05), (1.2, 0.15)])
def test_an_interval_holds_the_threshold_as_often_as_it_says(
    tmp_path: Path, subject: Subject, middle: float, width: float
) -> None:
    """Nominally 38 of 40; fewer than 35 would have a chance of 1 % for an interval that keeps its word."""
    held = 0
    for stream in range(40):
        hands = lucky(middle, width, stream)
        found = search(tmp_path / f"{stream}", subject, "phases.outage=0.1s..2s:2", hands)
        assert found.how == "logistic"
        assert found.low is not None
        assert found.high is not None
        assert found.high - found.low < 6 * width
        held += found.low <= middle <= found.high
    assert held >= 35


def test_values_near_the_boundary_get_all_their_seeds_and_others_few(tmp_path: Path, subject: Subject) -> None:
    found = search(tmp_path, subject, "phases.outage=0.1s..2s:2", lucky(0.8, 0.05, 1), most=60)
    spent = {probe.number: probe.runs for probe in found.probes}
    assert spent[0.1] == spent[2.0] == 5
    assert {probe.runs for probe in found.probes if not probe.pure} == {60}


def test_ends_that_agree_have_no_threshold_between_them(tmp_path: Path, subject: Subject) -> None:
    found = search(tmp_path, subject, "phases.outage=0.1s..0.5s:2", below(1.0))
    assert found.at is None
    assert "widen the range" in found.how


def test_the_event_can_be_being_stuck(tmp_path: Path, subject: Subject) -> None:
    """Between 0.5 s and 1 s runs neither recover nor are stuck."""

    def rule(settings: dict[str, object], seed: int) -> object:
        length_s = number_of(settings["phases.outage"])
        return told(length_s < 0.5, "recovered" if length_s < 0.5 else "draining" if length_s < 1.0 else "metastable")

    stuck = search(tmp_path, subject, "phases.outage=0.1s..2s:2", Answering(rule), event="metastable")
    assert stuck.low is not None
    assert stuck.high is not None
    assert stuck.low < 1.0 <= stuck.high
    assert stuck.rising


def test_a_threshold_goes_on_where_it_was_stopped(tmp_path: Path, subject: Subject) -> None:
    first = search(tmp_path, subject, "phases.outage=0.1s..2s:2", below(0.7))
    again = below(0.7)
    assert search(tmp_path, subject, "phases.outage=0.1s..2s:2", again) == first
    assert again.done == []


@pytest.mark.parametrize("over", ["phases.outage=0.1s,2s", "client.backoff=none,exponential"])
def test_a_threshold_needs_a_range(tmp_path: Path, subject: Subject, over: str) -> None:
    with pytest.raises(SpecError, match="lies on one range"):
        search(tmp_path, subject, over, below(1.0))


def test_the_fit_agrees_with_one_by_hand() -> None:
    """Symmetric data has its middle in the middle."""
    probes = [Probe(x, float(x), hits, 10) for x, hits in ((1, 10), (2, 8), (3, 5), (4, 2), (5, 0))]
    at, low, high = logistic(probes, rising=False)
    assert at == pytest.approx(3.0, abs=0.01)
    assert 3.0 - low == pytest.approx(high - 3.0, abs=0.02)
    assert 2.4 < low < 2.8


@pytest.mark.parametrize(("rho", "published"), [(0.3, 2.11), (0.5, 1.50), (0.7, 1.21), (0.9, 1.06)])
@pytest.mark.parametrize("retries", [3, 5])
def test_the_closed_form_gives_the_published_fluid_row(rho: float, published: float, retries: int) -> None:
    found = fluid.closed_form_s(100.0 * rho, 100.0, 1.0, retries)
    assert found is not None
    assert round(found, 2) == published


def test_few_retries_and_little_load_have_no_critical_outage() -> None:
    assert fluid.closed_form_s(30.0, 100.0, 1.0, 2) is None


def test_the_fluid_expects_the_threshold_of_the_slow_dependency(subject: Subject) -> None:
    """Simulated: between 0.625 s and 0.65 s."""
    assert fluid.stuck(subject.file({"phases.outage": "600ms"})) is False
    assert fluid.stuck(subject.file({"phases.outage": "650ms"})) is True
    span = read_axis("phases.outage=0.3s..2s:2").span
    assert span is not None
    at = fluid.crossing(lambda share: subject.file({"phases.outage": span.at(share)}), span)
    assert at is not None
    assert 0.6 < at < 0.66  # of which two steps of the fluid are 0.01 s


@pytest.mark.parametrize(("rate", "simulated"), [("30/s", 2.21), ("50/s", 1.47), ("70/s", 1.11), ("90/s", 0.92)])
def test_the_fluid_expects_the_published_critical_outages(rate: str, simulated: float) -> None:
    """Nearer to the simulated ones than the closed form, which forgets who gives up while the line drains."""
    full_outage = read_subject(Path(__file__).parents[2] / "experiments/published/full_outage.yaml", "three_retries")
    axis = read_axis("phases.outage=0.5s..3s:2")
    assert axis.span is not None
    span = axis.span

    def at(share: float) -> ExperimentFile:
        length = span.at(share)
        settings = {"phases.outage": length, "timeline.0.with.mean": length, "load.kv_reads.arrivals.rate": rate}
        return full_outage.file(settings)

    found, closed = fluid.crossing(at, span), fluid.closed_form_s(float(rate.removesuffix("/s")), 100.0, 1.0, 3)
    assert found == pytest.approx(simulated, rel=0.08)
    assert abs(found - simulated) < abs(closed - simulated)


@pytest.mark.parametrize(
    "settings",
    [
        {"client.backoff": "exponential"},
        {"client.retry_budget.ratio": 0.1},
        {"client.deadline": "500ms"},
        {"region.kv.discipline": "lifo"},
        {"conventions.cancellation": True},
        {"timeline.0.do": "kv.errors", "timeline.0.with": "x"},
    ],
)
def test_the_fluid_says_nothing_where_it_does_not_hold(subject: Subject, settings: dict[str, object]) -> None:
    if "timeline.0.do" in settings:
        raw = {**subject.raw, "timeline": [
            {"at": "outage.start", "do": "kv.errors", "with": {"share": "50%"}},
            {"at": "outage.end", "do": "kv.heal", "with": {"fault": "errors"}, "fix": True},
        ]}  # fmt: skip
        assert fluid.stuck(subject._replace(raw=raw).file({})) is None
    else:
        assert fluid.stuck(subject.file(settings)) is None
