"""Who may ask: only this machine, only pages of our own, and with a login only who is logged in.

Locust's page binds every interface, answers any origin, and starts a flood for whoever posts to it: any page open in a
browser can. Behind it there are now buttons that break things, so:

    bound     to loopback, whatever was asked for
    Host      must name this machine: a foreign name that resolves to 127.0.0.1 makes a foreign page "our own"
    Origin    on everything that changes something must be that host, Locust's own /swarm and /stop included; programs
              send none and are let through, and what they may do the token decides
    token     on our own actions; it stands in the page, which no other origin can read: Locust's permission to read
              everything from everywhere is taken back for our addresses
    login     `--web-login`, with the name and password of BLACKSTART_WEB_USER and BLACKSTART_WEB_PASSWORD; without a
              password one is made and printed. A locustfile with its own login keeps it

Leaves out: TLS, which is Locust's `--tls-cert`, and other users of the same machine, who could read the token's file.
"""

from __future__ import annotations

import hmac
import os
import secrets
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Response, jsonify, redirect, request, session, url_for
from flask_login import UserMixin, login_user  # type: ignore[import-untyped]

from harness.spec.checks import loopback

HERE = "127.0.0.1"
TOKEN_HEADER = "X-Blackstart-Token"  # noqa: S105 - a header's name, not a secret
USER, PASSWORD = "BLACKSTART_WEB_USER", "BLACKSTART_WEB_PASSWORD"
NAME = "operator"
_SAFE = ("GET", "HEAD", "OPTIONS")
_FOREIGN = ("cross-site", "same-site")  # another port of this machine is the same site, and another origin


def bind(web_ui: Any) -> None:
    """Keep the page on this machine; it has not been opened yet."""
    if not loopback(web_ui.host or ""):
        if web_ui.host:
            sys.stderr.write(f"blackstart: the page has buttons that break things, so {web_ui.host} becomes {HERE}\n")
        web_ui.host = HERE


def refusal() -> str | None:
    """Why the request at hand may not be answered; None when it may."""
    if not loopback(_name(f"//{request.host}")):
        return f"Host is {request.host}; this page answers to 127.0.0.1 and localhost only"
    if request.method in _SAFE:
        return None
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"{request.scheme}://{request.host}":
        return f"a page of {origin} may not do this; open this page itself, at {request.scheme}://{request.host}"
    if origin is None and request.headers.get("Sec-Fetch-Site") in _FOREIGN:
        return "a page of another origin may not do this"
    return None


def has_token(token: str) -> bool:
    """Whether the request at hand carries the token."""
    return hmac.compare_digest(request.headers.get(TOKEN_HEADER, "").encode(), token.encode())


def guard(app: Any, ours: str) -> None:
    """Put the door before every address of the app; `ours` is where our own begin."""

    def before() -> Any:
        why = refusal()
        return None if why is None else (jsonify(error=why), 403)

    def after(response: Response) -> Response:
        if request.path.startswith(f"{ours}/") or request.path == ours:
            for header in [name for name, _ in response.headers if name.lower().startswith("access-control-")]:
                response.headers.pop(header, None)
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["X-Frame-Options"] = "SAMEORIGIN"
        return response

    app.before_request_funcs.setdefault(None, []).insert(0, before)
    # Called in reverse: the first has the last word, after the one that lets every origin read.
    app.after_request_funcs.setdefault(None, []).insert(0, after)


class _Person(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


def login(web_ui: Any, ours: str, environ: Mapping[str, str] = os.environ) -> None:
    """A login for `--web-login`, unless the locustfile has one."""
    manager = web_ui.login_manager
    if getattr(manager, "_user_callback", None) is not None:
        return
    name, password = environ.get(USER) or NAME, environ.get(PASSWORD)
    if not password:
        password = secrets.token_urlsafe(9)
        sys.stderr.write(f"blackstart: log in as {name} with password {password} (or set {PASSWORD})\n")
    web_ui.app.config["SECRET_KEY"] = secrets.token_hex(32)
    web_ui.app.config.update(SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SAMESITE="Strict")
    manager.user_loader(lambda found: _Person(found) if found == name else None)
    web_ui.auth_args = {"username_password_callback": f"{ours}/login"}
    pair = f"{name}\n{password}".encode()

    def check() -> Any:
        form = request.form
        given = f"{form.get('username', '')}\n{form.get('password', '')}".encode()
        if not hmac.compare_digest(given, pair):
            session["auth_error"] = "wrong name or password"
            return redirect(url_for("locust.login"))
        login_user(_Person(name))
        return redirect(url_for("locust.index"))

    web_ui.app.add_url_rule(f"{ours}/login", "blackstart_login", check, methods=["POST"])


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
