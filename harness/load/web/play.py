"""The load of `blackstart web`: Locust's Start button begins a run of the orchestrator's, Stop or the plan ends it.

The orchestrator (`harness.live.web`) has the region ready and waits; this process has the page. They speak as in any
other run, and by one line more:

    orders, a line of JSON each on standard input     wait | ready | stop | ended | never
    load.ready                Start was pressed: fix zero now
    load.other                another variant is wanted before that
    load.over                 our part is done, rows are closed; a text in it says what broke

End of file on standard input means that the orchestrator is gone: rows are closed, and this process ends at once.

The experiment's load is an open loop, so one user plays all of it, whatever number the page asks for; others idle. With
several processes none of Locust's users plays: this process is the master, and workers have the load (`crew`).
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import gevent.os
from locust import User, events, task
from locust.runners import MasterRunner, WorkerRunner

from harness.errors import Exit, HarnessError, RunError, SpecError
from harness.load.find_run import Found
from harness.load.load_run import LoadRun
from harness.load.observing import observer
from harness.load.ports import ports_of
from harness.load.session import READY_FILE, Session
from harness.load.web import routes
from harness.load.web.crew import PageCrew, session
from harness.load.web.desk import Running
from harness.load.web.tab import Tab
from harness.load.worker import Worker, die_with_parent
from harness.record.folder import RunFolder
from harness.record.region import read_region

VARIABLE = "BLACKSTART_WEB"  # JSON: {"variants": [...], "by_hand": bool}
OVER_FILE, OTHER_FILE = "load.over", "load.other"
_FOR_GOOD_S = 1e6
_log = logging.getLogger(__name__)


class Player:
    """What this process plays: one run after the other, each in a folder that the orchestrator names."""

    def __init__(self) -> None:
        self.tab: Tab | None = None
        self.worker: Worker | None = None  # then the page is another process's
        self.crew: PageCrew | None = None  # workers of this process
        self.playing = False
        self._is_ready = gevent.event.Event()
        self._folder: RunFolder | None = None
        self._planned: list[dict[str, Any]] | None = None
        self._run: LoadRun | None = None
        self._over = gevent.event.Event()
        self._stop: Callable[[], None] = lambda: None

    def open(self, environment: Any) -> None:
        """Put the tab on the page and listen to orders."""
        about = json.loads(os.environ[VARIABLE])
        base = getattr(environment.parsed_options, "web_base_path", None) or ""
        self.tab = Tab(base, about["variants"], self._choose, by_hand=about["by_hand"])
        routes.attach(environment.web_ui, base, self.tab)
        self.tab.start()
        if isinstance(environment.runner, MasterRunner):
            self.crew = PageCrew(environment, self)
            self.crew.attach()
        self._stop = environment.runner.stop
        gevent.spawn(self._listen)

    def play(self, environment: Any) -> None:
        """One run, from the press of Start to its closed rows."""
        folder, error = self.await_folder(), ""
        try:
            ours = Session(Found(folder, True))
            zero_ns = ours.await_zero()
            self._run = ours.begin(zero_ns, observer(environment, zero_ns))
            self.show(folder, self._run.clock.now_s)
            ours.play(self._run)
        except HarnessError as found:
            _log.error("%s", found)
            error = str(found)
        finally:
            self.finish(error)

    def await_folder(self) -> RunFolder:
        """Wait until a region is ready; the folder of the run that begins now."""
        self._is_ready.wait()
        self._is_ready.clear()
        assert self._folder is not None
        return self._folder

    def show(self, folder: RunFolder, now_s: Callable[[], float]) -> None:
        """The run began: the tab follows it, and its buttons reach its region."""
        assert self.tab is not None
        ports = ports_of(folder, read_region(folder.region))
        self.tab.begin(Running(folder, folder.read_json(folder.plan), now_s, ports), self._planned)

    def finish(self, error: str = "") -> None:
        """End what is being played: presses healed, rows closed, and the orchestrator told. It is done once."""
        folder, self._folder = self._folder, None
        if folder is None:
            self._over.wait(10.0)  # being done by another greenlet
            return
        self._over.clear()
        # Its own greenlet: Locust may kill the one that asks.
        gevent.spawn(self._finish, folder, error).join()

    def _finish(self, folder: RunFolder, error: str) -> None:
        run, self._run = self._run, None
        try:
            if self.tab is not None:
                self.tab.over()
            if self.crew is not None:
                self.crew.finish()
            if run is not None:
                run.finish()
                if run.operations.errors:
                    error = error or f"{run.operations.errors} operations broke in our own code; see the log"
        finally:
            (folder.path / READY_FILE).touch()  # what broke, or was stopped, before it began has an end as well
            (folder.path / OVER_FILE).write_text(error)
            self._over.set()

    def _choose(self, variant: str) -> None:
        """Ask the orchestrator for another variant."""
        if self._folder is None or not self._is_ready.is_set():
            raise RunError("the region is not ready; choose again in a moment")
        self._is_ready.clear()
        folder, self._folder = self._folder, None
        assert self.tab is not None
        self.tab.wait(f"the region is started again for {variant}")
        folder.write_json(folder.path / OTHER_FILE, {"variant": variant})

    def _listen(self) -> None:
        """Carry out orders until there is nobody to give any."""
        gevent.os.make_nonblocking(0)
        pending = b""
        try:
            while data := gevent.os.nb_read(0, 65536):
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    gevent.spawn(self._told, json.loads(line)).link_exception(_say_broken)
        finally:
            try:
                if self.playing:
                    self.finish()
                if self.tab is not None:
                    self.tab.stop()
            finally:
                os._exit(Exit.TERMINATED)

    def _told(self, order: dict[str, Any]) -> None:
        assert self.tab is not None
        match order["do"]:
            case "wait":
                self.tab.wait(order["detail"])
            case "ready":
                folder = RunFolder(Path(order["folder"]))
                self._planned = order["planned"]
                self.tab.prepare(folder.path)
                self.tab.ready(folder.read_json(folder.plan), self._planned)
                self._folder = folder
                self._is_ready.set()
                if self.crew is not None and self.crew.forsaken:
                    self.tab.say("no worker is left to make the load; end with Ctrl-C, and start again")
            case "never":
                self.tab.never()
            case "stop":
                gevent.spawn(self._stop)
            case "ended":
                folder, report = RunFolder(Path(order["folder"])), order["report"]
                measures = folder.read_json(folder.measures) if order["measured"] else None
                found = Path(report) if report else None
                self.tab.ended(measures, found, order["code"], order["error"], folder.path)
            case unknown:
                raise SpecError(f"no order {unknown!r}")


player = Player()


class Experiment(User):
    """Plays the experiment's load. One user plays all of it; more only idle."""

    host = "http://region.test"  # shown by Locust; targets come from the run's region map
    fixed_count = 1

    @task
    def load(self) -> None:
        """One run."""
        if player.playing or player.worker is not None:
            gevent.sleep(_FOR_GOOD_S)
            return
        player.playing = True
        try:
            player.play(self.environment)
        finally:
            player.playing = False
        gevent.spawn(self.environment.runner.stop)
        gevent.sleep(_FOR_GOOD_S)


def attach() -> None:
    """Listen to Locust; on import, so that on `quitting`, which fires in reverse, nobody comes after."""
    hooks: Any = events  # untyped in Locust
    hooks.quitting.add_listener(_on_quitting)
    hooks.init.add_listener(_on_init)
    os.register_at_fork(after_in_child=die_with_parent)


def _on_init(environment: Any, runner: Any, web_ui: Any, **_: Any) -> None:
    if VARIABLE in os.environ and isinstance(runner, WorkerRunner):
        player.worker = Worker(environment, session)
        player.worker.attach()
        return
    if web_ui is None or VARIABLE not in os.environ:
        sys.stderr.write("blackstart: this file is for `blackstart web`, which starts Locust with it\n")
        raise SystemExit(int(Exit.USAGE))
    player.open(environment)


def _on_quitting(environment: Any, **_: Any) -> None:
    """Close everything; failed requests are what an outage is about, and no exit code."""
    if player.playing:
        player.finish()
    if player.tab is not None:
        player.tab.stop()
    environment.process_exit_code = int(Exit.PASS)


def _say_broken(greenlet: Any) -> None:
    _log.error("an order of the orchestrator could not be carried out: %s", greenlet.exception)
