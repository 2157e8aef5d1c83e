"""Runs begun by hand: the region stands ready, and a person's press of Start is its zero.

    start the load process with its page, once
    for every run: claim a network, start a region, wait for Start; then a run as any other; judge it; again

A page that outlives its runs must not outlive their order: a run is left as every other (undo, load, region, record),
only that the load process is asked to end the run and not itself. Each run has a region of its own, started anew, so
that it owes nothing to the one before, and another variant is nothing special. What was never begun leaves no folder.

Leaves out: how a run is judged and shown, which is given; and Locust, which is another process (`harness.load.web`).
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import trio

from harness.errors import Exit, RunError
from harness.live import children, net
from harness.live.children import Child
from harness.live.clock import RunClock
from harness.live.control import Control
from harness.live.events import Emit, Starting
from harness.live.loaders import HOME_S_MAX, ONE_PROCESS, Loaders
from harness.live.orchestrate import READY_S_MAX, LiveRun
from harness.live.way_out import DONE, SIGNALS, RunState, WayOut
from harness.plan import Plan
from harness.record.folder import RunFolder

POLL_S = 0.02
OVER_S_MAX = 5.0  # how long the load process may take to close a run's rows
BEGUN, OTHER, OVER = "load.ready", "load.other", "load.over"
_OTHER = RunState("completed", Exit.PASS, "another variant is wanted")
_NEVER = RunState("completed", Exit.PASS, "stopped before it began")
_SIGNALLED = (Exit.INTERRUPTED, Exit.TERMINATED)

Tell = Callable[[dict[str, Any]], Awaitable[None]]


class Judged(NamedTuple):
    """What a run was worth."""

    code: Exit
    measured: bool
    report: Path | None


class Job(NamedTuple):
    """What there is to do. `plan_of` gives a variant's plan, and its timeline where people are to carry it out."""

    variant: str
    plan_of: Callable[[str], tuple[Plan, list[dict[str, Any]] | None]]
    folder_of: Callable[[Plan], RunFolder]
    judge: Callable[[RunFolder, RunState], Judged]  # in a thread
    argv: Sequence[str]  # of the load process
    environ: dict[str, str]
    log: Path  # of the load process
    address: tuple[str, int]  # of the page
    opened: Callable[[], None]  # called once when the page answers
    loaders: Loaders = ONE_PROCESS


class Held(NamedTuple):
    """What each run was worth, why there are no more, and whether one was cut off by that."""

    codes: list[Exit]
    state: RunState
    cut: bool


async def hold(job: Job, emit: Emit) -> Held:
    """Runs, one after the other, until a signal or a failure.

    Must run in the main thread, because it takes SIGINT, SIGTERM and SIGHUP.
    """
    out, codes, cut = WayOut(), list[Exit](), list[RunState]()
    with trio.open_signal_receiver(*SIGNALS) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(out.on_signals, signals)
            page = await children.start("load", list(job.argv), job.log, job.environ)
            try:
                with out.scope:
                    await out.guard(_turns, job, page, emit, out, codes, cut)
            finally:
                with trio.CancelScope(shield=True):
                    await children.stop(page, children.STOP_S_MAX * (2.0 if job.loaders.several else 1.0))
                nursery.cancel_scope.cancel()
    assert out.state is not None
    return Held(codes, out.state, bool(cut))


def password() -> str:
    """A password for the page, where nobody chose one."""
    return secrets.token_urlsafe(9)


async def _turns(job: Job, page: Child, emit: Emit, out: WayOut, codes: list[Exit], cut: list[RunState]) -> None:
    """One region after the other."""

    async def tell(order: dict[str, Any]) -> None:
        try:
            assert page.process.stdin is not None
            await page.process.stdin.send_all(json.dumps(order).encode() + b"\n")
        except trio.BrokenResourceError:
            raise page.death() from None

    await children.until_ready(page, lambda: _answers(job.address), READY_S_MAX)
    job.opened()
    variant = job.variant
    while True:
        plan, planned = job.plan_of(variant)
        folder = job.folder_of(plan)
        await tell({"do": "wait", "detail": "the region is starting"})
        with net.claim(plan.components) as claim:
            run = WebRun(plan, folder, emit, RunClock(), claim, job.loaders)
            run.page, run.tell, run.planned = page, tell, planned
            state = await run.through(run.live)
        again, begun = state is _OTHER or state is _NEVER, run.begun
        if again or (not begun and state.exit_code in _SIGNALLED):
            shutil.rmtree(folder.path, ignore_errors=True)
        if state is _NEVER:
            await tell({"do": "never"})
        if again:
            variant = run.wanted or variant
        elif state.exit_code in _SIGNALLED or not begun:
            cut += [state] if begun else []
            out.leave(state)
        else:
            judged = await trio.to_thread.run_sync(job.judge, folder, state)
            codes.append(judged.code)
            if not page.alive:
                out.leave(state)
                return
            error = state.message if state.state == "failed" else ""
            report = None if judged.report is None else str(judged.report)
            how = {"code": int(judged.code), "measured": judged.measured, "report": report, "error": error}
            await tell({"do": "ended", "folder": str(folder.path), **how})
        await trio.lowlevel.checkpoint()  # leaves here


class WebRun(LiveRun):
    """A run whose load process is there before it and stays after it."""

    page: Child
    tell: Tell
    planned: list[dict[str, Any]] | None = None
    wanted = ""  # the variant of the next run
    begun = False

    async def live(self, control: Control) -> None:
        """The region, the wait for Start, and then the whole plan."""
        self.write_inputs()
        self.emit(Starting(self.folder.path, self.region, tuple(self.region.places)))
        await self.out.guard(self.start_services, control)
        await trio.lowlevel.checkpoint()  # leaves here if something was not ready
        async with trio.open_nursery() as nursery:
            for child in [*self.services, self.page]:
                nursery.start_soon(self.out.guard, children.watch, child, lambda status: False)
            await self.tell({"do": "ready", "folder": str(self.folder.path), "planned": self.planned})
            if not await self._begun():
                self.out.leave(_OTHER)
                await trio.sleep_forever()
            self.begun = True
            self.fix_zero()
            self.load = [self.page]  # its processor time is the load's
            self._observe(nursery, control)
            self.load = []  # but it is not ended with the run
            nursery.start_soon(self.out.guard, self._until_over)
            nursery.start_soon(self.out.guard, self.operators.perform, control)
            nursery.start_soon(self.out.guard, self._phases)
            await self._until_the_end()
            await self.operators.at_rest()
            self.out.leave(DONE)

    async def _begun(self) -> bool:
        """Wait for Start: True; False when another variant is wanted."""
        begun, other = self.folder.path / BEGUN, self.folder.path / OTHER
        while not begun.exists():
            if other.exists():
                self.wanted = str(self.folder.read_json(other)["variant"])
                return False
            await trio.sleep(POLL_S)
        return True

    async def _until_over(self) -> None:
        """Wait until the load process has closed its rows; too early is somebody's Stop, or a failure."""
        over = self.folder.path / OVER
        await _until_there(over)
        if error := over.read_text():
            raise RunError(error)
        t_s = self.clock.now_s()
        if t_s < 0.0:
            self.out.leave(_NEVER)
        if t_s < self.plan.load_end_s:
            text = f"stopped by hand at {t_s:.1f} s, before the load of its plan ended at {self.plan.load_end_s:g} s"
            self.out.leave(RunState("stopped", Exit.PASS, text))  # worth what its measures are
        self.load_ended.set()

    async def _wind_down(self, control: Control, unforeseen: bool) -> None:
        """As every run; but the load process is asked to close the run, and is ended only when all ends."""
        state = self.out.state
        over = self.folder.path / OVER
        if self.begun and not over.exists():
            if state is not None and state.exit_code in _SIGNALLED:
                self.load = [self.page]
            elif self.page.alive:
                await self.out.guard(self.tell, {"do": "stop"})
                with trio.move_on_after(OVER_S_MAX + (HOME_S_MAX if self.loaders.several else 0.0)):
                    await _until_there(over)
        await super()._wind_down(control, unforeseen)


async def _until_there(path: Path) -> None:
    while not path.exists():  # noqa: ASYNC110, ASYNC240 - another process makes it, and asking takes microseconds
        await trio.sleep(POLL_S)


async def _answers(address: tuple[str, int]) -> bool:
    try:
        stream = await trio.open_tcp_stream(*address)
    except OSError:
        return False
    await stream.aclose()
    return True
