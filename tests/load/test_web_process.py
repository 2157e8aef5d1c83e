"""`blackstart web` as a person uses it: Start, buttons, Stop, Ctrl-C, and ways to end it that leave nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any, Self

import psutil
import pytest

from harness.analyse.evidence import gather
from harness.cli import run_words
from harness.load.web.feed import Merged
from harness.load.web.follow import SERIES, series_of
from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.record.journal import read_journal
from harness.record.rows import read_rows

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
QUICK = """
title: A short outage
seed: 7
region: {preset: small}
load: {mobile_banking: {arrivals: {rate: 80/s, process: even}, users: 50, mix: {transfer: 0.5, balance: 0.5}}}
phases: {warm_up: 0.5s, baseline: 2.5s, outage: 3s, recovery: 4s, drain: 0.5s}
timeline:
  - {at: outage.start, do: dns.empty_record, with: {for: 2s}}
  - {at: outage.end, do: dns.restore, fix: true}
steady_state: {for: 0.5s}
variants: {plain: {}, other: {client: {attempts: 2}}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Browser:
    """The page from outside."""

    def __init__(self, port: int, base: str = "") -> None:
        self._root = f"http://127.0.0.1:{port}{base}"
        self._open = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar())).open
        self._presses = 0
        self.token = ""

    def get(self, path: str) -> str:
        with self._open(self._root + path, timeout=10.0) as answer:
            return str(answer.read().decode())

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, Any]:
        known = {"X-Blackstart-Token": self.token, **headers}
        request = urllib.request.Request(self._root + path, body, known, method="POST")
        try:
            with self._open(request, timeout=20.0) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def press(self, deed: str, component: str, name: str, **how: Any) -> int:
        self._presses += 1
        body = {"deed": deed, "component": component, "name": name, "press": str(self._presses), **how}
        return self.post("/blackstart/press", json.dumps(body).encode())[0]

    def start(self) -> None:
        assert self.post("/swarm", b"user_count=1&spawn_rate=1")[0] == 200

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get("/blackstart/state"))
        return found

    def until(self, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        end_s = time.monotonic() + PATIENCE_S
        state: dict[str, Any] = {}
        while time.monotonic() < end_s:
            try:
                state = self.state()
            except (OSError, ValueError):
                state = {}
            if state and what(state):
                if not self.token:
                    found = re.search(r"[0-9a-f]{32}", self.get("/blackstart/"))
                    self.token = found[0] if found else ""
                return state
            time.sleep(0.05)
        raise AssertionError(f"never so: {state}")

    def ready(self) -> dict[str, Any]:
        return self.until(lambda state: state["ready"])

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        with self._open(self._root + "/blackstart/stream", timeout=PATIENCE_S) as stream:
            event = ""
            for line in stream:
                if line.startswith(b"event: "):
                    event = line[7:].decode().strip()
                elif line.startswith(b"data: "):
                    yield event, json.loads(line[6:])


class Web:
    """`blackstart web` in a process of its own."""

    def __init__(self, root: Path, *options: str, base: str = "", environ: dict[str, str] | None = None) -> None:
        self.runs = root / "runs"
        root.mkdir(exist_ok=True)
        (root / "quick.yaml").write_text(QUICK)
        port = free_port()
        words = ["web", str(root / "quick.yaml"), "--port", str(port), "--runs", str(self.runs), *options]
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from harness.cli import main; main()", *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(environ or {})},
        )
        self.page = Browser(port, base)
        self.known: list[psutil.Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        assert self.left() == []

    def note(self) -> None:
        """Remember the processes there are now."""
        self.known = psutil.Process(self.process.pid).children(recursive=True)

    def left(self) -> list[psutil.Process]:
        """Those that outlive the command by more than a few seconds."""
        return list(psutil.wait_procs(self.known, timeout=8.0)[1])

    def end(self, number: signal.Signals) -> int:
        self.note()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def folders(self) -> list[RunFolder]:
        return [RunFolder(path.parent) for path in sorted(self.runs.glob("*/*/plan.json"))]


@contextmanager
def web(root: Path, *options: str, base: str = "", environ: dict[str, str] | None = None) -> Iterator[Web]:
    with Web(root, *options, base=base, environ=environ) as found:
        yield found


# What a busy machine does to a run, as `validity` says it.
THE_MACHINE = re.compile(r"operations started more than|started operations late|event loop lag|of a core|other guests")


@pytest.mark.long
def test_a_run_begun_by_hand_is_recorded_judged_and_drawn_as_it_was_counted(tmp_path: Path) -> None:
    with web(tmp_path) as served:
        page = served.page
        assert page.ready()["components"] == ["dns", "kv", "mobile_banking"]
        assert page.post("/swarm", b"user_count=1&spawn_rate=1", Origin="http://elsewhere.example")[0] == 403
        events, merged, pressed, words = page.events(), Merged(), False, []
        assert next(events)[0] == "state"
        page.start()
        for event, data in events:
            if event == "tick":
                merged.add(data, whole=data["windows"]["from"] == 0)
                words.append(data["verdict_so_far"]["word"])
                if data["t_s"] > 1.0 and not pressed:
                    pressed = True
                    assert page.press("inject", "kv", "latency", params={"factor": 2}, ttl_s=0.5) == 200
            elif event == "ended":
                break
        reasons = data["measures"]["validity"]["reasons"]
        assert [reason for reason in reasons if not THE_MACHINE.search(reason)] == []
        if reasons:  # measured the machine; how the run went is for a quiet one to say
            assert (data["measures"]["verdict"], data["exit_code"]) == ("invalid", 3)
        else:
            assert (data["measures"]["verdict"], data["exit_code"]) == ("recovered", 0)
            assert {"waiting", "failing", "recovered"} <= set(words)
        (folder,) = [RunFolder(Path(data["run_folder"]))]
        windows = gather(folder).windows
        found = merged.all()
        assert found is not None
        counted = {name: [None if v != v else float(f"{v:.6g}") for v in s] for name, s in series_of(windows).items()}
        assert {name: found["windows"][name] for name in SERIES} == counted
        deeds = [(entry["who"], entry["kind"]) for entry in read_journal(folder.journal) if "press" in entry]
        assert deeds == [("operator", "inject")]
        assert page.get("/blackstart/report") == folder.report.read_text()
        page.ready()  # for the next run
        assert page.post("/blackstart/variant", b'{"variant": "other"}')[0] == 200
        page.until(lambda state: bool(state["ready"] and state["variant"] == "other"))
        assert served.end(signal.SIGINT) == 0
        assert [one.path for one in served.folders()] == [folder.path]  # what was never begun left nothing


@pytest.mark.long
def test_stop_closes_the_record_and_the_next_start_begins_another(tmp_path: Path) -> None:
    with web(tmp_path, "--by-hand") as served:
        page = served.page
        assert [entry["what"] for entry in page.ready()["planned"]] == ["dns.empty_record", "dns.restore"]
        page.start()
        page.until(lambda state: state["status"] == "running")
        time.sleep(1.5)
        assert page.post("/stop", b"")[0] == 200
        last = page.until(lambda state: state["status"] == "ended" and state["ready"])["last"]
        folder = RunFolder(Path(last["run_folder"]))
        manifest = folder.read_json(folder.manifest)
        assert (manifest["state"], "stopped by hand" in manifest["message"]) == ("stopped", True)
        assert all(read_rows(path).complete for path in folder.rows.glob("*.rows"))
        assert [entry for entry in read_journal(folder.journal) if entry["kind"] == "inject"] == []
        page.start()
        assert page.post("/stop", b"")[0] == 200  # before it began: nothing happened, so there is no record
        page.until(lambda state: not state["ready"])
        assert page.ready()["run_folder"] == str(folder.path)
        page.start()
        page.until(lambda state: state["status"] == "running")
        assert page.post("/stop", b"")[0] == 200  # the page shows the run, but its zero is still a moment ahead
        page.until(lambda state: state["status"] == "idle")
        assert page.ready()["run_folder"] is None
        page.start()
        page.until(lambda state: state["status"] == "running" and state["run_folder"] != str(folder.path))
        time.sleep(0.5)
        assert served.end(signal.SIGTERM) == 143
        (second,) = [one for one in served.folders() if one.path != folder.path]
        assert second.read_json(second.manifest)["state"] == "terminated"
        assert all(read_rows(path).complete for path in second.rows.glob("*.rows"))


@pytest.mark.long
def test_with_workers_the_tab_shows_what_they_record_and_a_worker_that_dies_is_told(tmp_path: Path) -> None:
    with web(tmp_path, "--processes", "2") as served:
        page = served.page
        page.ready()
        events, merged = page.events(), Merged()
        page.start()
        for event, data in events:
            if event == "tick":
                merged.add(data, whole=data["windows"]["from"] == 0)
            elif event == "ended":
                break
        assert (data["measures"]["verdict"], data["exit_code"]) == ("recovered", 0), data["measures"]["validity"]
        whole = RunFolder(Path(data["run_folder"]))
        told = whole.read_json(whole.manifest)["load"]
        planned = Plan.from_json(whole.read_json(whole.plan)).schedule().op.tolist()
        ops = [op for path in whole.rows.glob("load-?-operation.rows") for op in read_rows(path).rows["op"].tolist()]
        assert sorted(ops) == planned
        assert told["scheduled"] == told["started"] + told["dropped"] == told["rows"] == len(planned)
        assert (told["processes"], told["missing"], told["lost"]) == (2, 0, [])
        found = merged.all()
        assert found is not None
        offered = [value * found["windows"]["width_s"] for value in found["windows"]["offered_per_s"]]
        assert round(sum(offered)) == len(planned)  # what was drawn is what both workers wrote

        page.ready()
        page.start()
        page.until(lambda state: state["status"] == "running" and state["run_folder"] != str(whole.path))
        partial = RunFolder(Path(page.state()["run_folder"]))
        time.sleep(1.5)
        workers = {each["name"]: each["pid"] for each in partial.read_json(partial.path / "workers.json")["workers"]}
        os.kill(workers["load-1"], signal.SIGKILL)
        last = page.until(lambda state: state["status"] == "ended" and state["ready"])["last"]
        assert (last["run_folder"], last["exit_code"]) == (str(partial.path), 3)
        told = partial.read_json(partial.manifest)["load"]
        assert told["lost"] == ["load-1"]
        assert told["missing"] == told["share"] - told["rows"] > 0
        assert read_rows(partial.rows / "load-0-operation.rows").complete

        page.start()  # with whoever is left
        page.until(lambda state: state["status"] == "running" and state["run_folder"] != str(partial.path))
        time.sleep(1.5)
        assert page.post("/stop", b"")[0] == 200
        last = page.until(lambda state: state["status"] == "ended" and state["ready"])["last"]
        cut = RunFolder(Path(last["run_folder"]))
        told = cut.read_json(cut.manifest)["load"]
        assert [each["name"] for each in told["workers"]] == ["load-0"]
        assert told["scheduled"] == told["started"] + told["dropped"] == told["rows"]
        assert served.end(signal.SIGINT) == 3  # the worst of its runs


@pytest.mark.long
@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_killed_command_leaves_no_process_and_ctrl_c_in_a_run_is_130(tmp_path: Path, processes: str) -> None:
    for number, code in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
        with web(tmp_path / str(code), "--autostart", "--processes", processes) as served:
            served.page.until(lambda state: state["status"] == "running")
            assert served.end(number) == code
            assert served.left() == []


@pytest.mark.long
def test_with_login_and_base_path_nothing_is_shown_to_strangers(tmp_path: Path) -> None:
    environ = {"BLACKSTART_WEB_PASSWORD": "open sesame"}
    with web(tmp_path, "--web-login", "--web-base-path", "/drill", base="/drill", environ=environ) as served:
        page = served.page
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s:
            try:
                shown = page.get("/blackstart/state")
                break
            except OSError:
                time.sleep(0.1)
        assert "components" not in shown  # the login page
        form = urllib.parse.urlencode({"username": "operator", "password": "open sesame"}).encode()
        assert page.post("/blackstart/login", form)[0] == 200
        assert page.ready()["locust_url"] == "/drill/"
        assert '"/drill/blackstart/static/tab.js"' in page.get("/")
        assert served.end(signal.SIGINT) == 0


def test_a_port_that_is_taken_ends_it_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "quick.yaml").write_text(QUICK)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run_words(["web", str(tmp_path / "quick.yaml"), "--port", str(port), "--runs", str(tmp_path / "r")]) == 2
    assert f"--port {port}: cannot be opened on 127.0.0.1" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["absent.yaml"], "absent.yaml"),
        (["quick.yaml", "--variant", "none"], "plain, other"),
        (["quick.yaml", "--web-base-path", "drill"], "slash"),
        (["quick.yaml", "--port", "0"], "--port"),
        (["quick.yaml", "--seed", "-1"], "seed"),
    ],
)
def test_a_wrong_file_or_option_is_usage(
    tmp_path: Path, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "quick.yaml").write_text(QUICK)
    assert run_words(["web", str(tmp_path / options[0]), "--port", str(free_port()), *options[1:]]) == 2
    assert words in capsys.readouterr().err
