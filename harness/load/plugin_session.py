"""One test of somebody's locustfile from its start to its verdict.

    begin: folder, rows, guard, clockwork -> stopping -> finish: rows closed, counted, judged

The clockwork is one greenlet: phases and edges of the plan as they come, gauges four times a second, and the end of the
load when an experiment says when that is. A run without an experiment lasts as Locust says, so its phases are known
when it is over and its plan is written again then.

Exit codes are those of `blackstart run`: 0, 1 a criterion failed (without an experiment there is one: the lines hold to
the end), 3 invalid, 130 or 143 when it was interrupted before its planned end. That requests failed is what a test of
an outage is about, and no reason by itself.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent

from harness.analyse import analyse
from harness.errors import Exit, HarnessError
from harness.load import plugin_hosts
from harness.load.clock import monotonic_ns, wall_s
from harness.load.plugin_plan import LEAST_S, is_longer
from harness.load.plugin_recording import Recording, mismatch
from harness.load.plugin_region import Operator, Watcher
from harness.load.plugin_settings import Settings
from harness.load.plugin_told import user_of
from harness.load.ports import Ports, ports_of
from harness.load.web.desk import Running
from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.timeline import Due, edges

TICK_S = 0.25
_log = logging.getLogger(__name__)
_STOP_LEAD_S = 0.05
_ROUND_S = 0.25


class PluginSession:
    """One test being recorded."""

    def __init__(self, settings: Settings) -> None:
        """Raises HarnessError when the record cannot be begun."""
        self.settings = settings
        self.environment = settings.environment
        self.counted_before_reset = 0
        self.interrupted_by: Exit | None = None
        self.failed: HarnessError | None = None
        hosts = settings.check()
        plan = settings.plan()
        stamp = _wall().strftime("%Y%m%d-%H%M%S")
        self.folder = RunFolder.create(settings.runs, plan.name, plan.variant, plan.seed, stamp)
        classes = [found.__name__ for found in self.environment.user_classes]
        served = settings.served
        self._guard = plugin_hosts.install(settings.allowed, None if served is None else served.resolver)
        ports = None if served is None else ports_of(served.folder, served.map)
        files = settings.files
        self.recording = Recording(self.folder, plan, classes, hosts, files, served=served is not None)
        self.recording.begun(_rfc3339())
        deadline_s = settings.deadline_s
        if deadline_s is None and settings.experiment is not None:
            deadline_s = plan.experiment.client.deadline_s
        if deadline_s is not None:
            self.recording.limit(deadline_s)
        if not self.environment.stop_timeout:
            self.environment.stop_timeout = plan.phases[-1].end_s - plan.phases[-1].start_s
        self._operator = Operator(self.recording, ports)
        self._ports: Ports | None = ports
        self._watcher: Watcher | None = None
        self._greenlets: list[Any] = []
        self._cut: list[Any] = []
        self._stopped_s: float | None = None

    def begin(self, fail: Callable[[HarnessError], None]) -> None:
        """Start the clockwork; `fail` is told what goes wrong in it."""
        if self._ports is not None:
            self._watcher = Watcher(self.folder, self._ports, self.recording)
        self.environment.events.request.add_listener(self.recording.request)
        self._greenlets = [gevent.spawn(self._guarded, self._tick, fail)]
        if self.settings.experiment is not None:
            self._greenlets.append(gevent.spawn(self._guarded, self._conduct, fail))
        sys.stderr.write(f"blackstart: recording into {self.folder.path}\n")

    def stopping(self) -> None:
        """Users are being stopped: the load ends here. Who is still busy when Locust loses patience is kept."""
        if self._stopped_s is None:
            self._stopped_s = self.recording.now_s()
            self._greenlets.append(gevent.spawn_later(
                max(0.0, float(self.environment.stop_timeout) - _STOP_LEAD_S), self._note_busy
            ))  # fmt: skip

    def finish(self) -> Exit:
        """Close the record, count it against Locust's, judge it, and say so; the exit code."""
        self.environment.events.request.remove_listener(self.recording.request)
        self._operator.undo()
        gevent.killall([found for found in self._greenlets if found is not gevent.getcurrent()])
        if self._watcher is not None:
            self._watcher.close()
        self.recording.unfinished(self._cut)
        self.recording.tick(0, 0.0)
        plan, until_s, short = self._as_it_was()
        told = self.environment.stats.total.num_requests + self.counted_before_reset
        reasons = [why for why in (mismatch(self.recording, told), self._lost(), self._refused()) if why]
        if self.failed is not None:
            reasons.append(str(self.failed))
        if short and self.settings.experiment is not None and not reasons:
            self.recording.entry("stop", state="stopped", why="the load ended before the phases of its plan did")
        self.recording.close(plan, until_s, reasons)
        measures = self._judged()
        code = worth(measures)
        if code is Exit.PASS and self.settings.experiment is None and not measures["recovered"]:
            code = Exit.CRITERION_FAILED  # without a file, staying within the lines is the criterion
        if self.failed is not None:
            code = self.failed.exit_code
        elif self.interrupted_by is not None and short:
            code = self.interrupted_by
        self.recording.ended(code, str(measures["verdict"]), _rfc3339())
        sys.stderr.write("\n".join(_told(measures, self.folder.path)) + "\n")
        return code

    def running(self) -> Running:
        """This test for the page."""
        return Running(self.folder, self.folder.read_json(self.folder.plan), self.recording.now_s, self._ports)

    def _judged(self) -> dict[str, Any]:
        """The measures; with a page to serve they are taken in a thread, because this may be the hub of a route."""
        if self.environment.web_ui is None:
            return analyse(self.folder)
        found: dict[str, Any] = gevent.get_hub().threadpool.apply(analyse, (self.folder,))
        return found

    def _as_it_was(self) -> tuple[Plan, float, bool]:
        """The plan with the length the load had, when its load ended, and whether that was before its planned end."""
        stopped_s = self.recording.now_s() if self._stopped_s is None else self._stopped_s
        plan = self.recording.plan
        if self.settings.experiment is not None:
            short = is_longer(plan, stopped_s)
            return plan, self.recording.now_s() if short else plan.load_end_s, short
        wanted_s = self.settings.run_time_s()
        if wanted_s is not None and stopped_s >= wanted_s - LEAST_S:
            return self.settings.plan(wanted_s), wanted_s, False
        plan = self.settings.plan(math.floor(stopped_s / _ROUND_S) * _ROUND_S)
        return plan, plan.load_end_s, wanted_s is not None

    def _lost(self) -> str | None:
        lost = self.recording.lost_users
        if not lost:
            return None
        return f"{lost} users raised in on_start and were gone, so the load was not the one asked for; mend on_start"

    def _refused(self) -> str | None:
        if not self._guard.refused:
            return None
        names = ", ".join(f"{host} ({count} times)" for host, count in sorted(self._guard.refused.items()))
        return f"requests were to go to hosts that are not allowed: {names}; allow them with --blackstart-allow-host"

    def _note_busy(self) -> None:
        found = [user_of(greenlet) for greenlet in self.environment.runner.user_greenlets]
        self._cut = [user for user in found if user is not None]

    def _tick(self) -> None:
        """Gauges and flushes, and how late this greenlet is woken: the process's own lag."""
        while True:
            due_ns = monotonic_ns() + round(TICK_S * 1e9)
            gevent.sleep(TICK_S)
            self.recording.align()
            self.recording.tick(self.environment.runner.user_count, max(0.0, (monotonic_ns() - due_ns) * 1e-9))

    def _guarded(self, work: Callable[[], None], fail: Callable[[HarnessError], None]) -> None:
        """Clockwork that breaks ends the run, with the reason in its record."""
        try:
            work()
        except HarnessError as error:
            self.failed = error
        except Exception as error:
            _log.exception("the recorder broke; this is a fault of ours")
            self.failed = HarnessError(f"the recorder broke: {type(error).__name__}: {error}")
        if self.failed is not None:
            fail(self.failed)

    def _conduct(self) -> None:
        """Phases and edges as they come, and the end of the load where the plan has one."""
        plan = self.recording.plan
        moments: list[tuple[float, int, Due | None, str]] = [
            (due.at_s, 1, due, "")
            for due in (() if self.settings.by_buttons else edges(plan))
            if due.component not in ("load", "pause")
        ]
        moments += [(phase.start_s, 0, None, phase.name) for phase in plan.phases]
        for at_s, _, due, name in sorted(moments, key=lambda moment: moment[:2]):
            gevent.sleep(max(0.0, at_s - self.recording.now_s()))
            if due is not None:
                self._operator.do(due)
                continue
            phase = plan.phase(name)
            self.recording.entry("phase", name=name, start_s=phase.start_s, end_s=phase.end_s)
            if name == plan.phases[-1].name:
                break
        runner = self.environment.runner
        gevent.spawn(runner.quit if self.settings.headless else runner.stop)


def worth(measures: Mapping[str, Any]) -> Exit:
    """What measures are worth as an exit code, as for `blackstart run`."""
    if not measures["validity"]["valid"]:
        return Exit.INVALID
    answers = {answer["verdict"] for answer in measures.get("expect") or () if "compare" not in answer}
    if "fail" in answers:
        return Exit.CRITERION_FAILED
    return Exit.INVALID if "unsure" in answers else Exit.PASS


def _told(measures: Mapping[str, Any], path: Path) -> list[str]:
    lines = [f"blackstart: {measures['experiment']} / {measures['variant']}: {measures['verdict']}"]
    if measures.get("verdict_reason"):
        lines.append(f"  {measures['verdict_reason']}")
    lines += [f"  not valid: {reason}" for reason in measures["validity"]["reasons"]]
    return [*lines, f"  folder  {path}", f"  report  blackstart report {path}"]


def _wall() -> datetime:
    return datetime.fromtimestamp(wall_s(), UTC)


def _rfc3339() -> str:
    return _wall().isoformat(timespec="milliseconds").replace("+00:00", "Z")
