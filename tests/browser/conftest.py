"""A browser, and a stand-in for the server of the Recovery page that says what a test tells it to say.

The stand-in speaks the page's addresses and nothing else, so a test decides what the page hears and when, down to a
connection that breaks in the middle of a run. The real server has a test of its own (`test_real_run.py`).
"""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment

STATIC = Path(__file__).parents[2] / "harness/load/web/static"
CHROMIUM = Path("/usr/bin/chromium")
TOKEN = "a-token"
LOCUST = """<!doctype html><link rel="icon" href="data:,">
<body style="background:#fff"><main><div id="app"></div></main>
<script src="/blackstart/static/tab.js" defer></script></body>"""


def a_state(**changes: Any) -> dict[str, Any]:
    """A state as the server tells it, with a small region."""
    phases = {"warm_up": (0, 2), "baseline": (2, 10), "outage": (10, 20), "recovery": (20, 40), "drain": (40, 42)}
    state = {
        "experiment": "planted", "title": "A planted outage", "description": "Does the page say what it is told?",
        "variant": "naive", "variants": ["naive", "budget"], "seed": 7, "engine": "live", "token_required": True,
        "window_s": 0.25, "status": "running", "ready": False, "detail": "", "locust_url": "/", "by_hand": True,
        "phases": [{"name": name, "begin_s": begin, "end_s": end} for name, (begin, end) in phases.items()],
        "steady_state": {"goodput": ">= 95% of due"}, "components": ["dns", "kv"],
        "verbs": [
            {"component": "dns", "name": "stall_enactor", "kind": "inject", "fault": True, "help": "it stops",
             "params": [{"name": "enactor", "kind": "choice", "required": True, "default": "az1",
                         "choices": ["az1", "az2"], "help": "which one"}],
             "one_of": [], "ttl_s": 2.2, "ttl_max_s": 3600},
            {"component": "dns", "name": "restore", "kind": "action", "fault": False, "help": "by hand",
             "params": [], "one_of": [], "ttl_s": None, "ttl_max_s": None},
            {"component": "kv", "name": "latency", "kind": "inject", "fault": True, "help": "slow service",
             "params": [{"name": "mean", "kind": "duration", "required": False, "default": None, "choices": []},
                        {"name": "factor", "kind": "number", "required": False, "default": None, "choices": []}],
             "one_of": ["mean", "factor"], "ttl_s": 10, "ttl_max_s": 3600},
            {"component": "kv", "name": "drop_queue", "kind": "action", "fault": False, "help": "waiting work goes",
             "params": [], "one_of": [], "ttl_s": None, "ttl_max_s": None},
        ],
        "planned": [{"at_s": 10.0, "what": "dns.stall_enactor", "id": "e1", "fix": False}],
        "run_folder": "runs/planted/one", "report_url": None, "last": None,
    }  # fmt: skip
    return {**state, **changes}


def a_tick(t_s: float, *, first: int = 0, **changes: Any) -> dict[str, Any]:
    """A tick at `t_s` with its windows from index `first`: 100/s offered, nothing good from 10 s to 20 s."""
    times = [index * 0.25 for index in range(first, int(t_s / 0.25))]
    bad = [10 <= at < 20 for at in times]
    tick: dict[str, Any] = {
        "t_s": t_s,
        "status": "running",
        "phase": "outage" if 10 <= t_s < 20 else "baseline" if t_s < 10 else "recovery",
        "verdict_so_far": {
            "word": "steady", "why": "every steady-state line holds", "since_fix_s": None, "recovered_s": None,
            "lines": [
                {"line": "goodput", "of": "", "unit": "share of due", "holds": True, "value": 0.998, "limit": 0.95},
                {"line": "p99", "of": "", "unit": "s", "holds": True, "value": 0.12, "limit": 0.24},
            ],
        },
        "windows": {
            "from": first, "begin_s": first * 0.25, "width_s": 0.25,
            "offered_per_s": [100.0 for _ in times],
            "attempts_per_s": [300.0 if out else 100.0 for out in bad],
            "goodput_per_s": [0.0 if out else 100.0 for out in bad],
            "amplification": [3.0 if out else 1.0 for out in bad],
            "p99_s": [None if out else 0.12 for out in bad],
            "throttled_per_s": [12.0 if out else 0.0 for out in bad],
        },
        "backlog": {
            "from": first, "t_s": [at + 0.25 for at in times],
            "by_component": {
                "kv": [40.0 if out else 2.0 for out in bad],
                "mobile_banking": [9.0 if out else 0.0 for out in bad],
            },
        },
        "events": [],
        "faults_on": [],
        "generator": {"late_ratio": 0.001, "dropped": 0, "cpu": 0.21, "lag_p99_s": 0.002, "valid": True, "reasons": []},
    }  # fmt: skip
    return {**tick, **changes}


class Double:
    """The stand-in: `say` to whoever listens, `presses` that came, `answers` for those to come, `hang_up` on all."""

    def __init__(self) -> None:
        self.presses: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.streams = 0
        self.stream_status = 200
        self._said: list[bytes] = []  # kept for those who come later
        self._listeners: list[queue.Queue[bytes | None]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def say(self, event: str, data: dict[str, Any]) -> None:
        line = f"event: {event}\ndata: {json.dumps(data)}\n\n".encode()
        with self._lock:
            self._said.append(line)
            for listener in self._listeners:
                listener.put(line)

    def forget(self) -> None:
        """Those who come from now on hear nothing of what was said."""
        with self._lock:
            self._said.clear()

    def hang_up(self) -> None:
        """End every stream, as a server does that goes away."""
        with self._lock:
            for listener in self._listeners:
                listener.put(None)

    def close(self) -> None:
        self.hang_up()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        double = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/":
                    self.answer(200, "text/html", LOCUST.encode())
                elif path == "/blackstart/":
                    text = Environment(autoescape=True).from_string((STATIC / "page.html.j2").read_text())
                    self.answer(200, "text/html", text.render(token=TOKEN, title="<b>planted</b>").encode())
                elif path == "/blackstart/static/vega.js":
                    self.answer(200, "text/javascript", bundle())
                elif path.startswith("/blackstart/static/"):
                    name = path.rpartition("/")[2]
                    kind = "text/css" if name.endswith(".css") else "text/javascript"
                    self.answer(200, kind, (STATIC / name).read_bytes())
                elif path == "/blackstart/stream":
                    self.stream()
                else:
                    self.answer(404, "text/plain", b"nothing here")

            def stream(self) -> None:
                double.streams += 1
                if double.stream_status != 200:
                    self.answer(double.stream_status, "text/plain", b"not now")
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                self.wfile.write(b"retry: 100\n\n")
                listener: queue.Queue[bytes | None] = queue.Queue()
                with double._lock:
                    for line in double._said:
                        listener.put(line)
                    double._listeners.append(listener)
                while (line := listener.get()) is not None:
                    try:
                        self.wfile.write(line)
                    except OSError:
                        break
                with double._lock:
                    double._listeners.remove(listener)
                self.close_connection = True

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                double.presses.append((dict(self.headers), body))
                status, answer = double.answers.pop(0) if double.answers else (200, {"done": True, "t_s": 1.0})
                self.answer(status, "application/json", json.dumps(answer).encode())

        return Handler


_BUNDLE: list[bytes] = []


def bundle() -> bytes:
    """The chart library, made once."""
    if not _BUNDLE:
        import vl_convert

        make: Any = vl_convert.javascript_bundle
        _BUNDLE.append(make().encode())
    return _BUNDLE[0]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser of the system. Without one the tests are skipped, but never in CI: there it must be installed."""
    if not CHROMIUM.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"no browser at {CHROMIUM}: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--disable-gpu", "--no-sandbox"])
        yield browser
        browser.close()


Open = Callable[..., Any]


@pytest.fixture
def visit(chromium: Any) -> Iterator[Open]:
    """`visit(url, width=1280, scheme="light")`: a page; what its console complains of fails the test at the end.

    `page.allowed` is a list of words: complaints with one of them are expected."""
    opened: list[tuple[Any, Any, list[str]]] = []

    def open_(url: str, *, width: int = 1280, height: int = 1000, scheme: str = "light") -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
        )
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.set_default_timeout(15_000)
        page.allowed = []
        opened.append((context, page, said))
        page.goto(url)
        return page

    yield open_
    complaints = []
    for context, page, said in opened:
        complaints += [text for text in said if not any(word in text for word in page.allowed)]
        context.close()
    assert complaints == []


@pytest.fixture
def double() -> Iterator[Double]:
    """A stand-in for the server, with nobody listening yet."""
    stand_in = Double()
    yield stand_in
    stand_in.close()
