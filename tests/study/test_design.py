"""Axes, designs and subjects: what the cells of a sweep are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SpecError
from harness.study.axes import number_of, read_axis
from harness.study.design import make_design
from harness.study.subject import Subject, read_subject


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("phases.outage=400ms..1s:4", ("0.4s", "0.6s", "0.8s", "1.0s")),
        ("load.kv_reads.arrivals.rate=60/min..3/s:3", ("1.0/s", "2.0/s", "3.0/s")),
        ("client.attempts=1..4", (1, 2, 3, 4)),
        ("region.kv.admission.limit=10..640:7:log", (10, 20, 40, 80, 160, 320, 640)),
        ("a.b=0.5..1:3", (0.5, 0.75, 1.0)),
        ("timeline.0.with.share=5%..15%:3", (0.05, 0.1, 0.15)),
        ("client.backoff=none,exponential", ("none", "exponential")),
        ("x=1,2.5,true,10ms", (1, 2.5, True, "10ms")),
        ("x=1..3:5", (1, 2, 3)),  # whole numbers stay whole, each once
    ],
)
def test_an_axis_is_read_with_its_units(text: str, values: tuple[object, ...]) -> None:
    assert read_axis(text).values == values


def test_keys_joined_by_a_plus_sign_move_together(subject: Subject) -> None:
    axis = read_axis("phases.outage+phases.drain=1s..2s:2")
    assert axis.keys == ("phases.outage", "phases.drain")
    phases = subject.file({"phases.outage": "2s", "phases.drain": "2s"}).variant("naive").phases
    assert (phases.outage_s, phases.drain_s) == (2.0, 2.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("phases.outage", "is not an axis"),
        ("=1,2", "is not an axis"),
        ("a=", "is not an axis"),
        ("a=2s..1s:3", "is empty"),
        ("a=1s..1s:3", "is empty"),
        ("a=1s..5/s:3", "mixes units"),
        ("a=0.5..1.5", "how many values"),
        ("a=1s..2s:1", "between 2 and"),
        ("a=1s..2s:1000000", "between 2 and"),
        ("a=0s..2s:3:log", "above 0"),
        ("a=1,1", "given twice"),
        ("a={b},2", "not one value"),
        ("a=.nan,2", "not one value"),
    ],
)
def test_a_wrong_axis_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        read_axis(text)


def test_a_grid_is_the_product_with_the_last_axis_fastest() -> None:
    design = make_design("grid", [read_axis("a=1,2"), read_axis("b=x,y")], None, 1)
    assert design.cells == ((1, "x"), (1, "y"), (2, "x"), (2, "y"))


@given(cells=st.integers(1, 60), seed=st.integers(0, 2**40))
def test_a_latin_hypercube_uses_every_slice_of_every_key_once(cells: int, seed: int) -> None:
    design = make_design("lhs", [read_axis("a=0.0..1.0:2"), read_axis("b=10s..20s:2")], cells, seed)
    for column, (low, width) in enumerate([(0.0, 1.0), (10.0, 10.0)]):
        numbers = [number_of(cell[column]) for cell in design.cells]
        assert sorted(int((x - low) / width * cells - 1e-9) for x in numbers if x is not None) == list(range(cells))


@pytest.mark.parametrize("kind", ["random", "lhs"])
def test_a_sample_is_a_function_of_its_seed(kind: str) -> None:
    axes = [read_axis("a=0.0..1.0:2"), read_axis("b=p,q,r")]
    assert make_design(kind, axes, 20, 7) == make_design(kind, axes, 20, 7)
    assert make_design(kind, axes, 20, 7).cells != make_design(kind, axes, 20, 8).cells
    assert {cell[1] for cell in make_design(kind, axes, 20, 7).cells} == {"p", "q", "r"}


@pytest.mark.parametrize(
    ("kind", "axes", "cells", "says"),
    [
        ("grid", [], None, "no axis"),
        ("grid", ["a=1,2", "a=3,4"], None, "on two axes"),
        ("grid", ["a=1,2"], 5, "for random and lhs"),
        ("lhs", ["a=1,2"], None, "needs --cells"),
        ("random", ["a=1,2"], 0, "needs --cells"),
        ("sobol", ["a=1,2"], 5, "unknown design"),
        ("grid", ["a=1..10000", "b=1..10000"], None, "has 100,000,000 cells"),
    ],
)
def test_a_wrong_design_says_what_is_wrong(kind: str, axes: list[str], cells: int | None, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        make_design(kind, [read_axis(text) for text in axes], cells, 1)


def test_a_key_set_is_the_key_written_in_the_file(small: Path, subject: Subject) -> None:
    """Also where the file's value is copied into every caller."""
    cell = subject.file({"client.attempts": 2, "region.kv.service.mean": "30ms", "timeline.0.with.mean": "90ms"})
    text = small.read_text().replace("attempts: 4", "attempts: 2").replace("25ms", "30ms").replace("100ms}", "90ms}")
    small.write_text(text)
    assert cell.variant("naive") == read_subject(small).file({}).variant("naive")
    assert cell.variant("naive").load["kv_reads"].client.attempts == 2


def test_a_policy_given_by_its_name_takes_a_parameter(small: Path) -> None:
    subject = read_subject(small, "budget")
    policy = subject.file({"client.retry_budget.ratio": 0.25}).variant("budget").client.retry_budget
    assert policy is not None
    assert policy.filled()[1]["ratio"] == 0.25
    made = subject.file({"region.kv.admission.limit": 40, "region.kv.admission.kind": "queue"})
    kv = made.variant("budget").region.kv
    assert kv is not None
    assert kv.admission is not None
    assert kv.admission.filled() == ("queue", {"limit": 40})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"phases.outge": "1s"}, "unknown key; known here: .*did you mean 'outage'"),
        ({"client.attempts": 99}, "client.attempts=99: .*at most 20"),
        ({"timeline.7.at": "1s"}, "not a place in a list of 2"),
        ({"seed": 3}, "cannot be on an axis"),
        ({"load.nobody.arrivals.rate": "1/s"}, "nobody"),
        ({"phases.outage": "300s", "timeline.1.at": "1s"}, "kv.latency never ends"),
    ],
)
def test_a_wrong_cell_names_key_and_value(subject: Subject, settings: dict[str, str], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        subject.file(settings)
