"""A person plays the outage: Locust's own Start button, "stall enactor", "restore", the verdict. All of it is real."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]
OUTAGE = Path(__file__).with_name("stalled.yaml")
TRIES = 3  # an invalid run measured the machine, not the page


class Served:
    """A `blackstart web` that answers."""

    def __init__(self, process: subprocess.Popen[str], port: int, runs: Path) -> None:
        self.process = process
        self.runs = runs
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, None if body is None else json.dumps(body), named)
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.ask("GET", "/blackstart/state")[1])
        return state

    def until_ready(self) -> None:
        for _ in range(300):
            with contextlib.suppress(OSError, json.JSONDecodeError):
                if self.state()["ready"]:
                    return
            assert self.process.poll() is None, "blackstart web ended"
            time.sleep(0.1)
        raise AssertionError(f"not ready: {self.state()}")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = [str(Path(sys.executable).with_name("blackstart")), "web", str(OUTAGE), "--by-hand", "--port", str(port)]
    log = tmp_path / "web.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [*argv, "--runs", str(tmp_path / "runs")], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
    found = Served(process, port, tmp_path / "runs")
    try:
        found.until_ready()
        yield found
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert "Traceback" not in log.read_text()


def word(page: Any, where: str) -> str:
    return str(page.locator(where).inner_text())


def until(page: Any, condition: str, timeout_s: float) -> None:
    page.wait_for_function(condition, timeout=timeout_s * 1000)


def press(page: Any, verb: str) -> None:
    page.click(f"[data-verb='{verb}']")
    page.click("#press-confirm")
    until(page, "!document.getElementById('press').open", 10)


def goodput(relation: str) -> str:
    return f"parseFloat(document.getElementById('n-goodput').textContent) {relation}"


def play(locust: Any, page: Any, gone: Any) -> str:
    """One run by hand; the word of its verdict. `gone` is a page whose reader leaves in the middle."""
    locust.click("button[type=submit]")  # Locust's own Start
    until(page, "document.getElementById('phase').textContent === 'outage'", 60)
    until(page, "document.getElementById('word').textContent === 'steady'", 5)
    assert page.evaluate(goodput("> 40"))
    press(page, "dns.stall_enactor")
    until(page, "document.getElementById('faults-on').textContent.includes('stall enactor')", 5)
    until(page, goodput("< 5"), 20)
    until(page, "document.getElementById('word').textContent === 'failing'", 5)
    assert word(page, "#since") == "no fix yet"
    gone.close()
    press(page, "dns.restore")  # the fault ended by itself: the box "this is the fix" is ticked
    until(page, goodput("> 40"), 20)
    assert word(page, "#since") != "no fix yet"
    until(page, "document.getElementById('word').textContent === 'recovered'", 20)
    until(page, "!document.getElementById('final').hidden", 60)
    return word(page, "#final-word")


def test_a_person_breaks_mends_and_sees_it_recover(served: Served, visit: Callable[..., Any]) -> None:
    page = visit(f"{served.url}/blackstart/")
    locust = visit(served.url)
    locust.allowed = ["Password field is not", "net::ERR"]
    gone = visit(f"{served.url}/blackstart/")
    for _ in range(TRIES):
        served.until_ready()
        locust.goto(served.url)
        if locust.locator("text=New").count():
            locust.click("text=New")
        verdict = play(locust, page, gone)
        if verdict != "invalid":
            break
    assert verdict == "recovered"

    # what the page says is what the record says
    folder = max(served.runs.glob("*/*/measures.json"), key=lambda path: path.stat().st_mtime).parent
    measures = json.loads((folder / "measures.json").read_text())
    assert measures["verdict"] == "recovered"
    assert f"{measures['time_to_recover_s']:.1f} s" in word(page, "#measures")
    deeds = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    assert [deed["kind"] for deed in deeds if deed["kind"] in ("inject", "fix")].count("fix") == 1
    until(page, "document.querySelector('#report a') !== null", 30)
    assert served.ask("GET", "/blackstart/report")[0] == 200

    # the tab on Locust's own page shows the same
    locust.click("#blackstart-tab")
    frame = locust.frame_locator("#blackstart-panel iframe")
    frame.locator("#final-word", has_text="recovered").wait_for()


def test_a_page_from_elsewhere_can_neither_press_nor_stop(served: Served, visit: Callable[..., Any]) -> None:
    page = visit(f"{served.url}/blackstart/")
    token = page.get_attribute("meta[name=blackstart-token]", "content")
    body = {"deed": "action", "component": "dns", "name": "restore", "params": {}, "fix": False, "press": "1"}
    evil = "http://evil.example"
    assert served.ask("POST", "/blackstart/press", body, Origin=evil, X_Blackstart_Token=token)[0] == 403
    assert served.ask("POST", "/blackstart/press", body)[0] == 403  # without the token
    assert served.ask("POST", "/stop", {}, Origin=evil)[0] == 403
    status, _ = served.ask("POST", "/blackstart/press", body, Origin=served.url, X_Blackstart_Token=token)
    assert status == 409  # from here, but nothing runs
    # and from a browser, which would send the POST without asking first
    elsewhere = visit("data:text/html,<meta charset=utf-8>elsewhere")
    elsewhere.allowed = ["403", "CORS", "ERR_FAILED", "ERR_BLOCKED"]
    answer = elsewhere.evaluate(
        "([url, body]) => fetch(url, {method: 'POST', body}).then(a => a.status, () => 'refused')",
        [f"{served.url}/blackstart/press", json.dumps(body)],
    )
    assert answer in (403, "refused")
