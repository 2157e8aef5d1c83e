"""The Recovery tab on somebody's own locustfile, in Locust's own page: started, watched and stopped from there."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from harness.record.folder import RunFolder
from harness.record.journal import read_journal

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "harness/load/plugin.py"
PATIENCE_S = 60.0
THEIRS = """
from locust import HttpUser, constant, task

class Visitor(HttpUser):
    wait_time = constant(0.05)

    @task
    def visit(self):
        self.client.get("/")
"""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def service() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def locust(
    root: Path, host: str, port: int, *options: str, theirs: str = THEIRS, variant: str | None = "first"
) -> Iterator[subprocess.Popen[str]]:
    (root / "theirs.py").write_text(theirs)
    words = ["-f", f"{root / 'theirs.py'},{PLUGIN}", "--web-port", str(port), *(["--host", host] if host else [])]
    words += ["--blackstart-runs", str(root / "runs"), *options]
    words += ["--blackstart-variant", variant] if variant else []
    process = subprocess.Popen(
        [sys.executable, "-m", "locust", *words],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert process.stderr is not None
        process.stderr.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def asked(url: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, body, headers, method="GET" if body is None else "POST")
    try:
        with urllib.request.urlopen(request, timeout=20.0) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def until(url: str, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    end_s = time.monotonic() + PATIENCE_S
    state: dict[str, Any] = {}
    while time.monotonic() < end_s:
        try:
            state = json.loads(asked(f"{url}/blackstart/state")[1])
        except OSError:
            state = {}
        if state and what(state):
            return state
        time.sleep(0.05)
    raise AssertionError(f"never so: {state}")


@pytest.mark.long
def test_anyones_locustfile_has_the_tab_and_every_start_is_a_record_of_its_own(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with service() as host, locust(tmp_path, host, port, "--web-host", "0.0.0.0") as process:
        idle = until(url, lambda state: bool(state["ready"]))
        assert (idle["status"], idle["variants"], idle["verbs"]) == ("idle", ["first"], [])
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", port), timeout=2.0)  # bound to 127.0.0.1 alone
        assert '/blackstart/static/tab.js"' in asked(f"{url}/")[1]
        assert asked(f"{url}/stop", b"", Origin="http://elsewhere.example")[0] == 403
        found = re.search(r"[0-9a-f]{32}", asked(f"{url}/blackstart/")[1])
        assert found is not None
        folders = []
        for _ in range(2):
            assert asked(f"{url}/swarm", b"user_count=3&spawn_rate=3&run_time=4s")[0] == 200
            until(url, lambda state: state["status"] == "running")
            with urllib.request.urlopen(f"{url}/blackstart/stream", timeout=20.0) as stream:
                tick = next(json.loads(line[6:]) for line in stream if line.startswith(b'data: {"t_s"'))
            assert tick["status"] == "running"
            body = {"deed": "action", "component": "kv", "name": "drop_queue", "press": f"p{len(folders)}"}
            headers = {"X-Blackstart-Token": found[0], "Content-Type": "application/json"}
            assert asked(f"{url}/blackstart/press", json.dumps(body).encode(), **headers)[0] == 404  # no region here
            ended = until(url, lambda state: bool(state["status"] == "ended" and state["report_url"]))
            folders.append(RunFolder(Path(ended["last"]["run_folder"])))
            measures = folders[-1].read_json(tmp_path / folders[-1].measures)
            assert ended["last"]["verdict"] == measures["verdict"]
            assert measures["load"]["started"] > 50
            assert asked(f"{url}/blackstart/report")[1] == (tmp_path / folders[-1].report).read_text()
        assert folders[0].path != folders[1].path
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == ended["last"]["exit_code"]


EXPERIMENT = """
title: Theirs, on a region of ours
phases: {warm_up: 0.5s, baseline: 1.5s, outage: 1.5s, recovery: 2s, drain: 0.5s}
timeline:
  - {at: outage.start, do: kv.latency, with: {factor: 2, for: 1s}}
  - {at: outage.end, do: kv.drop_queue, fix: true}
"""
READERS = """
from locust import HttpUser, constant, task

class Reader(HttpUser):
    host = "http://kv.region.test:8000"
    wait_time = constant(0.05)

    @task
    def read(self):
        self.client.post("/read", json={"table": "accounts", "key": "1"})
"""


@contextmanager
def region(root: Path) -> Iterator[None]:
    words = [sys.executable, "-c", "from harness.cli import main; main()", "serve", "small"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        words, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ
    )
    try:
        assert process.stdout is not None
        assert next(line for line in process.stdout if line.startswith("end "))
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_S)
        process.stdout.close()


@pytest.mark.long
def test_what_is_left_to_hands_is_done_by_buttons_alone(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    (tmp_path / "ours.yaml").write_text(EXPERIMENT)
    options = ("--blackstart-experiment", "ours.yaml", "--blackstart-by-hand")
    with region(tmp_path), locust(tmp_path, "", port, *options, theirs=READERS, variant=None) as process:
        idle = until(url, lambda state: bool(state["ready"]))
        assert [entry["what"] for entry in idle["planned"]] == ["kv.latency", "kv.drop_queue"]
        found = re.search(r"[0-9a-f]{32}", asked(f"{url}/blackstart/")[1])
        assert found is not None
        headers = {"X-Blackstart-Token": found[0], "Content-Type": "application/json"}

        def press(deed: str, name: str, **how: Any) -> int:
            body = {"deed": deed, "component": "kv", "name": name, "press": f"{deed}-{name}", **how}
            return asked(f"{url}/blackstart/press", json.dumps(body).encode(), **headers)[0]

        assert press("action", "drop_queue") == 409  # no run goes on
        assert asked(f"{url}/swarm", b"user_count=3&spawn_rate=3")[0] == 200
        until(url, lambda state: state["status"] == "running")
        time.sleep(2.1)
        assert press("inject", "latency", params={"factor": 2}, ttl_s=30.0) == 200
        assert press("inject", "latency", params={"factor": 2}, ttl_s=30.0) == 409
        time.sleep(0.5)
        assert press("action", "drop_queue", fix=True) == 200
        ended = until(url, lambda state: state["status"] == "ended")
        folder = RunFolder(tmp_path / ended["last"]["run_folder"])
        kinds = ("inject", "heal", "action", "fix")
        deeds = [entry for entry in read_journal(folder.journal) if entry["kind"] in kinds]
        assert [(entry["who"], entry["kind"], entry["what"]) for entry in deeds] == [
            ("operator", "inject", "kv.latency"),
            ("operator", "action", "kv.drop_queue"),
            ("operator", "fix", "kv.drop_queue"),
            ("operator", "heal", "undo"),
        ]
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == ended["last"]["exit_code"]


@pytest.mark.long
def test_a_page_whose_port_is_taken_is_said_and_is_usage(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with service() as host, locust(tmp_path, host, port) as process:
            assert process.stderr is not None
            said = process.stderr.read()
            assert process.wait(PATIENCE_S) == 2
    assert f"port {port} on 127.0.0.1 cannot be opened" in said
    assert not (tmp_path / "runs").exists()
