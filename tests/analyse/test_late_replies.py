"""R12 when a late reply still counts: most users get what they ask for, at four times the work, and the system is sick.

In the running example of Isaacs et al. (HotOS 2025) a caller may accept the answer to an attempt that it gave up on.
With a line of 150 some 85 % of operations then succeed after the trigger is gone, although the line stays full and each
is worked on again and again. A gate that asks whether goodput is back over half of what is due passes that for ever;
ours asks for the cost and the queue too. (Convention matters: with a line of 100 such a system does recover.)
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.analyse import judge
from harness.analyse.evidence import gather
from harness.plan import make_plan
from harness.record.folder import RunFolder
from harness.sim import simulate
from harness.spec.load import parse_experiment

WINDOW_S = 0.25
END_S = 2.0 + 20.0 + 60.0 + 60.0  # of the load
PUBLISHED = Path(__file__).parents[2] / "experiments" / "published" / "queue_bound.yaml"


def run(root: Path, limit: int, seed: int) -> RunFolder:
    raw = yaml.safe_load(PUBLISHED.read_text())
    raw["conventions"]["late_replies"] = True
    raw["region"]["kv"]["admission"]["limit"] = limit
    raw["phases"]["recovery"] = "60s"
    raw["steady_state"] = {"goodput": ">= 50% of due", "p99": None, "for": "10s"}
    del raw["variants"], raw["expect"]
    plan = make_plan(parse_experiment(yaml.safe_dump(raw), f"k{limit}"), "base", seed, engine="world")
    folder = RunFolder.create(root, plan.name, "base", seed, "test")
    simulate(plan, folder)
    return folder


@pytest.mark.long
@pytest.mark.parametrize("limit", [120, 150])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_goodput_only_rule_passes_the_sick_run_and_ours_does_not(tmp_path: Path, limit: int, seed: int) -> None:
    folder = run(tmp_path, limit, seed)
    steady = gather(folder).steady
    goodput, amplification = steady.course("goodput"), steady.course("amplification")
    assert goodput is not None
    assert amplification is not None
    at_the_end = steady.windows.starts * WINDOW_S >= END_S - 10.0
    assert goodput.holds[at_the_end].all()  # all that a goodput-only rule asks for
    assert not amplification.holds[at_the_end].any()
    measures, _ = judge(folder)
    assert (measures["recovered"], measures["time_to_recover_s"]) == (False, None)
    assert measures["verdict"] == "degraded"
    assert measures["amplification"]["overall"] > 3.0


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_with_a_line_short_enough_the_same_rules_grant_recovery(tmp_path: Path, seed: int) -> None:
    measures, _ = judge(run(tmp_path, 35, seed))
    assert measures["recovered"] is True
