"""The word `explore`: its JSON, its table, its complaints."""

from __future__ import annotations

import json

import pytest

from harness.cli import run_words
from harness.spec import load_experiment

SMALL = ["explore", "dns", "--endpoints", "2", "--generations", "3"]


def test_json_is_alone_on_stdout_with_a_row_for_every_fix_and_invariant(capsys):
    assert run_words([*SMALL, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 9 * 4
    assert {"fix", "invariant", "verdict", "steps", "depth"} <= set(rows[0])
    said = {(row["fix"], row["invariant"]): (row["verdict"], row["steps"]) for row in rows}
    assert said["none", "never_empty"] == ("refuted", 12)
    assert said["compare_and_set", "never_empty"] == ("proved", None)
    assert said["reachability", "never_backwards"] == ("refuted", 10)


def test_the_table_and_one_story_are_printed(capsys):
    assert run_words([*SMALL, "--fix", "none", "--fix", "compare_and_set"]) == 0
    out = capsys.readouterr().out
    assert "refuted 12" in out
    assert "proved" in out
    assert out.rstrip().endswith("az2      deletes generations 1, 2; public now resolves to nothing")
    assert "1 planner, 3 enactors, 2 endpoints, 3 generations, 0 kept, 2 addresses" in " ".join(out.split())


def test_a_limit_ends_in_exit_3_and_is_named(capsys):
    assert run_words([*SMALL, "--fix", "compare_and_set", "--max-states", "50"]) == 3
    assert "compare_and_set: more than 50 states" in capsys.readouterr().out


def test_the_replay_is_written_as_a_correct_experiment(tmp_path, capsys):
    path = tmp_path / "replay.yaml"
    assert run_words([*SMALL, "--fix", "none", "--json", "--replay-to", str(path)]) == 0
    assert load_experiment(path).variants == ("schedule", "fixed")
    assert f"blackstart run {path}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["explore", "kv"], "'kv' cannot be searched; there is: dns"),
        (["explore", "dns", "--fix", "compare_and_swap"], "no race fix 'compare_and_swap'"),
        (["explore", "dns", "--enactors", "99"], "--enactors: 99 is not from 1 to 7"),
        (["explore", "dns", "--max-time", "soon"], "--max-time"),
        ([*SMALL, "--fix", "compare_and_set", "--replay-to", "x.yaml"], "there is nothing to replay"),
        ([*SMALL, "--fix", "none", "--replay-to", "nowhere/x.yaml"], "nowhere/x.yaml: cannot be written"),
    ],
)
def test_bad_words_are_refused_with_what_is_allowed(words, said, capsys):
    assert run_words(words) in (2, 4)
    assert said in capsys.readouterr().err
