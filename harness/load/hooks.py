"""Locust's part of the load process: one pacing user, and the events at both ends of a run.

A locustfile of this project is a class of three lines: a `Pacer` that names its story. Several may be given at once
(`locust -f a.py,b.py`), and picked from with `--class-picker`: whichever of their users comes first starts the
operations of all the stories picked, in the order of the plan. Users beyond it idle: the rate comes from the plan, not
from users, unless a shape is given (`locustfiles/shapes.py`), under which each user is one (`harness.load.walk_in`).

    started by the orchestrator (BLACKSTART_RUN), headless:
        python -m locust -f A.py[,B.py] --headless --only-summary --users 1 --spawn-rate 1
        ready when <run>/load.ready exists; ends by itself when the plan is drained; exit 0 whatever failed meanwhile
    by hand, against `blackstart serve`, with Locust's web page or headless:
        locust -f locustfiles/mobile_banking.py [--processes 2]
        the plan's load, again and again, until stopped

Traps avoided here. The exit code: Locust exits 1 when any request failed, and in an outage they do; so
`process_exit_code` is set, in a `quitting` listener that is registered on import, because that event fires in reverse
and the first registered has the last word. Errors in listeners are logged and swallowed; so bad input ends the process
here, with its message. The parent: with a pipe as standard input, its end means the orchestrator is gone, and so are
we, rows closed first.

With `--processes N`, `--master` or `--worker`, the master (`harness.load.workers`) gives each worker
(`harness.load.worker`) its share, and users only idle. Bad input is told before Locust forks, because a master that
ends in `init` leaves workers that look for it; and a master whose workers do not come waits for ever unless told how
long, so with `--processes` it is told.
"""

from __future__ import annotations

import functools
import logging
import os
import stat
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import gevent
import gevent.os
from locust import LoadTestShape, User, events, task
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from harness.errors import Exit, HarnessError, SpecError
from harness.flows.stories.base import Story
from harness.load.find_run import VARIABLE, Found, check_port, find_run
from harness.load.load_run import LoadRun
from harness.load.observing import observer
from harness.load.session import Session
from harness.load.walk_in import WalkIns
from harness.load.worker import Worker, die_with_parent
from harness.load.workers import NO_SHAPE, Crew

WORKERS_S_MAX = 60  # how long a master waits for the workers that it forked
_FOR_GOOD_S = 1e6
_log = logging.getLogger(__name__)


class _Process:
    """What this process is doing: one run found, the stories named by its locustfiles, one session at a time."""

    def __init__(self) -> None:
        self.stories: dict[str, Story] = {}
        self.found: Found | None = None
        self.session: Session | None = None  # prepared, not begun
        self.run: LoadRun | None = None
        self.part: Crew | Worker | None = None  # of several processes
        self.exit_code = Exit.PASS
        self.parsed = False
        self.pacing = False
        self.walk_ins: WalkIns | None = None  # under a shape

    def prepare(
        self,
        found: Found,
        worker: int = 0,
        workers: int = 1,
        first: int | None = None,
        stories: list[str] | None = None,
    ) -> Session:
        """A session for the run. Raises HarnessError for one that cannot be loaded with these locustfiles.

        Against a served region it plays `stories`, or those of all locustfiles given.
        """
        playing = list(self.stories) if stories is None else stories
        session = Session(found, worker, workers, None if found.orchestrated else playing, first)
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
        if self.part is not None:
            self.part.finish()
            self.exit_code = self.exit_code or self.part.exit_code
        run = self.run  # the pacer, waking up meanwhile, may forget it
        if run is not None:
            run.finish()
            if run.operations.errors:
                self.exit_code = Exit.MACHINERY


_process = _Process()


class Pacer(User):
    """Starts every operation of the plan when it is due. One a process paces; more only idle, as all do in a worker.

    A locustfile derives a class from it for each story it plays. Under a shape each user is one user of that story.
    """

    abstract = True
    host = "http://region.test"  # shown by Locust; targets come from the run's region map
    story: Story

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _process.stories[cls.story.name] = cls.story

    @task
    def pace(self) -> None:
        """Pace one session from its beginning to its end."""
        if _process.part is not None:
            gevent.sleep(_FOR_GOOD_S)
            return
        if self.environment.shape_class is not None:
            _walk_in(self)
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


def _prepared(environment: Any) -> Session:
    """A session that plays the stories of the classes picked. Against a served region that may be some of them."""
    found = _process.found or find_run(os.environ)
    session, _process.session = _process.session, None
    if not found.orchestrated:
        picked = _picked(environment)
        if session is None or set(session.plan.stories) != set(picked):
            return Session(found, stories=picked)
    return session or _process.prepare(found)  # or: started again from Locust's page


def _picked(environment: Any) -> list[str]:
    """The stories of the classes that are to be played now, which `--class-picker` and the command line choose."""
    return _stories(environment.user_classes)


def _stories(kinds: Iterable[type[User]]) -> list[str]:
    picked = {kind.story.name for kind in kinds if issubclass(kind, Pacer)}
    return [name for name in _process.stories if name in picked]


def _walk_in(user: Pacer) -> NoReturn:
    """Be one of the users a shape asks for; the first opens the record, and the end of the test closes it."""
    try:
        if _process.walk_ins is None:
            session = _prepared(user.environment)
            zero_ns = session.await_zero()
            _process.run = session.begin(zero_ns, observer(user.environment, zero_ns), walk_in=True)
            _process.walk_ins = WalkIns(session, _process.run)
        _process.walk_ins.live(user.story.name)
    except HarnessError as error:
        _log.error("%s", error)
        _process.exit_code = error.exit_code
        gevent.spawn(user.environment.runner.quit)
    while True:
        gevent.sleep(_FOR_GOOD_S)


def _on_test_stop(**_: Any) -> None:
    """Those who walked in are gone: what they had under way is cut off, and their record closed."""
    if _process.walk_ins is not None:
        _process.finish()
        _process.walk_ins = _process.run = None


def _pace(environment: Any) -> None:
    session = _prepared(environment)
    zero_ns = session.await_zero()
    _process.run = session.begin(zero_ns, observer(environment, zero_ns))
    session.play(_process.run)
    _process.finish()
    gevent.spawn(environment.runner.quit)
    gevent.sleep(_FOR_GOOD_S)  # until the runner, in quitting, ends this user


def _on_user_error(user_instance: Any = None, exception: Any = None, **_: Any) -> None:
    """A user of ours raised, in its `on_start` or while it paced: there is no load, and an exit code must say so."""
    if isinstance(getattr(user_instance, "user", user_instance), Pacer):
        if _process.exit_code is Exit.PASS:
            _log.error("no load: the user who paces it raised %s: %s", type(exception).__name__, exception)
        _process.exit_code = Exit.MACHINERY
        gevent.spawn(user_instance.environment.runner.quit)


def _on_parser(parser: Any, **_: Any) -> None:
    """Before Locust forks: bad input ends the process now, while there is nobody to leave behind.

    Locust's page asks for a parser too, later, when the ports are our own.
    """
    if _process.parsed or {"-h", "--help"} & set(sys.argv):
        return
    _process.parsed = True
    found, _rest = parser.parse_known_args()
    if found.worker:
        return
    if found.processes:
        parser.set_defaults(expect_workers_max_wait=WORKERS_S_MAX)
    if found.processes or found.master:
        _or_end(lambda: _before_workers(found))


def _before_workers(options: Any) -> None:
    """What can be known before there are any. A shape among the files is the one that Locust plays, unless picked."""
    shapes = [kind for kind in LoadTestShape.__subclasses__() if not kind.abstract]
    if shapes and not options.class_picker:
        raise SpecError(NO_SHAPE)
    # Locust would end with a traceback and exit 1, which here means that a criterion failed.
    check_port(options.master_bind_host.replace("*", ""), options.master_bind_port, "--master-bind-port")
    if not options.headless:
        check_port(options.web_host or "", options.web_port)
    named = options.user_classes
    stories = _stories([kind for kind in Pacer.__subclasses__() if kind.__name__ in named]) if named else None
    _process.prepare(find_run(os.environ), stories=stories)


def _on_quitting(environment: Any, **_: Any) -> None:
    """Close everything and have the last word on the exit code."""
    _process.finish()
    environment.process_exit_code = int(_process.exit_code)


def _on_init(environment: Any, runner: Any, **_: Any) -> None:
    """Find the run and prepare it; bad input ends the process with its message."""
    if isinstance(runner, WorkerRunner):  # its master knows the run
        _process.part = Worker(environment, _process.prepare)
    else:
        _or_end(lambda: _find(environment, runner))
    if _process.part is not None:
        _process.part.attach()
    gevent.get_hub().loop.update_now()  # Locust's --run-time counts from what the loop takes for now
    if os.environ.get(VARIABLE) and _stdin_is_pipe():
        gevent.spawn(_end_with_parent)


def _find(environment: Any, runner: Any) -> None:
    _process.found = find_run(os.environ)
    if environment.web_ui is not None:
        check_port(environment.web_ui.host or "", environment.web_ui.port)
    if isinstance(runner, LocalRunner):
        if not environment.available_shape_classes:
            Pacer.fixed_count = 1
        _process.session = _process.prepare(_process.found, stories=_picked(environment))
    elif isinstance(runner, MasterRunner):
        if environment.shape_class is not None and not environment.parsed_options.class_picker:
            raise SpecError(NO_SHAPE)
        _process.part = Crew(environment, _process.found, functools.partial(_prepare_picked, environment))


def _prepare_picked(
    environment: Any, found: Found, worker: int, workers: int, first: int | None, _: list[str] | None
) -> Session:
    """The master's session: what is picked on its page is what it tells its workers to play."""
    return _process.prepare(found, worker, workers, first, _picked(environment))


def _or_end(work: Callable[[], object]) -> None:
    """Do it; an error that a person is meant to read ends the process."""
    try:
        work()
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(int(error.exit_code)) from error


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


def _attach() -> None:
    """Listen to Locust; on import, so that on `quitting`, which fires in reverse, nobody comes after."""
    hooks: Any = events  # untyped in Locust
    hooks.quitting.add_listener(_on_quitting)
    hooks.init.add_listener(_on_init)
    hooks.test_stop.add_listener(_on_test_stop)
    hooks.user_error.add_listener(_on_user_error)
    hooks.init_command_line_parser.add_listener(_on_parser)
    os.register_at_fork(after_in_child=die_with_parent)


_attach()
