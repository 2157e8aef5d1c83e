"""Anyone's locustfile is recorded to the last request, and what is wrong with one is said.

The locustfiles in `locustfiles/` are written the way Locust's documentation teaches, and are recorded unchanged.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pytest

from harness.cli import run_words
from harness.flows.wants import Cause, Result
from harness.record.folder import RunFolder
from harness.record.journal import read_journal
from harness.record.layouts import Outcome
from harness.record.rows import RowFile, read_rows

HERE = Path(__file__).parent
PLUGIN = HERE.parents[1] / "harness/load/plugin.py"
FILES = HERE / "locustfiles"
PATIENCE_S = 60.0
AT_ONCE = 4


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def handle_request(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = re.fullmatch(r"/status/(\d+)", self.path)
        status = int(found[1]) if found else 200
        server: Any = self.server
        with server.lock:
            server.asked[f"{self.command} {self.path}"] += 1
        if self.path == "/slow":
            time.sleep(0.05)
        if self.path == "/hang":
            server.released.wait(PATIENCE_S)
        body = b'{"n": 1}'
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = handle_request  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """A client that went away is no error of this service."""


class Counting:
    """The service, on a free port of loopback. `asked` counts requests by method and path."""

    def __enter__(self) -> Self:
        self._server: Any = _Server(("127.0.0.1", 0), _Handler)
        self.asked = self._server.asked = Counter[str]()
        self._server.lock, self._server.released = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def total(self) -> int:
        """All requests that reached it."""
        return sum(self.asked.values())


class Recorded(NamedTuple):
    """What one Locust process left behind. `folder` is None when there is no record."""

    code: int
    said: str
    folder: RunFolder | None

    def rows(self, kind: str) -> RowFile:
        """The row file of one kind."""
        assert self.folder is not None, self.said
        return read_rows(self.folder.rows / f"load-0-{kind}.rows")

    def json(self, name: str) -> dict[str, Any]:
        """One of the folder's JSON files."""
        assert self.folder is not None, self.said
        return self.folder.read_json(self.folder.path / name)

    def journal(self, kind: str) -> list[dict[str, Any]]:
        """Journal entries of one kind."""
        assert self.folder is not None, self.said
        return [entry for entry in read_journal(self.folder.journal) if entry["kind"] == kind]


def start(cwd: Path, files: str, *options: str, ui: bool = False) -> subprocess.Popen[str]:
    """Locust with the plugin, as somebody would start it; output goes to one pipe."""
    env = {name: text for name, text in os.environ.items() if not name.startswith(("LOCUST", "BLACKSTART"))}
    argv = [sys.executable, "-m", "locust", "-f", files, *([] if ui else ["--headless", "--only-summary"]), *options]
    return subprocess.Popen(
        argv, cwd=cwd, env=env, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def finished(process: subprocess.Popen[str], cwd: Path) -> Recorded:
    """Wait for it, and find its folder."""
    try:
        said, _ = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    found = sorted((cwd / "runs").glob("*/*/plan.json"))
    assert len(found) <= 1
    return Recorded(process.returncode, said, RunFolder.open(found[0].parent) if found else None)


OPTIONS = {
    "http_user": ("-u", "8", "-r", "8", "-t", "3s"),
    "fast_http_user": ("-u", "6", "-r", "6", "-t", "3s"),
    "task_sets": ("-u", "6", "-r", "6", "-t", "3s"),
    "sequential": ("-u", "6", "-r", "6", "-t", "3s"),
    "shape": (),
    "tagged": ("-u", "6", "-r", "6", "-t", "3s", "--tags", "wanted"),
    "catch_response": ("-u", "4", "-r", "4", "-t", "3s"),
    "several_users": ("-u", "9", "-r", "9", "-t", "3s", "--reset-stats"),
}
NOT_ON_THE_WIRE = {"several_users": "CLOCK"}  # a user whose requests are no requests
pytestmark = pytest.mark.long


class Case(NamedTuple):
    recorded: Recorded
    server: Counting
    statistics: list[dict[str, Any]]


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    """All of them, four side by side, each against a service of its own."""
    root, found = tmp_path_factory.mktemp("plugin"), {}
    names = list(OPTIONS)
    for first in range(0, len(names), AT_ONCE):
        with ExitStack() as stack:
            running = {}
            for name in names[first : first + AT_ONCE]:
                (root / name).mkdir()
                server = stack.enter_context(Counting())
                files = f"{FILES / f'{name}.py'},{PLUGIN}"
                process = start(root / name, files, "-H", server.url, "--json-file", "told", *OPTIONS[name])
                running[name] = (process, server)
            for name, (process, server) in running.items():
                recorded = finished(process, root / name)
                found[name] = Case(recorded, server, json.loads((root / name / "told.json").read_text()))
    return found


def worth(measures: dict[str, Any]) -> int:
    """The exit code of a run without an experiment file: 0 within the lines, 1 not, 3 when it cannot be told."""
    return 3 if not measures["validity"]["valid"] else 0 if measures["recovered"] else 1


def test_eight_locustfiles_are_tried() -> None:
    assert set(OPTIONS) == {path.stem for path in FILES.glob("*.py")}


@pytest.mark.parametrize("name", OPTIONS)
def test_rows_are_what_the_server_counted(name: str, cases: dict[str, Case]) -> None:
    case = cases[name]
    rows = case.recorded.rows("operation")
    other = {entry["name"]: entry["num_requests"] for entry in case.statistics if entry["method"] == "CLOCK"}
    assert rows.complete
    assert case.server.total > 30, case.recorded.said
    stories = Counter(rows.names["story"][number] for number in rows.rows["story"])
    on_the_wire = sum(count for story, count in stories.items() if story != "Clock")
    assert on_the_wire == case.server.total
    assert (name in NOT_ON_THE_WIRE) == bool(other)
    assert not (rows.rows["outcome"] == Outcome.UNFINISHED).any()
    assert sorted(rows.rows["op"]) == list(range(1, rows.rows.size + 1))
    assert case.recorded.rows("attempt").rows.size == rows.rows.size


@pytest.mark.parametrize("name", OPTIONS)
def test_the_run_is_judged_and_its_record_counted(name: str, cases: dict[str, Case]) -> None:
    case = cases[name]
    measures = case.recorded.json("measures.json")
    rows = case.recorded.rows("operation")
    assert measures["reconcile"]["scheduled"] == measures["reconcile"]["operations"] == rows.rows.size
    assert measures["reconcile"]["missing"] == 0
    assert not [why for why in measures["validity"]["reasons"] if "Locust's statistics" in why]
    assert not case.recorded.journal("stop")
    assert case.recorded.code == worth(measures), case.recorded.said
    assert case.recorded.json("manifest.json")["exit_code"] == case.recorded.code


@pytest.mark.parametrize("name", [name for name in OPTIONS if name != "several_users"])
def test_locust_s_own_statistics_are_those_it_has_without_us(name: str, cases: dict[str, Case]) -> None:
    case = cases[name]
    rows = case.recorded.rows("operation").rows
    assert sum(entry["num_requests"] for entry in case.statistics) == case.server.total
    assert sum(entry["num_failures"] for entry in case.statistics) == (rows["outcome"] > Outcome.LATE).sum()


def test_every_user_class_is_a_story_and_every_host_an_app(cases: dict[str, Case]) -> None:
    case = cases["several_users"]
    rows = case.recorded.rows("operation")
    asked = case.server.asked
    stories = Counter(rows.names["story"][number] for number in rows.rows["story"])
    assert set(stories) == {"Reader", "Writer", "Administrator", "Clock"}
    assert stories["Reader"] == asked["GET /read"]
    assert stories["Writer"] == asked["POST /write"]
    assert stories["Administrator"] == asked["GET /report"]
    assert set(rows.rows["app"]) == {0}
    assert rows.names["app"][0] == case.server.url.removeprefix("http://")


def test_a_locustfile_s_own_word_on_success_stands(cases: dict[str, Case]) -> None:
    case = cases["catch_response"]
    asked = case.server.asked
    rows = case.recorded.rows("operation").rows
    count = Counter(Outcome(number) for number in rows["outcome"])
    attempts = case.recorded.rows("attempt").rows
    assert count[Outcome.THROTTLED] == asked["GET /status/429"] > 0
    assert (attempts["status"][rows["outcome"] == Outcome.GOOD] == 404).sum() == asked["GET /status/404"]
    failed_with = Counter(attempts["status"][rows["outcome"] == Outcome.FAILED].tolist())
    assert failed_with[500] == asked["GET /status/500"]
    assert set(failed_with) == {200, 500}
    assert [entry["text"] for entry in case.recorded.journal("note") if "ValueError" in entry["text"]]


def test_tags_choose_tasks_as_ever(cases: dict[str, Case]) -> None:
    assert set(cases["tagged"].server.asked) == {"GET /wanted", "GET /slow"}


def test_a_shape_ends_the_test_and_the_phases_are_shares_of_what_it_lasted(cases: dict[str, Case]) -> None:
    plan = cases["shape"].recorded.json("plan.json")
    assert 2.0 <= plan["load_end_s"] <= 8.0
    warm_up, baseline, _, recovery, drain = plan["phases"]
    assert warm_up["end_s"] == pytest.approx(0.2 * plan["load_end_s"], abs=1e-3)
    assert baseline["end_s"] == pytest.approx(0.5 * plan["load_end_s"], abs=2e-3)
    assert recovery["end_s"] == plan["load_end_s"] == drain["start_s"]


def test_requests_begin_within_the_run_and_end_after_they_began(cases: dict[str, Case]) -> None:
    for case in cases.values():
        rows = case.recorded.rows("operation").rows
        assert (rows["intended_ns"] == rows["started_ns"]).all()
        assert (rows["started_ns"] >= 0).all()
        assert (rows["finished_ns"] >= rows["started_ns"]).all()
        assert rows["finished_ns"].max() < 60e9
        assert (rows["attempts"] == 1).all()
        assert (rows["deadline_ns"] == -1).all()


# ---- what is wrong with a locustfile, or happens to it

HEAD = "import time, socket\nfrom locust import HttpUser, constant, events, task\n"
USER = """
class One(HttpUser):
    wait_time = constant(0.02)
    @task
    def get(self):
        self.client.get("/x")
"""
BROKEN = {
    "syntax": ("class One(HttpUser:\n    pass\n", ()),
    "syntax_before_us": ("class One(HttpUser:\n    pass\n", ()),
    "no_user": ("X = 1\n", ()),
    "on_start": (
        USER + "class Two(One):\n    def on_start(self):\n        raise RuntimeError('no account left')\n",
        ("-u", "2", "-t", "2s"),
    ),
    "host_elsewhere": (USER, ("-H", "http://example.org", "-t", "2s")),
    "request_elsewhere": (
        USER + "        self.client.get('http://192.0.2.7/y', timeout=1)\n",
        ("-u", "1", "-t", "2s"),
    ),
    "failing_listener": (
        USER + "        events.request.fire(request_type='X', name='x', response_time=1, response_length=0,"
        " exception=None, context={}, start_time='noon')\n",
        ("-u", "1", "-t", "2s"),
    ),
    "hanging": (
        USER.replace("/x", "/hang")
        + "class Two(HttpUser):\n    @task\n    def get(self):\n        self.client.get('/slow')\n",
        ("-u", "4", "-r", "4", "-t", "2s", "--stop-timeout", "1"),
    ),
    "own_exit_code": (
        USER + "@events.quitting.add_listener\ndef _(environment, **kw):\n    environment.process_exit_code = 77\n",
        ("-t", "2s"),
    ),
    "all_fail": (USER.replace("/x", "/status/500"), ("-u", "2", "-t", "2s")),
    "on_stop": (
        USER + "    def on_stop(self):\n        self.client.post('/bye')\n",
        ("-u", "3", "-r", "3", "-t", "2s"),
    ),
    "workers": (USER, ("-t", "2s", "--processes", "2")),
}


class Tried(NamedTuple):
    recorded: Recorded
    server: Counting


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tried]:
    """All of them, four at a time."""
    root, found = tmp_path_factory.mktemp("broken"), {}
    names = list(BROKEN)
    for first in range(0, len(names), AT_ONCE):
        with ExitStack() as stack:
            running = {}
            for name in names[first : first + AT_ONCE]:
                text, options = BROKEN[name]
                (root / name).mkdir()
                (root / name / "their.py").write_text(HEAD + text)
                server = stack.enter_context(Counting())
                files = f"their.py,{PLUGIN}" if name != "syntax" else f"{PLUGIN},their.py"
                host = () if "-H" in options else ("-H", server.url)
                running[name] = (start(root / name, files, *host, *options), server)
            for name, (process, server) in running.items():
                found[name] = Tried(finished(process, root / name), server)
    return found


def reasons(tried: Tried) -> str:
    return "\n".join(tried.recorded.json("measures.json")["validity"]["reasons"])


def test_a_syntax_error_is_shown_and_ends_in_2(broken: dict[str, Tried]) -> None:
    found = broken["syntax"].recorded
    assert found.code == 2, found.said
    assert "their.py" in found.said
    assert "blackstart: Locust cannot use the locustfile: SyntaxError" in found.said
    assert found.folder is None


def test_a_syntax_error_before_the_plugin_is_locust_s_own_exit_1(broken: dict[str, Tried]) -> None:
    found = broken["syntax_before_us"].recorded
    assert (found.code, found.folder) == (1, None), found.said
    assert "SyntaxError" in found.said


def test_a_file_without_users_ends_in_2(broken: dict[str, Tried]) -> None:
    found = broken["no_user"].recorded
    assert (found.code, found.folder) == (2, None), found.said
    assert "blackstart: no user class in the locustfile" in found.said


def test_a_user_that_raises_in_on_start_makes_the_run_invalid_and_keeps_the_rest(broken: dict[str, Tried]) -> None:
    tried = broken["on_start"]
    assert tried.recorded.code == 3, tried.recorded.said
    assert "1 users raised in on_start" in reasons(tried)
    assert "no account left" in tried.recorded.journal("note")[0]["text"]
    assert tried.recorded.rows("operation").rows.size == tried.server.total > 5


def test_a_host_elsewhere_is_refused_before_anything_is_sent(broken: dict[str, Tried]) -> None:
    found = broken["host_elsewhere"].recorded
    assert (found.code, found.folder) == (2, None), found.said
    assert "blackstart: One: its host example.org is not this machine" in found.said
    assert "--blackstart-allow-host" in found.said


def test_a_request_elsewhere_fails_where_it_is_looked_up(broken: dict[str, Tried]) -> None:
    tried = broken["request_elsewhere"]
    assert tried.recorded.code == 3, tried.recorded.said
    assert "192.0.2.7 (" in reasons(tried)
    rows, attempts = tried.recorded.rows("operation").rows, tried.recorded.rows("attempt").rows
    here = rows["app"] == 0
    assert here.sum() == tried.server.total > 5
    assert (attempts["cause"][~here] == Cause.DNS_FAILED).all()
    assert (attempts["result"][~here] == Result.UNSENT).all()


def test_a_listener_that_fails_is_found_by_counting(broken: dict[str, Tried]) -> None:
    tried = broken["failing_listener"]
    assert tried.recorded.code == 3, tried.recorded.said
    rows = tried.recorded.rows("operation").rows.size
    assert rows == tried.server.total > 5
    said = r"Locust's statistics count (\d+) requests and the rows (\d+): a listener failed"
    found = re.search(said, reasons(tried))
    assert found is not None
    assert (int(found[1]), int(found[2])) == (2 * rows, rows)


def test_users_cut_off_stand_in_the_record_as_unfinished(broken: dict[str, Tried]) -> None:
    tried = broken["hanging"]
    rows = tried.recorded.rows("operation").rows
    unfinished = rows["outcome"] == Outcome.UNFINISHED
    assert unfinished.sum() == tried.server.asked["GET /hang"] == 2
    assert rows.size == tried.server.total
    assert (rows["finished_ns"][unfinished] == -1).all()
    assert "Locust's statistics" not in reasons(tried)


def test_an_exit_code_of_the_locustfile_s_own_is_a_criterion_that_failed(broken: dict[str, Tried]) -> None:
    found = broken["own_exit_code"].recorded
    assert found.code == (worth(found.json("measures.json")) or 1), found.said


def test_failed_requests_alone_are_not_locust_s_exit_1(broken: dict[str, Tried]) -> None:
    tried = broken["all_fail"]
    measures = tried.recorded.json("measures.json")
    assert not measures["recovered"]
    assert tried.recorded.code == worth(measures), tried.recorded.said
    assert tried.recorded.rows("operation").rows.size == tried.server.total > 5


def test_requests_of_on_stop_are_their_user_s(broken: dict[str, Tried]) -> None:
    tried = broken["on_stop"]
    rows = tried.recorded.rows("operation")
    assert tried.server.asked["POST /bye"] == 3
    assert rows.rows.size == tried.server.total
    assert {rows.names["story"][number] for number in rows.rows["story"]} == {"One"}


def test_several_processes_are_refused(broken: dict[str, Tried]) -> None:
    found = broken["workers"].recorded
    assert (found.code, found.folder) == (2, None), found.said
    assert "leave out --processes" in found.said


# ---- from outside: signals, a port in use, an experiment, a region

STEADY = """
class One(HttpUser):
    wait_time = constant(0.02)
    @task
    def get(self):
        self.client.get("/hello")
"""
EXPERIMENT = """
title: A service of ours
phases: {warm_up: 500ms, baseline: 1500ms, outage: 500ms, recovery: 1500ms, drain: 500ms}
timeline:
  - {at: outage.start, do: kv.latency, with: {mean: 300ms}}
  - {at: outage.end, do: kv.heal, with: {fault: latency}, fix: true}
steady_state: {for: 500ms}
client: {deadline: 300ms}
variants: {one: {}, other: {phases: {recovery: 1s}}}
expect: [{variant: other, measure: t_fix, is: ">= 2s"}]
"""


def place(tmp_path: Path, text: str = STEADY) -> str:
    (tmp_path / "their.py").write_text(HEAD + text)
    (tmp_path / "ours.yaml").write_text(EXPERIMENT)
    return f"their.py,{PLUGIN}"


def until_recording(process: subprocess.Popen[str], cwd: Path, rows_least: int = 20) -> None:
    """Wait until some rows are with the operating system."""
    end = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < end:
        found = list((cwd / "runs").glob("*/*/rows/load-0-operation.rows"))
        if found and read_rows(found[0]).rows.size >= rows_least:
            return
        time.sleep(0.05)
    pytest.fail(f"nothing was recorded: {process.communicate()[0]}")


@pytest.mark.parametrize(
    ("number", "options", "code"),
    [
        (signal.SIGTERM, ("-t", "60s"), 143),
        (signal.SIGINT, ("-t", "60s"), 130),
        (signal.SIGINT, (), None),  # until Ctrl-C is how long it was to run; the verdict decides
    ],
)
def test_a_signal_closes_the_record_first(
    number: signal.Signals, options: tuple[str, ...], code: int | None, tmp_path: Path
) -> None:
    with Counting() as server:
        process = start(tmp_path, place(tmp_path), "-H", server.url, "-u", "3", "-r", "3", *options)
        until_recording(process, tmp_path)
        process.send_signal(number)
        found = finished(process, tmp_path)
        rows = found.rows("operation")
        assert found.code == (code or worth(found.json("measures.json"))), found.said
        assert rows.complete
        assert rows.rows.size == server.total
    manifest = found.json("manifest.json")
    assert (manifest["state"], manifest["exit_code"]) == ("interrupted" if options else "completed", found.code)


def test_a_port_in_use_is_said_before_anything_begins(tmp_path: Path) -> None:
    with Counting() as server:
        port = server.url.rpartition(":")[2]
        options = ("-H", server.url, "--web-host", "127.0.0.1", "--web-port", port)
        found = finished(start(tmp_path, place(tmp_path), *options, ui=True), tmp_path)
    assert (found.code, found.folder) == (2, None), found.said
    assert "Address already in use" in found.said
    assert "--web-port" in found.said


def test_an_experiment_gives_phases_lines_criteria_and_the_end(tmp_path: Path) -> None:
    options = ("--blackstart-experiment", "ours.yaml", "--blackstart-by-hand", "--blackstart-variant", "other")
    with Counting() as server:
        files = place(tmp_path)
        found = finished(start(tmp_path, files, "-H", server.url, "-u", "8", "-r", "8", *options), tmp_path)
        rows = found.rows("operation").rows
        assert rows.size == server.total
    plan, measures = found.json("plan.json"), found.json("measures.json")
    assert (plan["experiment"], plan["variant"], plan["load_end_s"]) == ("ours", "other", 3.5)
    assert [entry["by"] for entry in (*found.journal("inject"), *found.journal("heal"))] == ["hand", "hand"]
    assert measures["t_inject_s"] == pytest.approx(2.0, abs=0.2)
    assert measures["t_fix_s"] == pytest.approx(2.5, abs=0.2)
    valid = measures["validity"]["valid"]
    assert [answer["verdict"] for answer in measures["expect"]] == ["pass" if valid else "unsure"]
    assert set(rows["deadline_ns"] - rows["intended_ns"]) == {300_000_000}
    assert rows["intended_ns"].max() < 4.5e9
    assert found.code == (0 if measures["validity"]["valid"] else 3), found.said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--blackstart-experiment", "ours.yaml"), "give --blackstart-by-hand if you carry it out yourself"),
        (("--blackstart-experiment", "ours.yaml", "--blackstart-by-hand", "-t", "3s"), "leave --run-time out"),
        (("--blackstart-experiment", "ours.yaml", "--blackstart-variant", "othr"), "did you mean 'other'"),
        (("--blackstart-experiment", "mine.yaml"), "mine.yaml: cannot be read"),
        (("--blackstart-deadline", "300"), "--blackstart-deadline: "),
        (("-H", "http://kv.region.test:8000"), "no region is being served"),
    ],
)
def test_what_is_wrong_with_the_command_line_is_said_before_the_load(
    options: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    files = place(tmp_path)
    found = finished(start(tmp_path, files, "-H", "http://127.0.0.1:9", *options), tmp_path)
    assert said in found.said
    assert (found.code, found.folder) == (4 if "served" in said else 2, None)


def test_a_timeline_is_carried_out_on_the_region_that_is_served(tmp_path: Path) -> None:
    place(tmp_path, STEADY.replace("self.client.get", "self.client.post").replace("/hello", "/read"))
    serve = [sys.executable, "-c", "from harness.cli import main; main()", "serve", "small"]
    with subprocess.Popen(serve, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as region:
        try:
            assert region.stdout is not None
            assert any(line.startswith("end ") for line in iter(region.stdout.readline, ""))
            options = ("-H", "http://kv.region.test:8000", "--blackstart-experiment", "ours.yaml")
            process = start(tmp_path, f"their.py,{PLUGIN}", "-u", "4", "-r", "4", *options)
            said, _ = process.communicate(timeout=PATIENCE_S)
        finally:
            region.send_signal(signal.SIGINT)
            region.communicate(timeout=PATIENCE_S)
    folder = next(path for path in (tmp_path / "runs/ours").glob("*"))
    found = Recorded(process.returncode, said, RunFolder.open(folder))
    rows = found.rows("operation").rows
    took_s = (rows["finished_ns"] - rows["started_ns"]) / 1e9
    inject, heal, fix = (found.journal(kind)[0]["t_s"] for kind in ("inject", "heal", "fix"))
    during = (rows["started_ns"] > inject * 1e9) & (rows["finished_ns"] < heal * 1e9)
    assert 1.9 < inject < heal <= fix < 3.0
    assert took_s[rows["finished_ns"] < inject * 1e9].mean() < 0.1 < took_s[during].mean()
    gauges = read_rows(folder / "gauges.rows")
    assert gauges.complete
    assert gauges.names["component"] == ["dns", "kv", "mobile_banking"]
    assert found.json("measures.json")["backlog"]["peak"] is not None
    assert found.code in (0, 3), said


def test_the_word_prints_the_plugin(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_words(["plugin"]) == 0
    assert Path(capsys.readouterr().out.strip()) == PLUGIN
