"""Locust's events around the record of somebody's locustfile: options, start, requests, end, exit code.

    init_command_line_parser   our options; no user class, or several processes, end the process here
    init                       hosts, experiment, region: what is wrong ends the process here, with its message
    test_start .. test_stop    one recording, one run folder; the web page may start another
    quitting                   the exit code

With a web page there is a tab on it (`harness.load.plugin_tab`), which is told of the same moments.

Traps. A listener that raises is logged and passed over, so each of ours turns what goes wrong into the run's own end.
`quitting` fires in reverse and the first listener has the last word, so ours is put first in the list even when the
locustfile came before. A code that the locustfile itself set there (Locust's documentation teaches that as a criterion)
counts as a criterion that failed, unless ours says something graver. SIGTERM comes to `quitting` while users still run:
they are stopped from there, so that the record is closed before the code is decided. Ctrl-C is ours.

Leaves out: Locust's master and workers. Rows of several processes need numbers that none of them has here.
"""

from __future__ import annotations

import functools
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import gevent
from locust import User, events
from locust import log as locust_log
from locust.runners import LocalRunner

from harness.errors import Exit, HarnessError, SpecError
from harness.load.plugin_session import PluginSession
from harness.load.plugin_settings import Settings
from harness.load.plugin_tab import PluginTab
from harness.load.web.door import HERE

_log = logging.getLogger(__name__)
_PREFIX = "--blackstart-"
_NOBODY = "no user class in the locustfile: write a class that derives from HttpUser, FastHttpUser or User"

_ONE_PROCESS = (
    "the plugin records one Locust process; leave out --processes, --master and --worker (one process makes some "
    "thousand requests a second)"
)


class _Plugin:
    """What this process records: settings once, a session for every test."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.session: PluginSession | None = None
        self.code: Exit | None = None  # of the last test
        self.signalled = Exit.INTERRUPTED
        self.leaving = False
        self.tab: PluginTab | None = None

    def fail(self, environment: Any, error: HarnessError) -> None:
        """Say it, and end the process with its code; with a web page, end the test, and the page says it too."""
        _log.error("%s", error)
        self.code = error.exit_code
        if environment is not None and environment.runner is not None:
            gevent.spawn(environment.runner.quit if self.tab is None else environment.runner.stop)
        if self.tab is not None:
            self.tab.say(str(error))


_plugin = _Plugin()


def attach() -> None:
    """Listen to Locust, once."""
    hooks: Any = events  # untyped in Locust
    if _on_quitting in hooks.quitting._handlers:
        return
    hooks.quitting._handlers.insert(0, _on_quitting)  # fired in reverse: the first in the list is heard last
    hooks.init_command_line_parser.add_listener(_on_parser)
    hooks.init.add_listener(_on_init)
    hooks.test_start.add_listener(_on_test_start)
    hooks.test_stopping.add_listener(_on_test_stopping)
    hooks.test_stop.add_listener(_on_test_stop)
    hooks.spawning_complete.add_listener(_on_spawning_complete)
    hooks.user_error.add_listener(_on_user_error)
    sys.excepthook = functools.partial(_on_broken_locustfile, sys.excepthook)


def _guarded(listener: Callable[..., None]) -> Callable[..., None]:
    """A listener whose errors end the run, instead of being logged and passed over."""

    @functools.wraps(listener)
    def safe(environment: Any = None, **found: Any) -> None:
        try:
            listener(environment, **found)
        except HarnessError as error:
            _plugin.fail(environment, error)
        except Exception as error:
            _log.exception("the recorder broke; this is a fault of ours")
            _plugin.fail(environment, HarnessError(f"{type(error).__name__}: {error}"))

    return safe


def _on_parser(parser: Any, **_: Any) -> None:
    """Our options; and since the locustfiles are imported by now, whether there is anybody to play."""
    add = functools.partial(parser.add_argument, include_in_web_ui=False)
    add(f"{_PREFIX}experiment", metavar="FILE", help="experiment file: phases, timeline, steady state, criteria")
    add(f"{_PREFIX}variant", metavar="NAME", help="variant of the file; without a file, a name for this run")
    add(f"{_PREFIX}seed", metavar="N", type=int, help="number that pairs runs for a comparison (default: the file's)")
    add(f"{_PREFIX}runs", metavar="DIR", default="runs", help="where run folders go (default: runs)")
    add(f"{_PREFIX}allow-host", metavar="HOST", action="append", help="host that load may go to; may be given again")
    add(f"{_PREFIX}deadline", metavar="DURATION", help="a slower success is late, as in 500ms (default: the file's)")
    add(f"{_PREFIX}by-hand", action="store_true", help="the timeline's moments are told, and you carry them out")
    parser.set_defaults(web_host=HERE)  # Locust's own page would be open to everybody, and with it our buttons
    if not _has_users(User):
        _end(_NOBODY)
    if {"-h", "--help"} & set(sys.argv):
        return  # files after this one may have options to tell of, too
    found, _rest = parser.parse_known_args()
    if any(getattr(found, name, None) for name in ("processes", "master", "worker")):
        _end(_ONE_PROCESS)  # said before Locust forks: a master that ends in `init` may wait for its workers for ever


def _has_users(base: Any) -> bool:
    return any(found.abstract is False or _has_users(found) for found in base.__subclasses__())


def _on_init(environment: Any, runner: Any, **_: Any) -> None:
    """Read everything there is to read; what is wrong ends the process here."""
    try:
        if not isinstance(runner, LocalRunner):
            raise SpecError(_ONE_PROCESS)
        _plugin.settings = Settings.of(environment)
        _plugin.settings.check()
        if environment.web_ui is not None:
            _plugin.tab = PluginTab(environment.web_ui, _plugin.settings)
    except HarnessError as error:
        _end(str(error), error.exit_code)
    gevent.signal_handler(signal.SIGTERM, _on_sigterm)
    gevent.signal_handler(signal.SIGINT, _on_sigint, environment)
    gc.collect()
    gc.freeze()  # what we brought along would be walked by every full collection of theirs
    gevent.get_hub().loop.update_now()  # it has not turned since Locust was started: timers set now would be early


def _on_sigterm() -> None:
    """Locust's own handler, which comes next, leads to `quitting`."""
    _plugin.signalled = Exit.TERMINATED


def _on_sigint(environment: Any) -> None:
    """Ctrl-C: stop the users and end. The second time at once.

    Python would raise KeyboardInterrupt in whatever runs just then, and that is often a user: its request would be gone
    from Locust's statistics and from the rows, though the service has served it.
    """
    if _plugin.leaving:
        os._exit(int(Exit.INTERRUPTED))
    _plugin.leaving = True
    if _plugin.session is not None:
        _plugin.session.interrupted_by = Exit.INTERRUPTED
    environment.runner.quit()
    if environment.web_ui is not None:
        environment.web_ui.stop()


@_guarded
def _on_test_start(environment: Any, **_: Any) -> None:
    assert _plugin.settings is not None
    _plugin.code = None
    _plugin.session = PluginSession(_plugin.settings)
    _plugin.session.begin(functools.partial(_plugin.fail, environment))
    if _plugin.tab is not None:
        _plugin.tab.begun(_plugin.session)


@_guarded
def _on_user_error(_: Any, user_instance: Any = None, exception: Any = None, **_found: Any) -> None:
    if _plugin.session is not None:
        lost = isinstance(user_instance, User)  # a task set tells of tasks; a user only of its on_start
        user = user_instance if lost else user_instance.user
        _plugin.session.recording.user_error(user, exception, lost=lost)


@_guarded
def _on_spawning_complete(_: Any, **_found: Any) -> None:
    """`--reset-stats` empties Locust's statistics now; what was counted so far must be remembered."""
    if _plugin.session is not None and _plugin.session.settings.environment.reset_stats:
        _plugin.session.counted_before_reset = _plugin.session.recording.requests


@_guarded
def _on_test_stopping(_: Any, **_found: Any) -> None:
    if _plugin.session is not None:
        _plugin.session.stopping()


@_guarded
def _on_test_stop(_: Any, **_found: Any) -> None:
    session, _plugin.session = _plugin.session, None
    if session is None:
        return
    if _plugin.tab is not None:
        _plugin.tab.over()  # what was pressed is healed and written down before the record is closed
    code = session.finish()
    _plugin.code = _plugin.code or code
    if _plugin.tab is not None:
        _plugin.tab.ended(session.folder, code)


def _on_quitting(environment: Any, **_: Any) -> None:
    """Close what is open, and have the last word on the exit code."""
    theirs = environment.process_exit_code
    session = _plugin.session
    if session is not None:  # a signal: users still run
        session.interrupted_by = _plugin.signalled
        environment.runner.stop()  # fires test_stopping and test_stop
    code = _plugin.code
    if code is None:  # nothing was recorded
        code = Exit.MACHINERY if locust_log.unhandled_greenlet_exception else Exit.PASS
    if code is Exit.PASS and theirs:
        code = Exit.CRITERION_FAILED
    environment.process_exit_code = int(code)
    if _plugin.tab is not None:
        _plugin.tab.stop()


def _on_broken_locustfile(before: Any, kind: Any, error: Any, trace: Any) -> None:
    """An exception that ends the process before there is a record: their file's, if it came while importing it."""
    if _plugin.settings is None and kind.__module__.partition(".")[0] in ("pytest", "_pytest") and not _has_users(User):
        _end(_NOBODY, hard=True)  # without users Locust tries the files as tests, and pytest may complain first
    before(kind, error, trace)
    if _plugin.settings is None and issubclass(kind, Exception):
        _end(f"Locust cannot use the locustfile: {kind.__name__}: {error}; mend it and start again", hard=True)


def _end(message: str, code: Exit = Exit.USAGE, *, hard: bool = False) -> None:
    """One message, and the end of the process."""
    sys.stderr.write(f"blackstart: {message}\n")
    sys.stderr.flush()
    if hard:  # an excepthook cannot choose the exit code in any other way; nothing is open yet
        os._exit(int(code))
    raise SystemExit(int(code))
