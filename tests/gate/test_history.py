"""History: what runs were worth, kept once each, in order of time, and honest about changes."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from harness.cli import run_words
from harness.errors import RecordError, SpecError
from harness.gate.history import History, find
from harness.record.folder import RunFolder
from harness.report.history import changes, history_figure, points, write_history
from tests.gate.planted_lines import VERDICT, invalid, recovers, runs, stuck


def dated(folder: RunFolder, started: str) -> RunFolder:
    folder.write_json(folder.manifest, {"started": f"{started}.123Z", "versions": {"blackstart": "0.1.0"}})
    return folder


@pytest.fixture
def kept(tmp_path: Path) -> list[RunFolder]:
    folders = runs(tmp_path / "runs", [VERDICT], recovers(seed=1), recovers(seed=2), stuck(seed=1), invalid(seed=3))
    days = ("2026-11-03T10:00:00", "2026-11-01T10:00:00", "2026-11-02T10:00:00", "2026-11-04T10:00:00")
    return [dated(folder, day) for folder, day in zip(folders, days, strict=True)]


def test_runs_stand_in_order_of_time_by_variant_with_their_values(kept: list[RunFolder]) -> None:
    with History() as history:
        assert history.take(kept) == []
        entries = history.entries()
    assert [(entry.variant, entry.seed, entry.verdict) for entry in entries] == [
        ("budget", 2, "recovered"), ("budget", 1, "recovered"), ("budget", 3, "invalid"), ("naive", 1, "metastable"),
    ]  # fmt: skip
    assert entries[0].values["time_to_recover_s"] == 2.0
    assert [entry.valid for entry in entries] == [True, True, False, True]
    assert "time_to_recover_s" not in entries[3].values
    assert entries[3].values["censored"] == 1.0


def test_taking_a_run_twice_changes_nothing_and_a_file_keeps_what_folders_lose(
    kept: list[RunFolder], tmp_path: Path
) -> None:
    path = tmp_path / "history.sqlite"
    with History(path) as history:
        history.take(kept)
        first = history.entries()
        history.take(kept)
        assert history.entries() == first
    with History(path) as history:
        assert history.entries() == first
        assert [entry.variant for entry in history.entries(variants=["naive"])] == ["naive"]
        assert history.entries(experiment="other") == []


def test_a_damaged_run_is_left_out_with_a_sentence(kept: list[RunFolder]) -> None:
    kept[0].plan.write_text("{")
    with History() as history:
        (note,) = history.take(kept)
        assert "not valid JSON" in note
        assert note.endswith("left out")
        assert len(history.entries()) == 3


def test_what_is_no_history_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    path.write_bytes(b"not a database at all, but long enough to look like one" * 20)
    with pytest.raises(SpecError, match="not a history"):
        History(path)
    newer = tmp_path / "newer.sqlite"
    with sqlite3.connect(newer) as base:
        base.executescript("CREATE TABLE run (a); PRAGMA user_version = 7;")
    base.close()
    with pytest.raises(SpecError, match="a history of version 7"):
        History(newer)
    with pytest.raises(RecordError, match="no run folder here"):
        find([tmp_path])


def test_the_word_tells_lists_and_draws(
    kept: list[RunFolder], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = kept[0].read_json(kept[0].plan)
    kept[0].write_json(kept[0].plan, {**plan, "fingerprint": "feedfeedfeedfeed"})
    words = ["history", str(tmp_path / "runs"), "--db", str(tmp_path / "h.sqlite")]
    assert run_words(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "planted / budget, live: 3 runs, 2 of 2 valid ones recovered"
    assert "another experiment: feedfeedfeedfeed" in lines[2]
    assert "not in 20 s" in lines[-1]
    assert run_words(["history", "--db", str(tmp_path / "h.sqlite"), "--variant", "budget", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
    assert run_words(["history"]) == 2
    assert run_words([*words, "--measure", "speed"]) == 2
    assert run_words([*words, "--experiment", "none"]) == 2
    assert run_words(["history", str(tmp_path / "nowhere")]) == 2


def test_the_chart_shows_reached_missed_and_invalid_runs_and_where_the_experiment_changed(
    kept: list[RunFolder], tmp_path: Path
) -> None:
    with History() as history:
        history.take(kept)
        entries = [entry._asdict() for entry in history.entries()]
    shown = points(entries, "time_to_recover_s")
    assert [(point["variant"], point["run"], point["v"]) for point in shown] == [
        ("budget", "reached", 2.0), ("budget", "reached", 2.0), ("budget", "invalid", 2.0),
        ("naive", "not reached", 20.0),
    ]  # fmt: skip
    assert changes(entries) == []
    entries[1]["fingerprint"] = "another"
    assert [change["t"] for change in changes(entries)] == ["2026-11-03T10:00:00Z", "2026-11-04T10:00:00Z"]
    assert history_figure(entries, "time_to_recover_s", "t").spec["layer"]
    drawn = write_history(entries, "time_to_recover_s", "t", tmp_path / "charts", "trend")
    assert drawn.read_bytes().startswith(b"\x89PNG")
    assert "<svg" in drawn.with_suffix(".svg").read_text()
