"""One test of somebody's locustfile from its start to its verdict.

    Settings(...)        what the command line asked for; `check` reads everything that can be wrong before the load
    PluginSession        begin: folder, rows, guard, clockwork -> stopping -> finish: rows closed, counted, judged

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
from typing import Any, NamedTuple

import gevent

from harness import units
from harness.analyse import analyse
from harness.errors import Exit, HarnessError, SpecError
from harness.load import plugin_hosts
from harness.load.clock import monotonic_ns, wall_s
from harness.load.find_run import find_run
from harness.load.plugin_plan import LEAST_S, UNKNOWN_S, free_plan, is_longer, read_plan
from harness.load.plugin_recording import Recording, mismatch
from harness.load.plugin_region import Operator, Ports, Watcher, ports_of
from harness.load.plugin_told import user_of
from harness.load.resolver import RegionResolver, WireQuery
from harness.load.session import resolver_spec
from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.record.region import DNS_PORT, RegionMap, read_region
from harness.spec.region import Region
from harness.timeline import Due, edges

TICK_S = 0.25
_log = logging.getLogger(__name__)
_STOP_LEAD_S = 0.05
_ROUND_S = 0.25


class Served(NamedTuple):
    """The region of `blackstart serve`."""

    folder: RunFolder
    map: RegionMap
    knobs: Region
    resolver: RegionResolver


class Settings:
    """What the command line asked for."""

    def __init__(self, environment: Any, options: Mapping[str, Any]) -> None:
        self.environment = environment
        self.experiment = Path(options["experiment"]) if options.get("experiment") else None
        self.variant: str | None = options.get("variant")
        self.seed: int | None = options.get("seed")
        self.runs = Path(options.get("runs") or "runs")
        self.by_hand = bool(options.get("by_hand"))
        self.deadline_s = _deadline_s(options.get("deadline"))
        self.allowed = frozenset(options.get("allow_host") or ())
        self.files = [Path(name) for name in environment.parsed_locustfiles or () if Path(name) != _OURS]
        self.headless = bool(getattr(environment.parsed_options, "headless", True))
        self.served: Served | None = None
        self._planned: tuple[float, Plan] | None = None

    @classmethod
    def of(cls, environment: Any) -> Settings:
        """From Locust's parsed options. Raises SpecError."""
        found = vars(environment.parsed_options)
        prefix = "blackstart_"
        return cls(environment, {key[len(prefix) :]: found[key] for key in found if key.startswith(prefix)})

    @property
    def name(self) -> str:
        """What the run is called: the experiment's file, or the locustfile."""
        if self.experiment is not None:
            return self.experiment.stem
        return self.files[0].stem if self.files else "locust"

    def run_time_s(self) -> float | None:
        """How long Locust was told to run; None for until it is stopped. A shape decides for itself."""
        found = getattr(self.environment.parsed_options, "run_time", None)
        shape = self.environment.shape_class
        if shape is not None and not shape.use_common_options:
            return None
        return float(found) if isinstance(found, int | float) and found else None

    def urls(self) -> list[tuple[str, str | None]]:
        """The base URL of each user class."""
        own = self.environment.host
        return [(found.__name__, own or found.host) for found in self.environment.user_classes]

    def check(self) -> list[str]:
        """Read all that may be wrong; the hosts that load goes to. Raises HarnessError with what to do."""
        urls = self.urls()
        if self.served is None and any(plugin_hosts.in_region(plugin_hosts.host_of(url)) for _, url in urls):
            self.served = _served()
        if self.experiment is not None and self.run_time_s() is not None:
            raise SpecError(
                f"--run-time: {self.experiment} says how long its phases last, and the load ends with them; leave "
                "--run-time out"
            )
        plan = self.plan()
        if plan.timeline and self.served is None and not self.by_hand:
            raise SpecError(
                f"{self.experiment}: its timeline is carried out on the region of `blackstart serve`, and no user "
                "class has a host there (http://kv.region.test:8000); give --blackstart-by-hand if you carry it out "
                "yourself"
            )
        self.allowed |= frozenset(plan.experiment.allow_hosts)
        return plugin_hosts.check_hosts(urls, self.allowed)

    def plan(self, length_s: float | None = None) -> Plan:
        """The plan of a test that starts now, or of one that has lasted `length_s`. Raises SpecError."""
        knobs = self.served.knobs if self.served is not None else None
        wanted_s = 0.0 if self.experiment is not None else length_s or self.run_time_s() or UNKNOWN_S
        if self._planned is not None and self._planned[0] == wanted_s:
            return self._planned[1]  # read before the load: a shape's clock runs while a test starts
        if self.experiment is not None:
            plan = read_plan(self.experiment, self.variant, self.seed, knobs)
        else:
            seed = 1 if self.seed is None else self.seed
            plan = free_plan(self.name, self.variant or "base", seed, wanted_s, knobs)
        self._planned = (wanted_s, plan)
        return plan


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
        measures = analyse(self.folder)
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
            (due.at_s, 1, due, "") for due in edges(plan) if due.component not in ("load", "pause")
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


def _served() -> Served:
    """The region that is served now. Raises RunError when there is none."""
    found = find_run({})
    plan = Plan.from_json(found.folder.read_json(found.folder.plan), str(found.folder.plan))
    region = read_region(found.folder.region)
    ask = WireQuery(region.dns_address, DNS_PORT, plan.seed)
    resolver = RegionResolver(resolver_spec(plan), ask, lambda: monotonic_ns() * 1e-9)
    return Served(found.folder, region, plan.experiment.region, resolver)


def _deadline_s(text: str | None) -> float | None:
    if not text:
        return None
    try:
        return units.duration_s(text)
    except ValueError as error:
        raise SpecError(f"--blackstart-deadline: {error}") from error


def _wall() -> datetime:
    return datetime.fromtimestamp(wall_s(), UTC)


def _rfc3339() -> str:
    return _wall().isoformat(timespec="milliseconds").replace("+00:00", "Z")


_OURS = Path(__file__).with_name("plugin.py")
