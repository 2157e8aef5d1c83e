"""The addresses of the tab: who may ask, what is refused, and that a browser that leaves is forgotten.

The page is Flask's, without Locust: importing that would patch the sockets of every other test of this process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, cast

import gevent
import pytest
from flask import Blueprint, Flask, Response, redirect
from flask_login import LoginManager, current_user
from gevent import pywsgi, socket

from harness.errors import RunError
from harness.load.web import door, feed, routes
from harness.load.web.desk import Running
from harness.load.web.tab import Tab
from harness.plan import make_plan
from harness.record.folder import RunFolder
from harness.spec.load import load_experiment

HOST = "127.0.0.1:8089"
FOREIGN = {"Origin": "http://elsewhere.example"}


class WebUi:
    """As much of Locust's page as the tab needs; every origin may read it, as Locust's."""

    def __init__(self, base: str = "", login: bool = False, host: str = "127.0.0.1") -> None:
        self.app = Flask("page")
        self.app.testing = True
        self.host, self.port, self.web_login = host, 8089, login
        self.auth_args: dict[str, Any] = {}
        self.swarmed = 0
        self.login_manager = LoginManager()
        if login:
            self.login_manager.init_app(self.app)
            self.login_manager.login_view = "locust.login"
        pages = Blueprint("locust", "page", url_prefix=base)
        pages.add_url_rule("/", "index", lambda: "<html><body>Locust</body></html>")
        pages.add_url_rule("/login", "login", lambda: "please log in")
        pages.add_url_rule("/swarm", "swarm", self._swarm, methods=["POST"])
        self.app.register_blueprint(pages)
        self.app.after_request(self._for_everybody)

    def _swarm(self) -> str:
        self.swarmed += 1
        return "started"

    def _for_everybody(self, response: Response) -> Response:
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    def auth_required_if_enabled(self, view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def asked(*arguments: Any, **names: Any) -> Any:
            if self.web_login and not current_user.is_authenticated:
                return redirect("/login")
            return view(*arguments, **names)

        return asked


class Page:
    def __init__(self, base: str = "", login: bool = False, host: str = "127.0.0.1") -> None:
        self.ui = WebUi(base, login, host)
        self.wanted: list[str] = []
        self.tab = Tab(base, ["naive", "budget"], self._choose, by_hand=False)
        routes.attach(self.ui, base, self.tab)
        self.root = f"{base}/blackstart"
        self.client = self.ui.app.test_client()

    def _choose(self, variant: str) -> None:
        if self.wanted:
            raise RunError("the region is not ready; choose again in a moment")
        self.wanted.append(variant)

    def get(self, path: str, **headers: str) -> Any:
        answer = self.client.get(path, headers=headers, base_url=f"http://{HOST}")
        answer.get_data()
        answer.close()  # a file that is sent is open until then
        return answer

    def post(self, path: str, body: object, token: bool = True, **headers: str) -> Any:
        known = {"X-Blackstart-Token": self.tab.token} if token else {}
        return self.client.post(path, json=body, headers={**known, **headers}, base_url=f"http://{HOST}")


@pytest.fixture(scope="module")
def facts(experiments: Path) -> dict[str, Any]:
    return make_plan(load_experiment(experiments / "dns_race.yaml"), "naive").to_json()


@pytest.fixture
def page() -> Page:
    return Page()


PRESS = {"deed": "action", "component": "dns", "name": "restore", "params": {}, "press": "a"}


def test_the_state_says_how_things_stand(page: Page, facts: dict[str, Any]) -> None:
    assert page.get("/blackstart/state").json["status"] == "idle"
    page.tab.ready(facts)
    told = page.get("/blackstart/state").json
    assert (told["ready"], told["experiment"], told["variants"]) == (True, "dns_race", ["naive", "budget"])
    assert [phase["name"] for phase in told["phases"]] == ["warm_up", "baseline", "outage", "recovery", "drain"]


def test_the_page_carries_the_token_and_nobody_may_keep_it(page: Page, facts: dict[str, Any]) -> None:
    page.tab.ready(facts)
    answer = page.get("/blackstart/")
    assert answer.status_code == 200
    assert page.tab.token in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/blackstart/", "/blackstart/state", "/blackstart/report", "/blackstart/nothing"])
def test_no_other_origin_may_read_our_addresses_though_it_may_read_all_of_locusts(page: Page, path: str) -> None:
    assert "Access-Control-Allow-Origin" not in page.get(path, **FOREIGN).headers
    assert page.get("/", **FOREIGN).headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", ["/blackstart/press", "/blackstart/variant", "/swarm"])
@pytest.mark.parametrize(
    "headers",
    [
        FOREIGN,
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": "https://127.0.0.1:8089"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_what_another_page_posts_is_refused_and_nothing_happens(page: Page, path: str, headers: dict[str, str]) -> None:
    answer = page.post(path, PRESS, **headers)
    assert (answer.status_code, "error" in answer.json) == (403, True)
    assert (page.ui.swarmed, page.wanted) == (0, [])


@pytest.mark.parametrize("headers", [{}, {"Origin": f"http://{HOST}"}, {"Sec-Fetch-Site": "same-origin"}], ids=str)
def test_our_own_page_and_programs_may_post(page: Page, headers: dict[str, str]) -> None:
    assert page.post("/swarm", {}, **headers).status_code == 200
    assert page.post("/blackstart/press", PRESS, **headers).status_code == 409  # no run goes on


@pytest.mark.parametrize("name", ["elsewhere.example", "elsewhere.example:8089", "192.0.2.1:8089", "", "a b"])
def test_a_name_that_only_resolves_to_this_machine_is_not_this_machine(page: Page, name: str) -> None:
    answer = page.client.get("/blackstart/", headers={"Host": name})
    assert answer.status_code in (400, 403)
    assert page.tab.token not in answer.text


@pytest.mark.parametrize("name", ["127.0.0.1:8089", "localhost:8089", "[::1]:8089"])
def test_this_machine_has_several_names(page: Page, name: str) -> None:
    assert page.client.get("/blackstart/state", headers={"Host": name}).status_code == 200


@pytest.mark.parametrize("path", ["/blackstart/press", "/blackstart/variant"])
def test_every_action_needs_the_token(page: Page, path: str) -> None:
    assert page.post(path, PRESS, token=False).status_code == 403
    assert page.post(path, PRESS, **{"X-Blackstart-Token": "0" * 32}).status_code == 403


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"deed":'])
def test_a_body_that_is_no_press_is_a_bad_request(page: Page, body: bytes) -> None:
    headers = {"X-Blackstart-Token": page.tab.token}
    assert page.client.post("/blackstart/press", data=body, headers=headers).status_code == 400


def test_a_body_that_is_too_large_is_not_read(page: Page) -> None:
    assert page.post("/blackstart/press", {"params": "x" * 100_000}).status_code == 413


def test_a_variant_is_chosen_while_nothing_runs(page: Page) -> None:
    assert page.post("/blackstart/variant", {"variant": "none"}).status_code == 400
    assert page.post("/blackstart/variant", {"variant": "budget"}).status_code == 200
    assert page.wanted == ["budget"]
    answer = page.post("/blackstart/variant", {"variant": "budget"})
    assert (answer.status_code, answer.json["error"]) == (409, "the region is not ready; choose again in a moment")


def test_no_variant_is_chosen_while_a_run_goes_on(page: Page, tmp_path: Path, facts: dict[str, Any]) -> None:
    page.tab.begin(Running(RunFolder(tmp_path), facts, lambda: 1.0, None))
    answer = page.post("/blackstart/variant", {"variant": "budget"})
    assert (answer.status_code, page.wanted) == (409, [])
    assert page.get("/blackstart/state").json["status"] == "running"
    page.tab.stop()


def test_a_run_that_was_stopped_before_its_zero_is_forgotten_and_the_next_can_begin(
    page: Page, tmp_path: Path, facts: dict[str, Any]
) -> None:
    page.tab.ready(facts)
    page.tab.begin(Running(RunFolder(tmp_path), facts, lambda: -0.5, None))
    page.tab.over()
    page.tab.never()
    state = page.get("/blackstart/state").json
    assert (state["status"], state["run_folder"], state["ready"]) == ("idle", None, False)
    page.tab.ready(facts)
    assert page.get("/blackstart/state").json["ready"]
    page.tab.stop()


def test_a_region_that_is_ready_before_the_last_run_is_read_to_its_end_can_be_started(
    page: Page, tmp_path: Path, facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading it may take longer than starting a region; what was said meanwhile must not be lost."""
    monkeypatch.setattr("harness.load.web.tab.WHOLE_S_MAX", 0.0)
    page.tab.begin(Running(RunFolder(tmp_path), facts, lambda: 1.0, None))
    page.tab.ready({**facts, "variant": "budget"})
    state = page.get("/blackstart/state").json
    assert (state["status"], state["ready"], state["variant"]) == ("running", False, "naive")
    page.tab.ended({"verdict": "recovered"}, None, 0)
    state = page.get("/blackstart/state").json
    assert (state["status"], state["ready"], state["variant"]) == ("ended", True, "budget")
    page.tab.stop()


def test_the_report_is_there_once_a_run_has_ended(page: Page, tmp_path: Path) -> None:
    assert page.get("/blackstart/report").status_code == 404
    (tmp_path / "report.html").write_text("<p>all well</p>")
    page.tab.ended({"verdict": "recovered", "files": [1]}, tmp_path / "report.html", 0)
    assert page.get("/blackstart/report").text == "<p>all well</p>"
    last = page.get("/blackstart/state").json["last"]
    assert (last["verdict"], last["report_url"], "report" in last) == ("recovered", "/blackstart/report", False)


@pytest.mark.parametrize("base", ["", "/locust", "/a/b"])
def test_it_lies_below_the_base_path_and_locusts_page_is_given_the_script(base: str) -> None:
    page = Page(base)
    assert page.get(f"{base}/blackstart/state").json["locust_url"] == f"{base}/"
    assert f'src="{base}/blackstart/static/tab.js"' in page.get(f"{base}/").text
    assert page.get("/blackstart/state").status_code == (200 if not base else 404)


@pytest.mark.parametrize("name", ["recovery.js", "recovery.css", "tab.js"])
def test_the_parts_of_the_page_are_served_with_their_types(page: Page, name: str) -> None:
    answer = page.get(f"/blackstart/static/{name}")
    assert (answer.status_code, answer.mimetype) == (200, "text/css" if name.endswith("css") else "text/javascript")


@pytest.mark.parametrize("name", ["page.html.j2", "", "a/b.js", ".js"])
def test_what_is_no_part_of_the_page_is_not_served(page: Page, name: str) -> None:
    assert page.get(f"/blackstart/static/{name}").status_code == 404


def test_the_page_without_its_slash_leads_to_it(page: Page) -> None:
    answer = page.get("/blackstart")
    assert (answer.status_code, answer.headers["Location"]) == (308, f"http://{HOST}/blackstart/")


@pytest.mark.long
def test_the_drawing_library_is_made_by_another_process_while_this_one_goes_on(page: Page) -> None:
    page.tab.drawing.start()
    waits, answered = 0, gevent.spawn(page.get, "/blackstart/static/vega.js")
    while not answered.ready():
        gevent.sleep(0.01)
        waits += 1
    answer = answered.get()
    assert (answer.status_code, answer.mimetype) == (200, "text/javascript")
    assert len(answer.data) > 100_000
    assert waits > 10


def test_no_file_outside_the_static_ones_is_served(page: Page) -> None:
    assert page.get("/blackstart/static/../routes.py").status_code == 404
    assert page.get("/blackstart/static/..%2froutes.py").status_code == 404


@pytest.mark.parametrize("host", ["", "0.0.0.0", "192.0.2.1", "::"])
def test_the_page_stays_on_this_machine(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert Page(host=host).ui.host == "127.0.0.1"
    assert ("becomes 127.0.0.1" in capsys.readouterr().err) is bool(host)
    assert Page(host="::1").ui.host == "::1"


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> Page:
    monkeypatch.setenv(door.PASSWORD, "open sesame")
    return Page(login=True)


@pytest.mark.parametrize("path", ["", "state", "stream", "report", "static/recovery.js"])
def test_with_a_login_nothing_is_shown_without_it(locked: Page, path: str) -> None:
    assert locked.get(f"/blackstart/{path}").status_code == 302
    assert locked.post("/blackstart/press", PRESS).status_code == 302


def test_the_login_opens_for_the_right_password_only(locked: Page) -> None:
    def login(name: str, password: str, **headers: str) -> Any:
        form = {"username": name, "password": password}
        return locked.client.post("/blackstart/login", data=form, headers=headers, base_url=f"http://{HOST}")

    assert login("operator", "wrong").headers["Location"] == "/login"
    assert locked.get("/blackstart/state").status_code == 302
    assert login("operator", "open sesame", **FOREIGN).status_code == 403
    assert login("operator", "open sesame").headers["Location"] == "/"
    assert locked.get("/blackstart/state").status_code == 200


def test_a_password_is_made_where_none_is_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(door.PASSWORD, raising=False)
    Page(login=True)
    assert re.search(r"log in as operator with password \S{12} ", capsys.readouterr().err)


# ---- streams, on a real server of the kind Locust has


@pytest.fixture
def served(page: Page, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Page, int]]:
    monkeypatch.setattr(feed, "HEARTBEAT_S", 0.02)
    server = pywsgi.WSGIServer(("127.0.0.1", 0), page.ui.app, log=None, error_log=None)
    server.start()
    yield page, server.server_port
    server.stop(timeout=0.1)


def browser(port: int) -> Any:
    peer = socket.create_connection(("127.0.0.1", port), timeout=5.0)
    peer.sendall(f"GET /blackstart/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    return peer


def until(what: Callable[[], bool]) -> None:
    with gevent.Timeout(5.0):
        while not what():
            gevent.sleep(0.01)


def test_a_browser_that_leaves_in_the_middle_leaves_nothing_behind(served: tuple[Page, int]) -> None:
    page, port = served
    page.tab.wait("the region is starting")
    peers = [browser(port) for _ in range(3)]
    until(lambda: len(page.tab.feed.listeners) == 3)
    greenlets = [listener.greenlet for listener in page.tab.feed.listeners]
    for peer in peers:
        assert b"text/event-stream" in peer.recv(4096)
        peer.close()
    until(lambda: not page.tab.feed.listeners)
    until(lambda: all(greenlet.dead for greenlet in greenlets))


def test_a_browser_that_reads_nothing_costs_a_few_messages_and_blocks_nobody(served: tuple[Page, int]) -> None:
    page, port = served
    page.tab.wait("x")
    peer = browser(port)
    until(lambda: len(page.tab.feed.listeners) == 1)
    (listener,) = page.tab.feed.listeners
    for number in range(300):
        page.tab.wait(f"{number}" * 20_000)  # more in all than sockets hold
        gevent.sleep(0)
        assert listener.waiting() <= feed.QUEUE_MOST
    assert page.get("/blackstart/state").json["detail"].startswith("299299")
    peer.close()
    until(lambda: not page.tab.feed.listeners)


def test_a_stream_says_how_things_stand_at_once_and_then_what_changes(served: tuple[Page, int]) -> None:
    page, port = served
    page.tab.wait("one")
    peer = browser(port)
    file = peer.makefile("rb")

    def data() -> dict[str, Any]:
        while True:
            line = cast("bytes", file.readline())
            if line.startswith(b"data: "):
                found: dict[str, Any] = json.loads(line[6:])
                return found

    assert data()["detail"] == "one"
    page.tab.wait("two")
    assert data()["detail"] == "two"
    file.close()
    peer.close()


def test_a_browser_too_many_is_told_so(served: tuple[Page, int], monkeypatch: pytest.MonkeyPatch) -> None:
    page, port = served
    monkeypatch.setattr(feed, "LISTENERS_MOST", 0)
    peer = browser(port)
    assert b" 503 " in peer.recv(4096)
    peer.close()
    assert page.tab.feed.listeners == []
