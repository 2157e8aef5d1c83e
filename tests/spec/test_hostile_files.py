"""Whatever a file holds, the answer is an experiment or a complaint with its place; never a traceback."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import SpecError
from harness.spec import parse_experiment

SLOW = Path(__file__).parents[2] / "experiments" / "slow_dependency.yaml"
ODD: tuple[Any, ...] = (
    None,
    3,
    -1,
    0,
    2.5,
    float("nan"),
    float("inf"),
    True,
    "",
    "x",
    "none",
    "5s",
    [],
    [[1]],
    [None],
    {},
    {"x": 1},
)
COMPLAINT = re.compile(r"slow\.yaml:\d+:\d+: .+")


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*path, key)
        yield from paths(inner, (*path, key))


def with_value(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with `new` at `path`."""
    whole = copy.deepcopy(value)
    part = whole
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = new
    return whole


def outcome(text: str) -> str:
    """ "correct", or "refused" when every complaint has a place."""
    try:
        parse_experiment(text, "slow")
    except SpecError as error:
        lines = str(error).split("\n")
        assert all(COMPLAINT.fullmatch(line) for line in lines), lines
        return "refused"
    return "correct"


def test_an_odd_value_anywhere_is_taken_or_complained_about(text: str) -> None:
    """Each path once, each with another odd value; the long test below tries them all."""
    whole = yaml.safe_load(text)
    found = [
        outcome(yaml.safe_dump(with_value(whole, path, ODD[number % len(ODD)]), sort_keys=False))
        for number, path in enumerate(paths(whole))
    ]
    assert len(found) > 60
    assert found.count("refused") > 30


@pytest.mark.long
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_every_odd_value_everywhere_is_taken_or_complained_about(text: str, odd: Any) -> None:
    whole = yaml.safe_load(text)
    found = [outcome(yaml.safe_dump(with_value(whole, path, odd), sort_keys=False)) for path in paths(whole)]
    assert "refused" in found


def test_a_key_renamed_anywhere_is_complained_about_unless_it_is_a_name(text: str) -> None:
    """Names of variants are free; every other key of the file is known."""
    renamed = 0
    keys = [(line, key) for line in text.splitlines() for key in re.findall(r"[a-z_0-9]+(?=:)", line)]
    for line, key in keys:
        if key in ("plain", "budget"):
            continue
        spoilt = text.replace(line, line.replace(f"{key}:", f"{key}zz:", 1), 1)
        assert outcome(spoilt) == "refused", line
        renamed += 1
    assert renamed > 40


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_file_with_a_piece_cut_out_is_taken_or_complained_about(data: st.DataObject) -> None:
    text = SLOW.read_text()
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start, min(start + 80, len(text))))
    outcome(
        text[:start]
        + data.draw(st.sampled_from(["", "\t", "{", "]", ": ", "&a ", "*a", "!x ", "\0", "é"]))
        + text[end:]
    )


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=60))
def test_any_text_is_taken_or_complained_about(text: str) -> None:
    outcome(text)
