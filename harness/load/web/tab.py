"""The one object behind the Recovery tab: how things stand, which run goes on, and what the page is told of it.

    ready -> begin -> over -> ended        one run; then `ready` again

Whoever makes runs tells it these four things: the plugin, for anybody's locustfile, or the player of `blackstart web`.
It holds what is needed between them: the process that follows the run, the feed of the pages, the desk for presses.

Leaves out: making runs, judging them, and HTTP.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gevent.event

from harness.errors import HarnessError
from harness.load.clock import monotonic_ns
from harness.load.web import state as states
from harness.load.web.desk import Answer, Desk, Running
from harness.load.web.feed import Feed
from harness.load.web.relay import Relay
from harness.load.web.vega import Bundle

WHOLE_S_MAX = 15.0
_NOT_FOR_PAGES = ("files", "cascade")
Choose = Callable[[str], None]


class Tab:
    """`base` is Locust's base path; `choose` sets the variant of the next run or raises HarnessError with why not."""

    def __init__(self, base: str, variants: Sequence[str], choose: Choose, *, by_hand: bool) -> None:
        self.token = secrets.token_hex(16)
        self.feed = Feed()
        self.desk = Desk()
        self._base = base
        self._variants = list(variants)
        self._choose = choose
        self._by_hand = by_hand
        self.drawing = Bundle()
        self._relay = Relay(self._take)
        self._state: dict[str, Any] = {}
        self._run: Running | None = None
        self._status, self._ready, self._detail = "idle", False, "starting"
        self._folder: Path | None = None
        self._last: dict[str, Any] | None = None
        self._following: tuple[Mapping[str, Any], Sequence[Mapping[str, Any]] | None] | None = None
        self._whole: gevent.event.Event | None = None

    # ---- what is told to it

    def start(self) -> None:
        """Start the process that follows runs, and the one that makes the drawing library."""
        self._relay.start()
        self.drawing.start()

    def ready(self, facts: Mapping[str, Any], planned: Sequence[Mapping[str, Any]] | None = None) -> None:
        """A run can be started: `facts` is its plan.json (as far as it is known), `planned` what is to be pressed."""
        if self._status == "running":  # the one before is still being read for its last windows
            self._following = facts, planned
            return
        self._following = None
        self._state = states.of_plan(facts, planned)
        if self._status != "ended":
            self._status = "idle"
        self._set(ready=True, detail="")

    def wait(self, detail: str) -> None:
        """No run can be started now, for this reason."""
        self._set(ready=False, detail=detail)

    def say(self, detail: str) -> None:
        """Something a person should read; nothing else changes."""
        self._set(ready=self._ready, detail=detail)

    def prepare(self, folder: Path) -> None:
        """The folder of the next run; its plan may already be read, and its zero is not fixed."""
        self._relay.follow(str(folder))

    def begin(self, run: Running, planned: Sequence[Mapping[str, Any]] | None = None) -> None:
        """The run begins."""
        self._state = states.of_plan(run.facts, planned)
        self._run, self._folder, self._last = run, run.folder.path, None
        self.feed.begin()
        self.desk.open(run)
        self._relay.follow(str(run.folder.path))
        self._status, self._following = "running", None
        self._set(ready=False, detail="")

    def never(self) -> None:
        """The run was stopped before its zero: nothing happened, and there is no record of it."""
        if self._status != "running":
            return  # the page had not heard of it
        self.desk.close()
        self._relay.rest()
        self._run = self._folder = None
        self._status = "idle"
        self._set(ready=False, detail=self._detail)
        self._follow_up()

    def over(self, detail: str = "the load is over; the run is being judged") -> None:
        """The load is over: what was pressed is healed, and nothing more can be."""
        self.desk.close()
        self._relay.rest()
        self._set(ready=False, detail=detail)

    def ended(
        self,
        measures: Mapping[str, Any] | None,
        report: Path | None,
        code: int,
        error: str = "",
        of: Path | None = None,
    ) -> None:
        """The run was judged, or broke with an error. `of` is its folder, when it may never have begun here."""
        self.desk.close()
        self._folder = of or self._folder
        run, folder = self._run, self._folder
        if folder is not None:
            self._whole = gevent.event.Event()
            self._relay.whole(str(folder))
            self._whole.wait(WHOLE_S_MAX)
            self._whole = None
        if self._run is not run:
            return  # the next one began meanwhile
        self._run = None
        told = None if measures is None else {k: v for k, v in measures.items() if k not in _NOT_FOR_PAGES}
        url = f"{self._base}/blackstart/report" if report is not None else None
        where = None if folder is None else str(folder)
        self._last = {
            "verdict": None if told is None else told["verdict"],
            "reason": error if told is None else told.get("verdict_reason"),
            "exit_code": int(code),
            "run_folder": where,
            "report_url": url,
            "report": report,
        }
        self._status = "ended"
        self._set(ready=self._ready, detail="")
        end = {"measures": told, "report_url": url, "exit_code": int(code), "run_folder": where}
        self.feed.ended(end | ({"error": error} if error else {}), _now_s())
        self._follow_up()

    def reported(self, report: Path) -> None:
        """The report of the run that ended is written."""
        if self._last is not None:
            self._last |= {"report": report, "report_url": f"{self._base}/blackstart/report"}
            self._set(ready=self._ready, detail=self._detail)

    def stop(self) -> None:
        """The process is about to end."""
        self.desk.close()
        self.drawing.stop()
        self._relay.stop()

    # ---- what pages ask

    def state(self) -> dict[str, Any]:
        """How things stand."""
        last = None if self._last is None else {k: v for k, v in self._last.items() if k != "report"}
        return {
            "experiment": "", "title": "", "description": "", "variant": "", "seed": None, "engine": "",
            "token_required": True, "window_s": 0.25, "phases": [], "steady_state": {}, "components": [], "verbs": [],
            "planned": [], **self._state,
            "variants": self._variants, "by_hand": self._by_hand, "locust_url": f"{self._base}/",
            "status": self._status, "ready": self._ready, "detail": self._detail,
            "run_folder": None if self._folder is None else str(self._folder),
            "report_url": None if last is None else last["report_url"], "last": last,
        }  # fmt: skip

    def press(self, body: object) -> Answer:
        """A button was pressed."""
        return self.desk.press(body)

    def choose(self, body: object) -> Answer:
        """Another variant is wanted for the next run."""
        name = body.get("variant") if isinstance(body, Mapping) else None
        if name not in self._variants:
            return 400, {"error": f"no variant {name!r}; there are: {', '.join(self._variants)}"}
        if self._status == "running":
            return 409, {"error": "a run is going on; stop it first, or wait for its end"}
        try:
            self._choose(str(name))
        except HarnessError as error:
            return 409, {"error": str(error)}
        return 200, {"variant": name}

    def report(self) -> Path | None:
        """The report of the run that ended last."""
        found = None if self._last is None else self._last["report"]
        return found if isinstance(found, Path) and found.is_file() else None

    # ---- what the follower says

    def _take(self, line: dict[str, Any]) -> None:
        if self._folder is None or line.get("run") != str(self._folder):
            return
        whole = bool(line.get("whole"))
        if "tick" in line and (whole or self._run is not None):
            self.feed.tick({**line["tick"], "status": self._status}, _now_s(), whole=whole)
        if self._whole is not None and (whole or "error" in line):
            self._whole.set()

    def _follow_up(self) -> None:
        """The next run was ready before the one before was told to its end."""
        if self._following is not None:
            self.ready(*self._following)

    def _set(self, *, ready: bool, detail: str) -> None:
        self._ready, self._detail = ready, detail
        self.feed.state(self.state(), _now_s())


def _now_s() -> float:
    return monotonic_ns() * 1e-9
