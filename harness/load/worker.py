"""A Locust worker's part of a run: its share of the schedule, paced here, and all its rows brought home.

    hello -> prepare: ask the time, draw the schedule -> begin: pace -> drained: rows closed, sent, counted

What a worker paces does not depend on Locust's users. Locust gives a worker the users it thinks fit, none at all with
`-u 1` and two workers, and moves them when workers come and go; an open loop started by a user would be started twice
or not at all. So a worker paces when the master says so, once, whatever users it has.

A worker on the run's own host (of one clock, in one folder) writes its row files itself. Any other keeps them in a
folder of its own and ships them (`harness.load.shipping`); what could not be shipped stays there, and it says where.
The master is gone when its heartbeat is: then a worker closes its rows and ends by itself, rather than after the minute
that Locust waits.

Traps. `quit` ends Locust's message loop, and with it everything that is not yet sent: so the statistics are sent before
`drained`, and the master calls `quit` only when all are drained. A master that is killed leaves workers that wait for
it: a forked one asks the kernel to be told.
"""

from __future__ import annotations

import ctypes
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gevent
from gevent.event import Event

from harness.errors import Exit, HarnessError, RunError, SpecError
from harness.load import handshake as say
from harness.load.clock import monotonic_ns
from harness.load.find_run import Found, listens
from harness.load.load_run import LoadRun
from harness.load.observing import observer
from harness.load.offset import ROUND_TRIPS, Offset, RoundTrip, estimate
from harness.load.recorder import FLUSH_EVERY_S
from harness.load.session import Session
from harness.load.shipping import Shipper
from harness.record.folder import RunFolder

SHIP_VARIABLE = "BLACKSTART_SHIP"  # set to anything: ship, even where the run's folder could be written
HELLO_EVERY_S = 1.0
REPLY_S = 1.0  # how long one reading of the master's clock is waited for
SHIP_S_MAX = 30.0  # for what is left when the load has ended
MASTER_GONE_S = 10.0
REACH_S_MAX = 20.0
_PR_SET_PDEATHSIG = 1
_log = logging.getLogger(__name__)

# run, worker, workers, number of the first one, stories to play (None: those of the locustfiles)
Prepare = Callable[[Found, int, int, int | None, list[str] | None], Session]


class Share(NamedTuple):
    """What this worker prepared."""

    session: Session
    clock: Offset
    shifted_ns: int  # to be taken from the run's zero to have it on our clock
    spool: Path | None  # the folder of our own, when rows are shipped


class Worker:
    """This process as a worker of a master. `prepare` makes the session of a run that was found."""

    def __init__(self, environment: Any, prepare: Prepare) -> None:
        self.environment = environment
        self.runner = environment.runner
        self.exit_code = Exit.PASS
        self._make = prepare
        self._known = Event()  # welcome or refused
        self._share: Share | None = None
        self._run: LoadRun | None = None
        self._job: Any = None
        self._shipper: Shipper | None = None
        self._answers: dict[int, tuple[int, int, int]] = {}  # asked -> received, answered, heard
        self._answer = Event()
        self._home = Event()  # nothing is being played, or all that came of it was told to the master
        self._home.set()
        self._heard_ns = monotonic_ns()

    def attach(self) -> None:
        """Listen to the master, and say hello until it answers."""
        # Handlers are called by keyword, and what they raise is only logged: so each takes **kw and is guarded.
        for kind, handler in (
            (say.WELCOME, self._on_welcome), (say.REFUSED, self._on_refused), (say.CLOCK, self._on_clock),
            (say.PREPARE, self._on_prepare), (say.BEGIN, self._on_begin), (say.GOT, self._on_got),
            (say.END, self._on_end),
        ):  # fmt: skip
            self.runner.register_message(kind, handler)
        self.environment.events.heartbeat_received.add_listener(self._on_heartbeat)
        self.environment.events.quitting.add_listener(self._on_quitting)  # after Locust's own, so heard before it
        self.environment.events.test_stopping.add_listener(self._on_stopping)
        gevent.spawn(self._hello)
        gevent.spawn(self._mind_the_master)

    def finish(self) -> None:
        """End what is being paced, if anything is: rows closed, and brought home as far as that goes."""
        run, job = self._run, self._job
        if run is not None and job is not None:
            run.finish()
            job.kill(block=False)
            self._home.wait()

    # ---- what the master says

    def _on_welcome(self, **_: Any) -> None:
        self._known.set()

    def _on_refused(self, msg: Any, **_: Any) -> None:
        self._known.set()
        self._leave(SpecError(f"refused by the master: {msg.data['why']}"))

    def _on_clock(self, msg: Any, **_: Any) -> None:
        self._answers[msg.data["asked_ns"]] = (msg.data["received_ns"], msg.data["answered_ns"], monotonic_ns())
        self._answer.set()

    def _on_prepare(self, msg: Any, **_: Any) -> None:
        if self._job is None:
            self._job = gevent.spawn(self._guarded, self._prepare, msg.data)

    def _on_begin(self, msg: Any, **_: Any) -> None:
        if self._share is not None and self._run is None:
            self._job = gevent.spawn(self._guarded, self._play, msg.data)

    def _on_got(self, msg: Any, **_: Any) -> None:
        if self._shipper is not None:
            self._shipper.got(msg.data["file"], msg.data["offset"], monotonic_ns() * 1e-9)

    def _on_end(self, **_: Any) -> None:
        gevent.spawn(self.finish)  # never in the greenlet that hears the master: what is left to ship needs its answers

    def _on_stopping(self, **_: Any) -> None:
        gevent.spawn(self.finish)

    def _on_heartbeat(self, **_: Any) -> None:
        self._heard_ns = monotonic_ns()

    def _on_quitting(self, **_: Any) -> None:
        self.finish()

    # ---- what we do

    def _hello(self) -> None:
        while not self._known.is_set():
            self.runner.send_message(say.HELLO, say.hello())
            self._known.wait(HELLO_EVERY_S)

    def _prepare(self, orders: dict[str, Any]) -> None:
        """Measure the clock and draw the schedule, then say so."""
        here = say.is_here(orders["folder"], orders["mark"]) and say.same_clock(say.machine(), orders["machine"])
        spool = None
        if not here or os.environ.get(SHIP_VARIABLE):
            spool = Path(tempfile.mkdtemp(prefix="blackstart-worker-"))
            folder = RunFolder(spool)
            folder.rows.mkdir()
            folder.write_json(folder.plan, orders["plan"])
            folder.write_json(folder.region, orders["region"])
        else:
            folder = RunFolder(Path(orders["folder"]))
        try:
            clock = self._ask_the_time()
            found = Found(folder, bool(orders["orchestrated"]))
            session = self._make(found, orders["worker"], orders["workers"], orders["first"], orders["stories"])
            if not here:
                self._see_the_region(session)
        except BaseException:
            if spool is not None:
                shutil.rmtree(spool, ignore_errors=True)
            raise
        same = say.same_clock(say.machine(), orders["machine"])
        shifted_ns = 0 if same and spool is None else clock.offset_ns
        self._share = Share(session, clock, shifted_ns, spool)
        said = {"digest": session.digest, "share": len(session.arrivals), "clock": clock.to_json(), "same_clock": same}
        self._job = None
        self.runner.send_message(say.PREPARED, {**said, "ships": spool is not None})

    def _ask_the_time(self) -> Offset:
        """Some round trips to the master and what they say. Raises RunError when it does not answer."""
        trips = []
        for _ in range(ROUND_TRIPS):
            asked_ns = monotonic_ns()
            self._answer.clear()
            self.runner.send_message(say.CLOCK, {"asked_ns": asked_ns})
            self._answer.wait(REPLY_S)
            answer = self._answers.pop(asked_ns, None)
            if answer is not None:
                trips.append(RoundTrip(asked_ns, *answer))
        self._answers.clear()
        if not trips:
            raise RunError(f"the master answered none of {ROUND_TRIPS} questions for the time in {REPLY_S:g} s each")
        return estimate(trips)

    def _see_the_region(self, session: Session) -> None:
        """Raise RunError when the region's addresses do not lead to it from here."""
        until_ns = monotonic_ns() + round(REACH_S_MAX * 1e9)
        for place in session.region.places.values():
            host, _, port = place.control.removeprefix("http://").rpartition(":")
            while not listens(host, int(port)):
                if monotonic_ns() > until_ns:
                    raise RunError(
                        f"{place.component} cannot be reached from this host (nobody answers at {host}:{port}); a "
                        "region listens on loopback of its own host, so run workers there, or in its network namespace"
                    )
                gevent.sleep(FLUSH_EVERY_S)

    def _play(self, orders: dict[str, Any]) -> None:
        """Pace our share from the run's zero on; whatever ends it, close the rows and bring them home."""
        share = self._share
        assert share is not None
        zero_ns = orders["zero_ns"] - share.shifted_ns
        run = self._run = share.session.begin(zero_ns, observer(self.environment, zero_ns), orders["zero_ns"])
        self._home.clear()
        pump = None
        if share.spool is not None:
            self._shipper = Shipper(share.session.folder.rows, lambda piece: self.runner.send_message(say.ROWS, piece))
            pump = gevent.spawn(self._pump, self._shipper)
        try:
            share.session.play(run, orders.get("begin_s"))
        finally:
            run.finish()
            if pump is not None:
                pump.kill()
            gevent.spawn(self._bring_home, run, share)  # a greenlet of its own: whoever ends this one does not end that

    def _pump(self, shipper: Shipper) -> None:
        while True:
            shipper.pump(monotonic_ns() * 1e-9)
            gevent.sleep(FLUSH_EVERY_S / 4)

    def _bring_home(self, run: LoadRun, share: Share) -> None:
        try:
            self._deliver(run, share)
        except Exception:
            _log.exception("the worker could not tell the master of its rows")
            self.exit_code = Exit.MACHINERY
        finally:
            self._share = self._run = self._job = None
            self._home.set()

    def _deliver(self, run: LoadRun, share: Share) -> None:
        """Send what is left of the rows, then the statistics, then that we are done."""
        shipper = self._shipper
        until_ns = monotonic_ns() + round(SHIP_S_MAX * 1e9)
        files: dict[str, Any] = {}
        if shipper is not None:
            while not shipper.is_done() and monotonic_ns() < until_ns and self._is_heard():
                shipper.pump(monotonic_ns() * 1e-9)
                gevent.sleep(0.01)
            files = shipper.manifest()
            shipped = shipper.is_done()
            shipper.close()
            self._shipper = None
            if not shipped:
                self.exit_code = Exit.MACHINERY
                _log.error("not all rows could be sent to the master; they are kept in %s", share.spool)
        summary = run.summary()
        if run.operations.errors:
            self.exit_code = Exit.MACHINERY
        clock = self._ask_the_time().to_json() if share.shifted_ns and self._is_heard() else None
        self.runner._send_stats()  # what Locust knows, before it is told to forget it
        self.runner.send_message(say.DRAINED, {"summary": summary, "files": files, "clock": clock})
        if share.spool is not None and self.exit_code is Exit.PASS:
            shutil.rmtree(share.spool, ignore_errors=True)

    def _guarded(self, work: Callable[[dict[str, Any]], None], orders: dict[str, Any]) -> None:
        """Run one of ours; what goes wrong is told to the master, and ends this worker."""
        error: HarnessError | None = None
        try:
            work(orders)
        except HarnessError as found:
            error = found
        except Exception as found:
            _log.exception("the worker broke; this is a fault of ours")
            error = HarnessError(f"{type(found).__name__}: {found}")
        if error is None:
            return
        self._share = self._run = self._job = None
        self._home.set()
        self.runner.send_message(say.FAILED, {"why": str(error), "code": int(error.exit_code)})
        self._leave(error)

    def _leave(self, error: HarnessError) -> None:
        _log.error("%s", error)
        self.exit_code = error.exit_code
        gevent.spawn(self.runner.quit)

    # ---- the master's end

    def _is_heard(self) -> bool:
        listens_still = len(self.runner.greenlet) > 0  # Locust ends its own greenlets when it quits
        return listens_still and monotonic_ns() - self._heard_ns < MASTER_GONE_S * 1e9

    def _mind_the_master(self) -> None:
        """End by ourselves when no heartbeat comes any more."""
        missed = 0
        while missed < 2:  # twice: whoever was busy for so long looks again when it has heard what came meanwhile
            gevent.sleep(1.0)
            missed = missed + 1 if monotonic_ns() - self._heard_ns > MASTER_GONE_S * 1e9 else 0
        run = self._run
        if run is not None:
            run.finish()
        share = self._share
        kept = "" if share is None or share.spool is None else f"; rows that were not sent are in {share.spool}"
        sys.stderr.write(f"blackstart: the master was not heard for {MASTER_GONE_S:g} s, so this worker ends{kept}\n")
        os._exit(int(Exit.MACHINERY))


def die_with_parent() -> None:
    """Have the kernel send SIGTERM when the process that forked this one dies, also before there is anybody to ask."""
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    except (OSError, AttributeError):
        return  # not Linux: the missing heartbeat will tell
