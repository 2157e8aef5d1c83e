"""The curves of the page are the windows of the record, while it grows and when it is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.analyse import backlog
from harness.analyse.evidence import gather
from harness.load.web.feed import Merged
from harness.load.web.follow import SERIES, Follower, series_of
from harness.load.web.watching import Watching
from harness.record.folder import RunFolder

STEPS = 12


def plain(values: Any) -> list[float | None]:
    return [None if value != value else float(f"{value:.6g}") for value in values.tolist()]


def grown(source: RunFolder, path: Path) -> tuple[RunFolder, Callable[[float], None]]:
    """A folder that grows into a copy of `source`, to a share of every file's bytes at a time."""
    folder = RunFolder(path)
    (path / "rows").mkdir(parents=True)
    folder.plan.write_bytes(source.plan.read_bytes())
    files = [*source.rows.glob("*.rows"), source.gauges, source.journal]

    def grow(share: float) -> None:
        for file in files:
            data = file.read_bytes()
            (path / file.relative_to(source.path)).write_bytes(data[: int(len(data) * share)])

    return folder, grow


@pytest.fixture
def recorded(simulated: Any) -> RunFolder:
    folder: RunFolder = simulated("dns_race", "budget")
    return folder


def test_what_was_drawn_piece_by_piece_is_what_the_analysis_counts(recorded: RunFolder, tmp_path: Path) -> None:
    folder, grow = grown(recorded, tmp_path / "run")
    facts = folder.read_json(folder.plan)
    follower, merged = Follower(folder, facts), Merged()
    for step in range(1, STEPS + 1):
        grow(step / STEPS)
        merged.add(json.loads(json.dumps(follower.tick(facts["end_s"] * step / STEPS), allow_nan=False)))
    merged.add(follower.tick(facts["end_s"] + 1.0))  # all windows have settled
    found = merged.all()
    assert found is not None
    evidence = gather(recorded)
    assert set(SERIES) <= set(found["windows"])
    assert {name: found["windows"][name] for name in SERIES} == {
        name: plain(values) for name, values in series_of(evidence.windows).items()
    }
    assert found["backlog"]["by_component"] == {
        name: plain(values) for name, values in backlog.waiting(evidence.windows).items()
    }
    assert sum(found["windows"]["goodput_per_s"]) > 0


def test_a_run_read_whole_is_the_same_again(recorded: RunFolder) -> None:
    facts = recorded.read_json(recorded.plan)
    tick = Follower(recorded, facts, whole=True).tick(facts["end_s"])
    windows = gather(recorded).windows
    assert tick["windows"]["from"] == 0
    assert {name: tick["windows"][name] for name in SERIES} == {n: plain(v) for n, v in series_of(windows).items()}


def test_a_tick_carries_only_what_changed(recorded: RunFolder) -> None:
    facts = recorded.read_json(recorded.plan)
    follower = Follower(recorded, facts)
    follower.tick(10.0)
    again = follower.tick(10.0)
    assert again["windows"]["offered_per_s"] == []
    assert again["events"] == []
    later = follower.tick(11.0)
    assert (later["windows"]["from"], len(later["windows"]["offered_per_s"])) == (38, 4)


def test_the_verdict_so_far_ends_in_the_verdict(recorded: RunFolder) -> None:
    facts = recorded.read_json(recorded.plan)
    told = Follower(recorded, facts).tick(facts["end_s"] + 1.0)
    measures = recorded.read_json(recorded.measures)
    so_far = told["verdict_so_far"]
    assert (so_far["word"], so_far["recovered_s"]) == (measures["verdict"], measures["t_recovered_s"])
    assert told["generator"]["dropped"] == measures["load"]["dropped"]
    assert told["generator"]["valid"] is measures["validity"]["valid"]


def test_before_the_baseline_is_over_nothing_is_said(recorded: RunFolder) -> None:
    facts = recorded.read_json(recorded.plan)
    told = Follower(recorded, facts).tick(4.0)
    assert (told["verdict_so_far"]["word"], told["verdict_so_far"]["lines"]) == ("waiting", [])
    assert told["phase"] == "baseline"


def test_a_deed_is_told_once_and_its_fix_is_marked(recorded: RunFolder) -> None:
    facts = recorded.read_json(recorded.plan)
    events = Follower(recorded, facts).tick(facts["end_s"])["events"]
    told = [(event["who"], event["kind"]) for event in events if event["what"].startswith("dns.")]
    assert told == [
        ("orchestrator", "inject"), ("orchestrator", "heal"), ("orchestrator", "action"), ("orchestrator", "fix"),
    ]  # fmt: skip
    assert [event["what"] for event in events if event["fix"]] == ["dns.restore"]


def test_a_folder_that_cannot_be_followed_is_said_once_and_let_go(tmp_path: Path, recorded: RunFolder) -> None:
    facts = recorded.read_json(recorded.plan)
    folder = RunFolder(tmp_path)
    folder.write_json(folder.plan, {**facts, "spec": {"steady_state": {"goodput": "much"}}})
    watching = Watching()
    assert watching.told({"follow": str(tmp_path)}) == []
    (line,) = watching.turn()
    assert line["run"] == str(tmp_path)
    assert str(folder.plan) in line["error"] or "plan" in line["error"]
    assert watching.turn() == []


def test_a_folder_without_a_plan_is_waited_for(tmp_path: Path) -> None:
    watching = Watching()
    watching.told({"follow": str(tmp_path)})
    assert watching.turn() == []
    assert watching.told({"rest": True}) == []
