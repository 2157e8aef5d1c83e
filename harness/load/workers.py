"""Locust's master as the head of several workers: who takes part, one zero for all, and what became of each.

    gather    as many hellos as workers are wanted, versions equal
    prepare   number k of n to each; all must draw the same schedule, and say how their clock differs
    begin     the run's zero, to all
    watch     a worker that died or fell silent is told in the journal at once; the others go on
    drained   all have told their counts, or are lost: then the master quits, and not before

The master starts no operation and measures nothing; it writes the rows of workers that ship theirs, and `workers.json`:
each worker's share, what became of it, and the offset of its clock. A lost worker's share is missing in the rows, so
the run cannot be valid: who reads them counts every operation of the plan (`harness.analyse.reconcile`). What the
others recorded is kept. It is never filled up by them, because a demand that comes late is another demand.

Traps of Locust. `quit()` waits half a second for what workers still have to say, and then hears nobody: so it is called
when everything has been said. `stop()` deregisters workers, and those then never hear a `quit` and stay for a minute:
so it is not called. A worker is missing after four seconds without heartbeat and forgotten after a minute: a process of
our own is looked at instead. Listeners that raise are logged and passed over: what goes wrong in ours ends the run.
"""

from __future__ import annotations

import logging
import math
import os
from typing import Any

import gevent
import psutil
from gevent.event import Event

from harness.errors import Exit, HarnessError, RecordError, RunError, SpecError
from harness.load import handshake as say
from harness.load.clock import RunClock, monotonic_ns
from harness.load.find_run import Found
from harness.load.member import Member, State
from harness.load.roll import GONE, Roll, write
from harness.load.session import LEAD_S, Session, free_number
from harness.load.worker import Prepare

GATHER_S_MAX = 10.0  # from the start of the test until every worker that is there has said hello
PREPARE_S_MAX = 60.0
SILENT_S = 10.0  # then a worker on another host counts as lost
LATE_S_MAX = 3.0  # past the end of the plan, for the last rows
END_S_MAX = 4.0  # the same when the run is cut
LOOK_EVERY_S = 0.25
ENDED_S = 0.5  # a process that ended may have said so before, and is heard first
NO_SHAPE = (
    "a shape says when users come, and workers play a plan; leave out the shape, or the workers (--processes, --master)"
)
_log = logging.getLogger(__name__)


class Crew:
    """All workers of this master. `prepare` makes a session, here only to know what is to come.

    `found` is the run; a master that has a page may learn of it when somebody presses Start (`harness.load.web.crew`).
    """

    def __init__(self, environment: Any, found: Found | None, prepare: Prepare) -> None:
        self.environment = environment
        self.runner = environment.runner
        self._found = found
        self.exit_code = Exit.PASS
        self.members: dict[str, Member] = {}  # by Locust's id of the client
        self._make = prepare
        self._changed = Event()
        self._playing: list[Member] = []
        self._job: Any = None
        self._ending = False
        self._clock: RunClock | None = None

    @property
    def found(self) -> Found:
        """The run that is played."""
        assert self._found is not None
        return self._found

    def attach(self) -> None:
        """Listen to workers and to Locust."""
        for kind, handler in (
            (say.HELLO, self._on_hello), (say.CLOCK, self._on_clock), (say.PREPARED, self._on_prepared),
            (say.ROWS, self._on_rows), (say.DRAINED, self._on_drained), (say.FAILED, self._on_failed),
        ):  # fmt: skip
            self.runner.register_message(kind, handler)
        self.environment.events.test_start.add_listener(self._on_start)
        self.environment.events.test_stopping.add_listener(self._on_stopping)
        self.environment.events.quitting.add_listener(self._on_quitting)  # after Locust's own, so heard before it
        if self._headless and self.environment.parsed_options.expect_workers_max_wait:
            gevent.spawn(self._mind_the_count)

    def finish(self) -> None:
        """End what is being played: rows closed and home, `workers.json` written. Waits, at most END_S_MAX or so."""
        self._ending = True
        self._changed.set()
        if self._clock is None and self._job is not None:
            self._job.kill(block=False)  # not begun: there is nothing to end
        for member in self._playing:
            if member.is_open:
                self.runner.send_message(say.END, {}, client_id=member.client_id)
        if self._job is not None and self._job is not gevent.getcurrent():
            self._job.join(timeout=END_S_MAX)

    # ---- what a master that has a page does in another way

    def await_run(self) -> None:
        """Start was pressed: wait until it is known which run that begins."""

    def begun(self, clock: RunClock) -> None:
        """Zero is known, and told to all workers."""

    def ended(self, error: HarnessError | None) -> None:
        """A run is over, and its record closed. A process that was started for this run alone ends."""
        if self._ending:
            return
        if error is not None:
            _log.error("%s", error)
            self.exit_code = error.exit_code
        for_this_run = self._found is None or self._found.orchestrated or self._headless
        if error is not None or for_this_run:
            gevent.spawn(self.runner.quit if for_this_run else self.runner.stop)

    def least(self) -> int:
        """How many workers must be there to begin: from its page, Locust starts with whoever is there, and so do we."""
        return int(self.environment.parsed_options.expect_workers) if self._headless else 0

    # ---- what workers say; none of these may block, and what they raise would only be logged

    def _on_hello(self, msg: Any, **_: Any) -> None:
        why = say.objection(msg.data)
        if why is None:
            if msg.node_id not in self.members:
                self.members[msg.node_id] = Member(msg.node_id, msg.data)
            self.runner.send_message(say.WELCOME, {}, client_id=msg.node_id)
        else:
            if msg.node_id not in self.members:
                _log.error("%s", why)
                self.members[msg.node_id] = Member(msg.node_id, msg.data, State.REFUSED, why)
            self.runner.send_message(say.REFUSED, {"why": why}, client_id=msg.node_id)
            if self._headless and self._job is None:
                self._never(SpecError(f"a worker was refused: {why}"))
        self._changed.set()

    def _on_clock(self, msg: Any, **_: Any) -> None:
        received_ns = monotonic_ns()
        times = {"asked_ns": msg.data["asked_ns"], "received_ns": received_ns, "answered_ns": monotonic_ns()}
        self.runner.send_message(say.CLOCK, times, client_id=msg.node_id)

    def _on_prepared(self, msg: Any, **_: Any) -> None:
        member = self.members[msg.node_id]
        member.state, member.prepared = State.READY, msg.data
        if msg.data["ships"]:
            member.land(self.found.folder.rows)
        self._changed.set()

    def _on_rows(self, msg: Any, **_: Any) -> None:
        member, piece = self.members.get(msg.node_id), msg.data
        if member is None or member.landing is None:
            return
        try:
            has = member.landing.take(piece["file"], piece["offset"], piece["data"])
        except (OSError, ValueError) as error:
            member.fail(f"its rows cannot be written: {error}", Exit.MACHINERY)
            self._changed.set()
            return
        self.runner.send_message(say.GOT, {"file": piece["file"], "offset": has}, client_id=msg.node_id)

    def _on_drained(self, msg: Any, **_: Any) -> None:
        self.members[msg.node_id].home(msg.data)
        self._changed.set()

    def _on_failed(self, msg: Any, **_: Any) -> None:
        self.members[msg.node_id].fail(msg.data["why"], Exit(msg.data["code"]))
        self._changed.set()

    # ---- what Locust says

    def _on_start(self, **_: Any) -> None:
        if self._job is None and self.exit_code is Exit.PASS:
            self._ending = False
            self._job = gevent.spawn(self._guarded)

    def _on_stopping(self, **_: Any) -> None:
        gevent.spawn(self.finish)  # also fired by our own quit, when there is nothing left to end

    def _on_quitting(self, **_: Any) -> None:
        self.finish()

    # ---- before the run

    def _mind_the_count(self) -> None:
        """Locust gives up with exit 1, past its own events; so we give up a moment before."""
        options = self.environment.parsed_options
        gevent.sleep(options.expect_workers_max_wait)
        if self._job is None and not self._ending:
            came = f"{len(self.runner.clients)} of {options.expect_workers} workers came"
            self._never(RunError(f"{came} within {options.expect_workers_max_wait:g} s; see the logs of the others"))

    def _never(self, error: HarnessError) -> None:
        """End before the beginning: Locust waits for workers in its main greenlet, and goes on when it wants none."""
        _log.error("%s", error)
        self.exit_code = error.exit_code
        self._ending = True
        self.environment.parsed_options.expect_workers = 0
        gevent.spawn(self.runner.quit)

    # ---- the run

    def _guarded(self) -> None:
        error: HarnessError | None = None
        try:
            self._conduct()
        except HarnessError as found:
            error = found
        except Exception as found:
            _log.exception("the master broke; this is a fault of ours")
            error = HarnessError(f"{type(found).__name__}: {found}")
        finally:
            self._job = self._clock = None
            self._playing = []
            self.ended(error)  # also when somebody ended it

    def _conduct(self) -> None:
        """One run from its first hello to `workers.json`."""
        if self.environment.shape_class is not None:
            raise SpecError(NO_SHAPE)
        self.await_run()
        gathered = self._gather()
        session = self._make(self.found, 0, len(gathered), None, None)
        self._prepare(gathered, session)
        write(self.found.folder, gathered)  # before we are ready: the orchestrator looks here for whom to meter
        zero_ns = session.await_zero()
        self._clock = RunClock(zero_ns)
        roll = Roll(self.found.folder, gathered, self._clock)
        try:
            begin_s = None if self.found.orchestrated else self._clock.now_s() + 2 * LEAD_S
            orders = {"zero_ns": zero_ns, "begin_s": begin_s}
            for member in gathered:
                member.state = State.PLAYING
                self.runner.send_message(say.BEGIN, orders, client_id=member.client_id)
            self.begun(self._clock)
            self._watch(roll, session.plan.end_s if self.found.orchestrated else math.inf)
            roll.settle(cut=self._ending or not self.found.orchestrated)
        finally:
            roll.close()
        if all(member.state in GONE for member in gathered) and not self._ending:
            raise RunError("all workers are lost; see the journal for each")
        if roll.complaints and not self.found.orchestrated:
            self.exit_code = Exit.INVALID

    def _gather(self) -> list[Member]:
        """The workers that take part, numbered in Locust's order. Raises SpecError or RunError."""
        until_ns = monotonic_ns() + round(GATHER_S_MAX * 1e9)
        while True:
            self._changed.clear()
            there = {name for name, client in self.runner.clients.items() if client.state != "missing"}
            refused = [member.why for member in self.members.values() if member.state is State.REFUSED]
            if refused and self._headless:
                raise SpecError(f"a worker was refused: {refused[0]}")
            found = [m for m in self.members.values() if m.client_id in there and m.state is not State.REFUSED]
            wanted = max(len(there) - len(refused), self.least(), 1)
            if len(found) >= wanted:
                break
            left_s = (until_ns - monotonic_ns()) * 1e-9
            if left_s <= 0.0:
                raise RunError(
                    f"{len(found)} of {wanted} workers said what they are within {GATHER_S_MAX:g} s; start every "
                    "worker with the same locustfiles of this suite as the master"
                )
            self._end_if_asked()
            self._changed.wait(min(left_s, LOOK_EVERY_S))
        found.sort(key=lambda member: int(self.runner.get_worker_index(member.client_id)))
        first = 0 if self.found.orchestrated else free_number(self.found.folder.rows)
        for place, member in enumerate(found):
            member.enlist(place, first)
        self._playing = found
        return found

    def _prepare(self, members: list[Member], session: Session) -> None:
        """Give out numbers and wait until all are ready. Raises what went wrong with the first that cannot be."""
        folder = self.found.folder
        common = {
            "workers": len(members), "plan": session.plan.to_json(), "region": folder.read_json(folder.region),
            "stories": list(session.plan.stories),
            "folder": str(folder.path.absolute()), "mark": say.folder_mark(folder.path), "machine": say.machine(),
            "orchestrated": self.found.orchestrated,
        }  # fmt: skip
        for member in members:
            orders = {**common, "worker": member.place, "first": member.number - member.place}
            self.runner.send_message(say.PREPARE, orders, client_id=member.client_id)
        until_ns = monotonic_ns() + round(PREPARE_S_MAX * 1e9)
        while any(member.state is State.WELCOME for member in members):
            self._changed.clear()
            self._end_if_asked()
            for member in members:
                self._look_at(member)
                if member.state in GONE:
                    raise member.error()
            if monotonic_ns() > until_ns:
                raise RunError(f"a worker was not ready within {PREPARE_S_MAX:g} s; see its own log")
            self._changed.wait(LOOK_EVERY_S)
        for member in members:
            if member.state in GONE:
                raise member.error()
            if member.prepared["digest"] != session.digest:
                raise RunError(
                    f"{member.name} drew other operations from the plan than the master did, though their versions are "
                    "the same; install the same NumPy, and the same files of this suite, on both hosts"
                )

    def _watch(self, roll: Roll, plan_end_s: float) -> None:
        """Wait until every worker is drained or lost, or until patience is over after the end."""
        assert self._clock is not None
        until_s = plan_end_s + LATE_S_MAX
        while True:
            self._changed.clear()
            for member in self._playing:
                if member.is_open:
                    self._look_at(member)
            if self._ending:
                until_s = min(until_s, self._clock.now_s() + END_S_MAX - 2 * LOOK_EVERY_S)
            if self._clock.now_s() > until_s:
                for member in self._playing:
                    if member.is_open:
                        member.lose("it had not brought its rows home in time")
            roll.tell()
            if not any(member.is_open for member in self._playing):
                return
            self._changed.wait(LOOK_EVERY_S)

    def _look_at(self, member: Member) -> None:
        """Find out whether a worker is still there."""
        now_ns = monotonic_ns()
        if member.parent == os.getpid():  # one that Locust forked here: the kernel knows
            there, patience_s = _runs(member.pid), ENDED_S
        else:
            client = self.runner.clients.get(member.client_id)
            there, patience_s = client is not None and client.state != "missing", SILENT_S
        if there:
            member.seen_ns = now_ns
        elif now_ns - member.seen_ns > patience_s * 1e9:
            member.lose("its process ended" if patience_s == ENDED_S else f"it was not heard for {SILENT_S:g} s")

    def _end_if_asked(self) -> None:
        if self._ending:
            raise RecordError("ended before it began")

    @property
    def _headless(self) -> bool:
        return bool(self.environment.parsed_options.headless)


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
