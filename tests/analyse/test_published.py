"""A replay beside what was published: how a line is read, and how the order is judged."""

from __future__ import annotations

import math

import pytest

from harness.analyse.published import Compared, Replay, _misplaced
from harness.report.published import order, rows
from harness.spec.incident import Published, read_sign


def line(name: str, blocked: str, until: str, **more: str) -> Published:
    told = {"id": name, "what": name, "blocked": blocked, "until": until, "ours": "compute.leased > 107", **more}
    return Published.model_validate(told)


def test_a_sign_names_a_gauge_and_a_line_a_counter_or_a_name() -> None:
    assert read_sign("compute.leased > 107")[:4] == ("compute", "leased", True, 107.0)
    assert read_sign("network.oldest_change_s < 4min").line == 240.0
    assert read_sign("balancer.no_capacity_total still").still
    assert read_sign("no address for kv").target == "kv"
    with pytest.raises(ValueError, match="is no sign"):
        read_sign("leases are back")


def test_a_line_has_a_sign_or_a_reason_and_ends_after_it_begins() -> None:
    with pytest.raises(ValueError, match="needs exactly one of ours"):
        line("a", "1min", "2min", missing="no such component")
    with pytest.raises(ValueError, match="exchange blocked and until"):
        line("a", "3min", "2min")


def test_a_delay_is_close_within_a_fifth_and_what_was_at_once_within_a_minute() -> None:
    published = line("a", "100min", "200min")
    assert Compared(published, 6_000.0, 13_200.0).close is True
    assert Compared(published, 6_000.0, 13_201.0).close is False
    assert Compared(published, 6_000.0, None, "never").close is False
    at_once = line("b", "100min", "100min")
    assert Compared(at_once, 6_000.0, 6_060.0).close is True
    assert Compared(at_once, 6_000.0, 6_061.0).close is False
    assert Compared(at_once, 6_000.0, 6_060.0).ratio is None


def test_a_part_that_came_back_too_early_or_never_is_out_of_order() -> None:
    first, second = line("first", "1min", "2min"), line("second", "1min", "3min")
    good = (Compared(first, 60.0, 100.0), Compared(second, 60.0, 200.0))
    assert _misplaced(good) == ()
    assert _misplaced((good[0]._replace(until_s=300.0), good[1])) == ("second",)
    assert _misplaced((good[0], good[1]._replace(until_s=None))) == ("second",)


def test_a_line_that_nothing_here_stands_for_is_shown_with_its_reason() -> None:
    told = Published.model_validate(
        {"id": "r", "what": "Redshift", "blocked": "1min", "until": "2min", "missing": "no such component"}
    )
    replay = Replay((Compared(told, None, None, told.missing),), ())
    assert rows(replay) == [("Redshift", "T+2", "1 min", "-", "-", "-", "no such component")]
    assert order(replay) == "The parts came back in the order that was published."
    assert replay.lines[0].close is None
    assert not math.isnan(replay.lines[0].theirs_s)
