"""The words `sweep`, `threshold` and `reproduce`, as they are typed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from harness.cli import run_words
from harness.cli.sweep import line_of

FILE = """\
title: A slow spell
region:
  kv: {instances: 1, slots: 4, service: {mean: 25ms, distribution: fixed}, connection: {max_age: none}}
  mobile_banking: null
client: {deadline: 800ms, timeout: 200ms, attempts: 4, backoff: none}
load: {kv_reads: {arrivals: {rate: 50/s, process: even}}}
phases: {warm_up: 0s, baseline: 4s, outage: 400ms, recovery: 8s, drain: 1s}
timeline:
  - {at: outage.start, do: kv.latency, with: {mean: 100ms}}
  - {at: outage.end, do: kv.heal, with: {fault: latency}, fix: true}
steady_state: {p99: none, for: 2s}
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "spell.yaml"
    path.write_text(FILE)
    return str(path)


def typed(*words: str) -> list[str]:
    return [*words, "--engine", "world", "--workers", "1"]


def test_a_sweep_writes_tables_and_a_diagram_and_goes_on_from_them(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    over = ["--over", "phases.outage=0.4s..1s:2", "--over", "load.kv_reads.arrivals.rate=30/s..50/s:2"]
    words = typed("sweep", file, *over, "--seeds", "1", "--out", str(out))
    assert run_words(words) == 0
    said = capsys.readouterr()
    assert "0/1" in said.out
    assert {path.name for path in out.iterdir()} >= {"sweep.jsonl", "runs.csv", "cells.csv", "phase.svg", "phase.png"}
    with (out / "cells.csv").open() as table:
        rows = list(csv.DictReader(table))
    cells = [(row["phases.outage"], row["load.kv_reads.arrivals.rate"]) for row in rows]
    assert cells == [(length, rate) for length in ("0.4s", "1.0s") for rate in ("30.0/s", "50.0/s")]
    assert [row["chance"] for row in rows] == ["1.0", "1.0", "1.0", "0.0"]
    first = (out / "runs.csv").read_bytes()
    assert run_words([*words, "--json"]) == 0
    again = capsys.readouterr()
    assert "4 finished runs were found" in again.err
    assert [cell["chance"] for cell in json.loads(again.out)] == [1.0, 1.0, 1.0, 0.0]
    assert (out / "runs.csv").read_bytes() == first


def test_a_threshold_is_printed_with_its_interval(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = typed("threshold", file, "--over", "phases.outage=0.3s..1.1s", "--tolerance", "50ms", "--seeds", "1")
    assert run_words([*words, "--out", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["how"], found["rising"]) == ("bracket", False)
    assert found["low"] <= 0.64 <= found["high"]
    assert found["high"] - found["low"] <= 0.05 + 1e-9


def test_a_threshold_outside_the_range_exits_three(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = typed("threshold", file, "--over", "phases.outage=0.1s..0.3s", "--seeds", "1", "--out", str(tmp_path / "o"))
    assert run_words(words) == 3
    assert "both ends agree" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--over", "phases.outge=1s,2s"], "did you mean 'outage'"),
        ([], "no axis; give --over"),
        (["--over", "phases.outage=2s..1s:3"], "is empty"),
        (["--over", "client.attempts=1..30"], "client.attempts=21"),
        (["--over", "phases.outage=1s,2s", "--design", "lhs"], "needs --cells"),
        (["--over", "phases.outage=1s,2s", "--variant", "nobody"], "no variant 'nobody'"),
    ],
)
def test_what_cannot_be_swept_exits_two_with_the_reason(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    out = tmp_path / "out"
    assert run_words(typed("sweep", file, *words, "--out", str(out))) == 2
    assert says in capsys.readouterr().err
    assert not out.exists()


def test_an_enormous_grid_asks_for_yes_with_the_estimate(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    over = ["--over", "phases.outage=0.4s..1s:1000", "--over", "load.kv_reads.arrivals.rate=30/s..50/s:1000"]
    assert run_words(typed("sweep", file, *over, "--out", str(tmp_path / "out"))) == 2
    said = capsys.readouterr().err
    assert "5,000,000 runs to do, about" in said
    assert "say --yes" in said


def test_a_cluster_without_dask_says_what_to_install(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    words = ["sweep", file, "--over", "phases.outage=1s,2s", "--cluster", "local", "--out", str(tmp_path / "out")]
    assert run_words(words) == 4
    assert "pip install blackstart[cluster]" in capsys.readouterr().err


def test_the_progress_line_tells_the_time_left() -> None:
    assert line_of(30, 10, 110, 10.0) == "30 of 110 runs, 2 a second, 40 s left"
    assert line_of(10, 10, 110, 0.0) == "10 of 110 runs, 0 a second, no run finished yet"


def test_reproduce_prints_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_words(["reproduce", "--only", "R7", "--seeds", "4"]) == 0
    said = capsys.readouterr().out
    assert "mbrooker/simulator_example, cache_sim" in said
    assert "6 of 6 published numbers found again with 4 seeds" in said
    assert run_words(["reproduce", "--only", "R7", "--seeds", "4", "--json"]) == 0
    lines = json.loads(capsys.readouterr().out)
    assert {"source", "what", "published", "ours", "interval", "verdict", "rule"} <= set(lines[0])


def test_reproduce_refuses_a_result_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_words(["reproduce", "--only", "R99"]) == 2
    assert "there are R1, R5" in capsys.readouterr().err
