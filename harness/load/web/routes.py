"""The addresses of the Recovery tab, under `/blackstart` of Locust's own page.

    GET  /                the page            GET  /static/NAME    its parts
    GET  /state           how things stand    GET  /stream         what happens, as server-sent events
    POST /press           a button            POST /variant        another variant
    GET  /report          the report of the run that ended

No route computes anything: they run on the hub that makes the load. The stream is one greenlet for each browser, which
waits for messages and writes them; between them it writes a comment, because only writing shows that a browser is gone.
Then its generator is closed, and with it its place among the listeners. A tab in Locust's page is a script that shows
this page in a frame, because Locust's own tabs can hold tables only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify, render_template_string, request, send_file, send_from_directory
from gevent.queue import Full

from harness.load.web import door
from harness.load.web.feed import Listener, Message
from harness.load.web.tab import Tab

STATIC = Path(__file__).with_name("static")
OURS = "/blackstart"
_PART = re.compile(r"[a-z_]+\.(js|css)")
_BODY_MOST = 64 * 1024
_BEAT = ": beat\n\n"
_STREAM = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

View = Callable[..., Any]


def attach(web_ui: Any, base: str, tab: Tab) -> None:
    """Put the tab into a web page that has not been opened yet; `base` is Locust's `--web-base-path`, "" for none."""
    root = f"{base}{OURS}"
    routes = Blueprint("blackstart", __name__, url_prefix=root)
    required = web_ui.auth_required_if_enabled

    def add(path: str, view: View, *methods: str) -> None:
        routes.add_url_rule(path, view.__name__, required(view), methods=list(methods or ("GET",)))

    for view, path, *methods in _views(tab, base):
        add(path, view, *methods)
    web_ui.app.register_blueprint(routes)
    web_ui.app.after_request(_with_script(base, root))
    door.guard(web_ui.app, root)
    if web_ui.web_login:
        door.login(web_ui, root)
    door.bind(web_ui)


def _views(tab: Tab, base: str) -> list[Any]:
    def page() -> Any:
        template = (STATIC / "page.html.j2").read_text()
        state = tab.state()
        embedded = request.args.get("embedded") == "1"
        words = {"base": base, "token": tab.token, "embedded": embedded, "title": state["title"], "state": state}
        answer = Response(render_template_string(template, **words), mimetype="text/html")
        answer.headers["Cache-Control"] = "no-store"  # the token is another one in the next process
        return answer

    def static(name: str) -> Any:
        if not _PART.fullmatch(name):
            return jsonify(error=f"the page has no part {name!r}"), 404
        return send_from_directory(STATIC, name, max_age=0)

    def vega() -> Any:
        script = tab.drawing.text()
        if script is None:
            return jsonify(error="the drawing library could not be made; see the log"), 503
        return Response(script, mimetype="text/javascript", headers={"Cache-Control": "max-age=86400"})

    def state() -> Any:
        return jsonify(tab.state())

    def stream() -> Any:
        try:
            listener = tab.feed.listen()
        except Full:
            return jsonify(error="too many pages listen already; close some"), 503
        return Response(_Events(tab, listener), mimetype="text/event-stream", headers=_STREAM)

    def press() -> Any:
        return _action(tab, tab.press)

    def variant() -> Any:
        return _action(tab, tab.choose)

    def report() -> Any:
        path = tab.report()
        if path is None:
            return jsonify(error="no run has ended yet, or its report is still being written"), 404
        return send_file(path.resolve(), mimetype="text/html", max_age=0)

    return [
        (page, "/"),
        (vega, "/static/vega.js"),
        (static, "/static/<path:name>"),
        (state, "/state"),
        (stream, "/stream"),
        (press, "/press", "POST"),
        (variant, "/variant", "POST"),
        (report, "/report"),
    ]


def _action(tab: Tab, do: Callable[[Any], tuple[int, dict[str, Any]]]) -> Any:
    """What changes something: with the token, and a body that is small and JSON."""
    if not door.has_token(tab.token):
        return jsonify(error=f"{door.TOKEN_HEADER} is missing or wrong; load the page again"), 403
    if (request.content_length or 0) > _BODY_MOST:
        return jsonify(error="the request is too large"), 413
    status, answer = do(request.get_json(force=True, silent=True))
    return jsonify(answer), status


class _Events:
    """The messages of one listener as server-sent events; the server closes it when the browser is gone."""

    def __init__(self, tab: Tab, listener: Listener) -> None:
        self._tab = tab
        self._listener = listener
        self._lines = self._run()

    def __iter__(self) -> Iterator[bytes]:
        return self._lines

    def close(self) -> None:
        """Not in the generator alone: one that was never begun runs no `finally`."""
        self._tab.feed.leave(self._listener)

    def _run(self) -> Iterator[bytes]:
        yield b"retry: 1000\n\n"
        for message in self._listener.messages():
            yield (_BEAT if message is None else _event(message)).encode()


def _event(message: Message) -> str:
    return f"id: {message.number}\nevent: {message.event}\ndata: {message.data}\n\n"


def _with_script(base: str, root: str) -> Callable[[Response], Response]:
    """Adds our script to Locust's own page, which shows the tab there."""
    script = f'<script src="{root}/static/tab.js" data-base="{base}" defer></script></body>'

    def after(response: Response) -> Response:
        ours = request.path in (f"{base}/", base) and response.status_code == 200
        if ours and response.mimetype == "text/html" and not response.direct_passthrough:
            response.set_data(response.get_data(as_text=True).replace("</body>", script, 1))
        return response

    return after
