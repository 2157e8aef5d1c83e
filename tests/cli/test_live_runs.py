"""Which runs in which order, and what they are worth as exit codes."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from harness.cli.live_runs import WORST_FIRST, Job, Outcome, again, exit_of, exit_of_measures, jobs, worst
from harness.errors import Exit, SpecError
from harness.live.way_out import DONE, RunState
from harness.record.folder import RunFolder
from harness.spec import parse_experiment

FILE = parse_experiment(
    """
title: t
seed: 7
repeat: 2
load: {mobile_banking: {arrivals: {rate: 10/s}}}
timeline:
  - {at: outage.start, do: kv.latency, with: {factor: 2, for: 1s}}
  - {at: outage.end, do: dns.restore, fix: true}
variants: {a: {}, b: {}, c: {}}
"""
)


def shown(found: list[Job]) -> str:
    return " ".join(f"{job.variant}{job.seed}" for job in found)


def test_variants_are_interleaved_and_share_their_seeds() -> None:
    assert shown(jobs(FILE, [], None, None)) == "a7 b7 c7 c8 b8 a8"
    assert shown(jobs(FILE, ["b", "a"], 20, 3)) == "b20 a20 a21 b21 b22 a22"


def test_a_variant_named_twice_is_run_once() -> None:
    assert shown(jobs(FILE, ["b", "b"], None, 1)) == "b7"


def test_an_unknown_variant_is_refused_before_anything_runs() -> None:
    with pytest.raises(SpecError, match="no variant 'bb'; it has a, b, c"):
        jobs(FILE, ["a", "bb"], None, None)


def measures(valid: bool = True, *verdicts: str, compare: bool = False) -> dict[str, Any]:
    lines = [{"verdict": verdict} | ({"compare": ["a", "b"]} if compare else {}) for verdict in verdicts]
    return {"validity": {"valid": valid, "reasons": []}, "expect": lines}


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (measures(), Exit.PASS),
        (measures(True, "pass", "pass"), Exit.PASS),
        (measures(True, "pass", "fail", "unsure"), Exit.CRITERION_FAILED),
        (measures(True, "pass", "unsure"), Exit.INVALID),
        (measures(False, "fail"), Exit.INVALID),  # a run that supports no verdict supports no failure either
        (measures(True, "unsure", compare=True), Exit.PASS),  # for `compare` to answer
    ],
)
def test_a_run_is_worth_what_its_criteria_say(found: dict[str, Any], code: Exit) -> None:
    assert exit_of_measures(found) is code


def test_how_a_run_ended_comes_before_what_it_measured() -> None:
    stopped = RunState("stopped", Exit.STOPPED, "a stop condition fired")
    folder = RunFolder(Path("r"))
    assert exit_of(Outcome(Job("a", 7), folder, stopped, measures(True, "fail"))) is Exit.STOPPED
    assert exit_of(Outcome(Job("a", 7), folder, DONE, measures(True, "fail"))) is Exit.CRITERION_FAILED


def test_the_worst_of_several_does_not_depend_on_their_order() -> None:
    assert worst([]) is Exit.PASS
    assert set(WORST_FIRST) | {Exit.PASS} == set(Exit)
    for some in permutations([Exit.PASS, Exit.INVALID, Exit.CRITERION_FAILED, Exit.MACHINERY]):
        assert worst(some) is Exit.MACHINERY
    assert worst([Exit.INVALID, Exit.CRITERION_FAILED]) is Exit.CRITERION_FAILED


def test_the_line_that_repeats_a_run_can_be_pasted() -> None:
    outcome = Outcome(Job("a", 7), RunFolder(Path("r")), DONE, None)
    assert again(Path("my experiments/x.yaml"), outcome) == (
        "blackstart run 'my experiments/x.yaml' --variant a --seed 7"
    )
