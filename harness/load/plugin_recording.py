"""The record of one test of somebody's locustfile: rows as it goes on, and at the end a folder that can be judged.

Locust's own listener keeps sums, so a stall of twelve seconds is a few slow requests in them; here every request has
its row. What `intended` means is weaker than elsewhere. The users of a locustfile are a closed loop: the next request
is not due at any moment, it begins when the last one has ended and the user has thought. So `intended` is the start,
and a request that a stall kept from being made is nowhere. (Compare arrivals, and see `harness.load.pacer`.)

    story     the user class                        app       the host
    operation one for each request event            attempt   the same once more, with its status, layer 0
    deadline  the experiment's, none without one

Nothing may be lost in silence. Locust logs an error in a listener and goes on, so at the end the rows are counted
against Locust's own total, and a difference makes the run invalid, as do users that died in `on_start` and took their
share of the load with them. Users get time to finish what they are doing; Locust kills at once and tells of nothing.
Whoever is cut off after that stands in the record as unfinished since their last request, because Locust tells of a
request only when it is over.

Leaves out: response sizes and names of requests, which stay in Locust's statistics, untouched.
"""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import gevent

from harness import __version__
from harness.errors import Exit
from harness.flows.wants import Cause, Result
from harness.load.clock import cpu_s, monotonic_ns, wall_s
from harness.load.plugin_plan import ENGINE, written
from harness.load.plugin_told import OTHER, Hosts, judged, user_of
from harness.load.recorder import Recorder
from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.record.journal import Journal
from harness.record.layouts import Outcome

GAUGES = ("users", "requests_total", "failures_total", "cpu_share", "loop_lag_s")
WHO = "plugin"
_LAST = "_blackstart_last_ns"  # of a user: when its last request was over
_VERSIONS = {name: metadata.version(name) for name in ("gevent", "geventhttpclient", "locust", "numpy", "requests")}


class Recording:
    """Rows, journal, plan and manifest of one test, from its first moment to the closed files."""

    def __init__(
        self,
        folder: RunFolder,
        plan: Plan,
        classes: Sequence[str],
        hosts: Sequence[str],
        files: Sequence[Path],
        *,
        served: bool,
    ) -> None:
        self.folder = folder
        self.plan = plan
        self.requests = 0  # events written as rows
        self.failures = 0
        self.lost_users = 0  # raised in on_start
        self.errors = 0  # exceptions of tasks
        self._files = list(files)
        self._served = served
        self.zero_ns = monotonic_ns()
        self._wall_ns = 0
        self._deadline_ns = -1
        self._stories = {name: number for number, name in enumerate([*classes, OTHER])}
        self._asked = [0] * len(self._stories)
        self._hosts = Hosts(list(hosts))
        self._ops = 0
        self._cpu = (0.0, cpu_s())
        self._journal = Journal(folder.journal, WHO)
        names = self._hosts.names
        self._recorder = Recorder(folder, 0, self.zero_ns, list(self._stories), names, names, GAUGES)
        self._attempts = self._recorder.attempts
        self._facts: dict[str, Any] = {}
        self.manifest = self._begin()
        self.align()
        self.write_plan(plan, plan.load_end_s)

    # ---- while the load goes on

    def now_s(self) -> float:
        """Seconds from the first moment of the test."""
        return (monotonic_ns() - self.zero_ns) * 1e-9

    def align(self) -> None:
        """Learn again how Locust's start times, which are wall time, stand to the run's clock."""
        self._wall_ns = monotonic_ns() - self.zero_ns - round(wall_s() * 1e9)

    def limit(self, deadline_s: float) -> None:
        """From now on a request is late when it takes longer."""
        self._deadline_ns = round(deadline_s * 1e9)

    def request(
        self,
        response_time: float | None = None,
        exception: BaseException | None = None,
        response: Any = None,
        start_time: float | None = None,
        url: str | None = None,
        **_: Any,
    ) -> None:
        """One request event: two rows. What is raised here is logged by Locust, and found out by `mismatch`."""
        now_ns = monotonic_ns() - self.zero_ns
        took_ns = round((response_time or 0.0) * 1e6)
        started_ns = now_ns - took_ns if start_time is None else round(start_time * 1e9) + self._wall_ns
        started_ns = max(0, min(started_ns, now_ns))
        finished_ns = min(started_ns + took_ns, now_ns)
        user = user_of(gevent.getcurrent())
        outcome, result, status, cause = judged(exception, response)
        deadline_ns = started_ns + self._deadline_ns if self._deadline_ns >= 0 else -1
        if outcome is Outcome.GOOD and finished_ns > deadline_ns >= 0:
            outcome = Outcome.LATE
        times_ns = (started_ns, finished_ns, deadline_ns)
        self._write(user, self._hosts.number(url), times_ns, outcome, result, status, cause)
        self.requests += 1
        if exception is not None:
            self.failures += 1
        if user is not None:
            setattr(user, _LAST, now_ns)

    def unfinished(self, users: Sequence[Any]) -> None:
        """Users that were cut off in the middle of something: one row each, from the end of their last request."""
        for user in users:
            times_ns, host = (getattr(user, _LAST, 0), -1, -1), self._hosts.number(user.host)
            self._write(user, host, times_ns, Outcome.UNFINISHED, Result.UNFINISHED, 0, Cause.NONE)

    def user_error(self, user: Any, error: BaseException, *, lost: bool) -> None:
        """A user raised: in a task, where it goes on, or in `on_start`, where it is gone. The first of each is told."""
        name = type(user).__name__
        if lost:
            self.lost_users += 1
            if self.lost_users == 1:
                text = f"{name} raised in on_start and is gone: {type(error).__name__}: {error}"
                self.note(text)
            return
        self.errors += 1
        if self.errors == 1:
            self.note(f"{name} raised in a task: {type(error).__name__}: {error}; Locust counts further ones")

    def note(self, text: str, **fields: Any) -> None:
        """A moment worth reading."""
        self.entry("note", text=text, **fields)

    def entry(self, kind: str, **fields: Any) -> None:
        """A journal entry of now."""
        self._journal.write(self.now_s(), kind, **fields)

    def tick(self, users: int, lag_s: float) -> None:
        """Gauges, and everything so far to the operating system."""
        before_s, before_cpu_s = self._cpu
        now_s, used_s = self.now_s(), cpu_s()
        share = (used_s - before_cpu_s) / max(now_s - before_s, 1e-3)
        self._cpu = (now_s, used_s)
        values = (users, self.requests, self.failures, share, lag_s)
        self._recorder.gauges(round(now_s * 1e9), dict(zip(GAUGES, values, strict=True)))
        self._recorder.flush()

    # ---- the end

    def write_plan(self, plan: Plan, until_s: float) -> None:
        """plan.json and experiment.yaml, with what was asked so far."""
        self.plan = plan
        asked = dict(zip(self._stories, self._asked, strict=True))
        facts = written(plan, asked, until_s, self._files, served=self._served)
        facts["zero_monotonic_ns"] = self.zero_ns
        self.folder.write_json(self.folder.plan, facts)
        self._facts = facts

    def close(self, plan: Plan, until_s: float, why_invalid: Sequence[str]) -> None:
        """Close the rows and write the plan as it was; reasons make the run invalid."""
        outcomes = self._recorder.outcomes
        summary = {
            "worker": self._recorder.name,
            "scheduled": self._ops,
            "started": self._ops,
            "dropped": 0,
            "requests": self.requests,
            "unfinished": outcomes[Outcome.UNFINISHED],
            "outcomes": {outcome.name.lower(): outcomes[outcome] for outcome in Outcome},
            "lost_users": self.lost_users,
            "task_errors": self.errors,
            "cpu_s": cpu_s(),
        }
        self._recorder.close(summary)
        for why in why_invalid:
            self.entry("stop", state="failed", why=why)
        self.write_plan(plan, until_s)
        self.folder.experiment.write_text(plan.experiment.text())

    def ended(self, code: Exit, message: str, ended: str) -> None:
        """The last word: how it went, to the manifest."""
        self._journal.close()
        state = {Exit.MACHINERY: "failed", Exit.INTERRUPTED: "interrupted", Exit.TERMINATED: "interrupted"}
        self.manifest.update(
            state=state.get(code, "completed"),
            ended=ended,
            exit_code=int(code),
            message=message,
            fingerprint=self._facts["fingerprint"],
        )
        self.folder.write_json(self.folder.manifest, self.manifest)

    def begun(self, started: str) -> None:
        """The manifest as of the beginning, so that even a killed run says what it was."""
        self.manifest["started"] = started
        self.manifest["fingerprint"] = self._facts["fingerprint"]
        self.folder.write_json(self.folder.manifest, self.manifest)

    def _begin(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "state": "running",
            "experiment": self.plan.name,
            "variant": self.plan.variant,
            "seed": self.plan.seed,
            "fingerprint": "",
            "engine": ENGINE,
            "started": None,
            "ended": None,
            "exit_code": None,
            "message": None,
            "command": shlex.join(["locust", *sys.argv[1:]]),  # without what the environment may have said
            "clock": "CLOCK_MONOTONIC",
            "zero_monotonic_ns": self.zero_ns,
            "network": None,
            "locustfiles": [path.name for path in self._files],
            "user_classes": list(self._stories)[:-1],
            "hosts": self._hosts.names[:-1],
            "versions": {"blackstart": __version__, "python": platform.python_version(), **_VERSIONS},
            "host": {"system": platform.system(), "release": platform.release(), "machine": platform.machine()},
        }

    def _write(
        self,
        user: Any,
        host: int,
        times_ns: tuple[int, int, int],
        outcome: Outcome,
        result: Result,
        status: int,
        cause: Cause,
    ) -> None:
        started_ns, finished_ns, deadline_ns = times_ns
        story = self._stories.get(type(user).__name__, len(self._asked) - 1)
        op = self._ops + 1
        row_ns = (started_ns, started_ns, finished_ns, deadline_ns)
        self._recorder.operation(op, story, host, row_ns, outcome, 1)
        self._attempts.add(op, 0, 0, op, 0, host, started_ns, finished_ns, result, status, cause)
        self._ops = op
        self._asked[story] += 1


def mismatch(recording: Recording, told: int) -> str | None:
    """Why the rows cannot be trusted, if Locust's own total says another number."""
    if recording.requests == told:
        return None
    return (
        f"Locust's statistics count {told} requests and the rows {recording.requests}: a listener failed (see Locust's "
        "log), or the statistics were reset by hand while the test ran"
    )
