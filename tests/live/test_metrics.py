"""The run's own /metrics: what the orchestrator has heard so far, on a port that can be told to Prometheus."""

from __future__ import annotations

import shutil
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness.errors import SpecError
from harness.live.events import Edge, PhaseBegan, Probed, Tick
from harness.live.metrics import HOST, MetricsPort
from harness.plan import Plan, make_plan
from harness.spec.load import parse_experiment

TEXT = """
title: t
load: {kv_reads: {arrivals: {rate: 10/s}}}
timeline:
  - {at: outage.start, do: kv.latency, with: {factor: 4, for: 1s}}
  - {at: outage.end, do: kv.drop_queue, fix: true}
"""


@pytest.fixture
def plan() -> Plan:
    return make_plan(parse_experiment(TEXT, "slow"), "base", 9)


@pytest.fixture
def port() -> int:
    with socket.create_server((HOST, 0)) as sock:
        return int(sock.getsockname()[1])


def scraped(port: int) -> tuple[bytes, dict[str, float]]:
    with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=5) as answer:
        body: bytes = answer.read()
    samples = [sample for family in text_string_to_metric_families(body.decode()) for sample in family.samples]
    return body, {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value for sample in samples
    }


def test_a_scrape_finds_what_the_run_has_told(plan: Plan, port: int) -> None:
    with MetricsPort(plan, port) as board:
        _, found = scraped(port)
        assert found["blackstart_run_info live slow 9 base"] == 1.0
        assert found["blackstart_run_fixed"] == 0.0
        assert "blackstart_run_canary_up" not in found  # nobody has probed yet
        board.hear(PhaseBegan("outage", 10.0, 20.0))
        board.hear(Edge(10.0, "kv.latency", False))
        board.hear(Edge(20.0, "kv.drop_queue", True))
        board.hear(Probed(20.5, True, ""))
        board.hear(Tick(21.0, {("kv", "waiting_queue"): 7.0, ("host", "steal_share"): 0.01}))
        _, found = scraped(port)
    assert found["blackstart_run_phase outage"] == 1.0
    assert found["blackstart_run_phase recovery"] == 0.0
    assert found["blackstart_run_time_seconds"] == 21.0
    assert found["blackstart_run_edges_total"] == 2.0
    assert (found["blackstart_run_fixed"], found["blackstart_run_canary_up"]) == (1.0, 1.0)
    assert found["blackstart_waiting_queue kv"] == 7.0
    with pytest.raises(OSError, match="refused"):
        scraped(port)  # the port went with the run


def test_promtool_has_nothing_to_say_of_it(plan: Plan, port: int) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool here; Debian's package prometheus has it")
    with MetricsPort(plan, port) as board:
        board.hear(Probed(20.5, True, ""))
        board.hear(Tick(21.0, {("kv", "waiting_queue"): 7.0, ("host", "steal_share"): 0.01}))
        body, _ = scraped(port)
    done = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_port_that_is_taken_is_said_before_anything_starts(plan: Plan, tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        number = taken.getsockname()[1]
        with (
            pytest.raises(SpecError, match=f"--metrics-port: {HOST}:{number} is taken; name another port"),
            MetricsPort(plan, number),
        ):
            pass
