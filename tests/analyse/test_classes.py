"""Goodput by class: the same counts as a slow look at every operation, and no class that is not there."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

from harness.analyse import classes
from harness.analyse.load_run import load
from harness.analyse.moments import find
from harness.plan import Plan
from harness.record.layouts import Outcome
from harness.record.rows import read_rows
from harness.spec.vocabulary import criticality_of, known_measure


def counted(folder, start_s, end_s):
    """Shares by criticality and by operation, one operation at a time, from the plan's own draws."""
    plan = Plan.from_json(folder.read_json(folder.plan), "plan.json")
    due, good = defaultdict(int), defaultdict(int)
    for path in sorted(folder.rows.glob("load-*-operation.rows")):
        file = read_rows(path)
        for row in file.rows:
            story = file.names["story"][row["story"]]
            if not start_s <= row["intended_ns"] / 1e9 < end_s:
                continue
            kind = plan.kind(story, int(row["op"]))
            for key in (criticality_of(story)[kind], (story, kind)):
                due[key] += 1
                good[key] += row["outcome"] == Outcome.GOOD
    return {key: good[key] / due[key] for key in due}


@pytest.mark.parametrize(
    ("experiment", "variant"), [("components/hospital_safety", "priority"), ("dns_race", "budget")]
)
def test_shares_are_those_of_a_slow_count(simulated, experiment, variant):
    folder = simulated(experiment, variant)
    found = json.loads(folder.measures.read_text())
    fault_s, fix_s = found["t_fault_s"], found["t_fix_s"]
    parts = {"outage": (fault_s, fix_s), "recovery": (fix_s, 1e9), "": (fault_s, 1e9)}
    for name, (start_s, end_s) in parts.items():
        shares = found["goodput_share"][name] if name else found["goodput_share"]
        told = {int(c): share for c, share in shares["by_criticality"].items()}
        for story, kinds in shares["by_operation"].items():
            told.update({(story, kind): share for kind, share in kinds.items()})
        assert told == pytest.approx(counted(folder, start_s, end_s), abs=1e-9)


def test_a_run_of_stories_without_criticalities_has_no_classes(simulated):
    folder = simulated("components/compute_leases", "capped")
    run = load(folder)
    assert classes.goodput_share(run, find(run.plan, run.journal)) is None
    found = json.loads(folder.measures.read_text())
    assert found["goodput_share"] is None
    assert found["reasons"]["goodput_share"] == "no story of this run has operations with a criticality"


def test_lines_may_name_every_share():
    for part in ("", "outage.", "recovery."):
        assert known_measure(f"goodput_share.{part}by_criticality.0")
        assert known_measure(f"goodput_share.{part}by_operation.hospital.read")
    assert not known_measure("goodput_share.by_story.hospital")
