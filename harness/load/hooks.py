"""Locust's part of the load process: one pacing user, and the events at both ends of a run.

A locustfile of this project is three lines: it imports `Pacer` and says which story it plays. Several may be given at
once (`locust -f a.py,b.py`): Locust finds the same `Pacer` in each and keeps one, and that one starts the operations of
all stories in the order of the plan. Users beyond the first idle: the rate comes from the plan, not from users.

    started by the orchestrator (BLACKSTART_RUN), headless:
        python -m locust -f A.py[,B.py] --headless --only-summary --users 1 --spawn-rate 1
        ready when <run>/load.ready exists; ends by itself when the plan is drained; exit 0 whatever failed meanwhile
    by hand, against `blackstart serve`, with Locust's web page or headless:
        locust -f locustfiles/mobile_banking.py
        the plan's load, again and again, until stopped

Traps avoided here. The exit code: Locust exits 1 when any request failed, and in an outage they do; so
`process_exit_code` is set, in a `quitting` listener that is registered on import, because that event fires in reverse
and the first registered has the last word. Errors in listeners are logged and swallowed; so bad input ends the process
here, with its message. The parent: with a pipe as standard input, its end means the orchestrator is gone, and so are
we, rows closed first.

Leaves out: Locust's master and workers. A worker is told its number by Locust but not how many there are, so
BLACKSTART_WORKERS must say it.
"""

from __future__ import annotations

import logging
import os
import stat
import sys
from typing import Any

import gevent
import gevent.os
from locust import User, events, task
from locust.runners import LocalRunner, WorkerRunner

from harness.errors import Exit, HarnessError, SpecError
from harness.flows.stories.base import Story
from harness.flows.wants import Reply, Send
from harness.load.clock import monotonic_ns, wall_s
from harness.load.driver import Observer
from harness.load.find_run import VARIABLE, Found, find_run
from harness.load.load_run import LoadRun
from harness.load.session import Session

WORKERS_VARIABLE = "BLACKSTART_WORKERS"
_FOR_GOOD_S = 1e6
_log = logging.getLogger(__name__)


class AttemptFailed(Exception):
    """An attempt that did not succeed, for Locust's statistics."""


class _Process:
    """What this process is doing: one run found, the stories named by its locustfiles, one session at a time."""

    def __init__(self) -> None:
        self.stories: dict[str, Story] = {}
        self.found: Found | None = None
        self.session: Session | None = None  # prepared, not begun
        self.run: LoadRun | None = None
        self.exit_code = Exit.PASS
        self.pacing = False

    def prepare(self, found: Found, worker: int, workers: int) -> Session:
        """A session for the run. Raises HarnessError for one that cannot be loaded with these locustfiles."""
        session = Session(found, worker, workers)
        names = session.plan.stories
        absent = [name for name in names if name not in self.stories]
        if absent:
            raise SpecError(
                f"{session.folder.plan}: the plan's load has {', '.join(absent)}, but no locustfile given plays it; "
                f"start Locust with -f {','.join(f'locustfiles/{name}.py' for name in names)}"
            )
        return session

    def finish(self) -> None:
        """End what is being played, if anything is."""
        run = self.run  # the pacer, waking up meanwhile, may forget it
        if run is not None:
            run.finish()
            if run.operations.errors:
                self.exit_code = Exit.MACHINERY


_process = _Process()


def play(story: Story) -> None:
    """Say in a locustfile which story it plays."""
    _process.stories[story.name] = story


class Pacer(User):
    """Starts every operation of the plan when it is due. One a process paces; more only idle."""

    host = "http://region.test"  # shown by Locust; targets come from the run's region map

    @task
    def pace(self) -> None:
        """Pace one session from its beginning to its end."""
        if _process.pacing:
            _log.warning("this user idles: one user paces the whole plan, whatever the number of users")
            gevent.sleep(_FOR_GOOD_S)
            return
        _process.pacing = True
        try:
            _pace(self.environment)
        except HarnessError as error:
            _log.error("%s", error)
            _process.exit_code = error.exit_code
            gevent.spawn(self.environment.runner.quit)
            gevent.sleep(_FOR_GOOD_S)
        finally:
            _process.finish()
            _process.session = _process.run = None
            _process.pacing = False


def _pace(environment: Any) -> None:
    session = _process.session
    if session is None:  # a worker, or started again from Locust's page
        session = _process.prepare(_process.found or find_run(os.environ), *_share(environment.runner))
    zero_ns = session.await_zero()
    _process.run = session.begin(zero_ns, _observer(environment, zero_ns))
    session.play(_process.run)
    _process.finish()
    gevent.spawn(environment.runner.quit)
    gevent.sleep(_FOR_GOOD_S)  # until the runner, in quitting, ends this user


def _share(runner: Any) -> tuple[int, int]:
    """Which part of the schedule is ours: worker number, of how many."""
    if not isinstance(runner, WorkerRunner):
        return 0, 1
    worker, workers = runner.worker_index, int(os.environ.get(WORKERS_VARIABLE, "0"))
    if not 0 <= worker < workers:
        raise SpecError(
            f"{WORKERS_VARIABLE} is {workers}, but this is worker {worker} (from 0); set it to the number of workers, "
            "in the environment of every worker"
        )
    return worker, workers


def _on_quitting(environment: Any, **_: Any) -> None:
    """Close everything and have the last word on the exit code."""
    _process.finish()
    environment.process_exit_code = int(_process.exit_code)


def _on_init(runner: Any, **_: Any) -> None:
    """Find the run and prepare it; bad input ends the process with its message."""
    try:
        _process.found = find_run(os.environ)
        if isinstance(runner, LocalRunner):
            Pacer.fixed_count = 1
            _process.session = _process.prepare(_process.found, 0, 1)
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(int(error.exit_code)) from error
    if os.environ.get(VARIABLE) and _stdin_is_pipe():
        gevent.spawn(_end_with_parent)


def _stdin_is_pipe() -> bool:
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _end_with_parent() -> None:
    """Wait for the end of standard input, then close the rows and end at once."""
    gevent.os.make_nonblocking(0)
    try:
        while gevent.os.nb_read(0, 4096):
            pass
    finally:
        try:
            _process.finish()
        finally:
            os._exit(Exit.TERMINATED)


def _observer(environment: Any, zero_ns: int) -> Observer:
    """Tells Locust's statistics about each attempt."""
    fire = environment.events.request.fire
    wall_zero_s = wall_s() - (monotonic_ns() - zero_ns) * 1e-9
    failures: dict[str, AttemptFailed] = {}

    def observe(want: Send, reply: Reply, sent_s: float, size: int) -> None:
        failure = None
        if not reply.ok:
            words = f"{reply.result.name.lower()}: {reply.cause.name.lower()}"
            failure = failures.get(words)
            if failure is None:
                failure = failures[words] = AttemptFailed(words)
        operation = want.request.operation
        fire(
            request_type="POST",
            name=f"/{operation}",
            response_time=(reply.ended_s - sent_s) * 1e3,
            response_length=size,
            exception=failure,
            context={},
            start_time=sent_s + wall_zero_s,
            url=f"http://{want.target}/{operation}",
            response=None,
        )

    return observe


def _attach() -> None:
    """Listen to Locust; on import, so that on `quitting`, which fires in reverse, nobody comes after."""
    hooks: Any = events  # untyped in Locust
    hooks.quitting.add_listener(_on_quitting)
    hooks.init.add_listener(_on_init)


_attach()
