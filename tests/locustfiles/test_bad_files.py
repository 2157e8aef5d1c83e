"""What can be wrong when somebody starts Locust by hand on this project's files: said in words, with an exit code.

The same mistakes with the plugin are in `tests/load/test_plugin.py`. All processes here are started at once.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
KV_READS = ROOT / "locustfiles/kv_reads.py"
DERIVED = """
from harness.flows.stories import kv_reads
from harness.load.hooks import Pacer

class Reader(Pacer):
    story = kv_reads.STORY

    def on_start(self):
        raise RuntimeError("no account left")
"""
FILES = {
    "syntax": "class One(HttpUser:\n    pass\n",
    "no_user": "from harness.load.hooks import Pacer\n",
    "on_start": DERIVED,
    "foreign": "from locust import User, task\nclass Other(User):\n    @task\n    def nothing(self):\n        pass\n",
}
EXPERIMENT = """
title: t
region: {preset: small, mobile_banking: null}
load: {kv_reads: {arrivals: {rate: 50/s}}}
phases: {warm_up: 0s, baseline: 200ms, outage: 200ms, recovery: 200ms, drain: 200ms}
timeline:
  - {at: outage.start, do: kv.latency, with: {mean: 30ms, for: 100ms}}
  - {at: outage.end, do: kv.drop_queue, fix: true}
variants: {naive: {}}
"""
pytestmark = pytest.mark.long


class Tried(NamedTuple):
    code: int
    said: str
    load: Any


@pytest.fixture(scope="module")
def tried(make_load: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tried]:
    root, loads = tmp_path_factory.mktemp("their"), {}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for name, text in FILES.items():
            path = root / f"{name}.py"
            path.write_text(text)
            loads[name] = make_load(EXPERIMENT)
            loads[name].play(path, "--headless", "-u", "1", "-t", "2s")
        loads["host"] = make_load(EXPERIMENT)
        region = loads["host"].folder.read_json(loads["host"].folder.region)
        region["components"]["kv"]["addresses"] = ["192.0.2.7"]
        loads["host"].folder.write_json(loads["host"].folder.region, region)
        loads["host"].play(KV_READS, "--headless", "-u", "1")
        loads["port"] = make_load(EXPERIMENT)
        loads["port"].play(KV_READS, "--web-host", "127.0.0.1", "--web-port", port)
        return {name: Tried(load.wait(), load.log(), load) for name, load in loads.items()}


def test_a_syntax_error_is_shown_with_its_line(tried: dict[str, Tried]) -> None:
    code, said, _ = tried["syntax"]
    assert code != 0
    assert "class One(HttpUser:" in said
    assert "SyntaxError" in said


def test_a_file_without_a_story_says_that_it_has_no_user(tried: dict[str, Tried]) -> None:
    code, said, _ = tried["no_user"]
    assert code != 0
    assert "No User class found" in said


def test_a_file_that_plays_nothing_of_the_plan_is_told_which_would(tried: dict[str, Tried]) -> None:
    """Without one of ours Locust does not know us, and has only the foreign file to run: the record stays empty."""
    _, _, load = tried["foreign"]
    assert list(load.folder.rows.iterdir()) == []


def test_a_user_that_raises_in_on_start_leaves_no_silent_run(tried: dict[str, Tried]) -> None:
    code, said, load = tried["on_start"]
    assert "no account left" in said
    assert code != 0
    assert not list(load.folder.rows.iterdir())


def test_a_host_that_is_not_allowed_is_named_before_any_load(tried: dict[str, Tried]) -> None:
    code, said, load = tried["host"]
    assert code == 2
    assert "kv: its address is 192.0.2.7, which is not on loopback" in said
    assert "Traceback" not in said
    assert not list(load.folder.rows.iterdir())


def test_a_page_whose_port_is_taken_ends_with_the_reason(tried: dict[str, Tried]) -> None:
    code, said, load = tried["port"]
    assert code == 2
    assert "on 127.0.0.1 cannot be opened (Address already in use); choose another with --web-port" in said
    assert "Traceback" not in said
    assert not list(load.folder.rows.iterdir())
