"""The word `explore` for leases: its JSON, its table, its complaints."""

from __future__ import annotations

import json

import pytest

from harness.cli import run_words

SMALL = ["explore", "leases", "--droplets", "8", "--attempts", "2", "--timeout-ticks", "2"]


def test_json_is_alone_on_stdout_with_a_row_for_every_fix_and_invariant(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_words([*SMALL, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 3 * 3
    assert {"fix", "invariant", "verdict", "steps", "depth"} <= set(rows[0])
    said = {(row["fix"], row["invariant"]): (row["verdict"], row["steps"]) for row in rows}
    assert said["none", "never_stuck"] == ("refuted", 13)
    assert said["line_cap", "never_stuck"] == ("proved", None)
    assert said["drop_expired", "no_waste"] == ("proved", None)


def test_the_table_and_the_story_of_the_stuck_state_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_words(SMALL) == 0
    out = capsys.readouterr().out
    assert "refuted 13" in out
    assert "none: 13 steps, and never again will all droplets be leased" in out
    assert out.rstrip().endswith("4 leased, 4 in line; 2 of 2 attempts are wasted in every tick")


def test_a_limit_ends_in_exit_3_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_words([*SMALL, "--fix", "line_cap", "--max-states", "50"]) == 3
    assert "line_cap: more than 50 states" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*SMALL, "--fix", "line_cup"], "no fix 'line_cup' for leases"),
        (["explore", "leases", "--late", "5"], "--late: 5 is not from 0 to 1"),
        ([*SMALL, "--replay-to", "x.yaml"], "a schedule of leases cannot be replayed"),
    ],
)
def test_bad_words_are_refused_with_what_is_allowed(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_words(words) == 2
    assert said in capsys.readouterr().err
