"""One live run, from the first file to the manifest.

    claim a network, write the run's files
    start services and load, wait until all are ready
    fix zero about a second ahead (plan.json is replaced in one step; every process polls it)
    phases, timeline, gauges, outside probe, stop conditions, a watch over each process: side by side
    when the plan is done, or something ends it: heal what the ledger holds, fetch what the audit needs,
    end the processes, close the record

The order of leaving is the point. A run that is cut off must heal before it kills (a dead service cannot say that it
was healed), must end the load before the region (else the last rows show an outage nobody planned), and must write its
record whatever failed before. So everything after the first reason to leave is shielded from cancellation and bounded
in time, and signals that come later change nothing.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import trio

import harness
from harness.errors import Exit, HarnessError, RunError, SpecError
from harness.live import canary, children, gauges, loaders, manifest, net, stop, timeline
from harness.live.children import Child
from harness.live.clock import RunClock, wall_rfc3339
from harness.live.control import Control
from harness.live.events import Began, Emit, Ending, Event, PhaseBegan, Starting, Tick
from harness.live.loaders import ONE_PROCESS, Loaders
from harness.live.log import RunLog
from harness.live.way_out import DONE, SIGNALS, RunState, WayOut, disk_error
from harness.plan import Plan
from harness.record.folder import RunFolder

STORES = ("kv", "provider")

READY_S_MAX = 30.0  # interpreters start slowly when several do so on two cores
ZERO_AHEAD_S = 1.0
GAUGES_FROM_S = -0.5
LOAD_LATE_S_MAX = 5.0  # past the end of the plan; then it is ended, and its open operations count as unfinished
LOCUSTFILES = Path(harness.__file__).parent.parent / "locustfiles"


async def run_live(
    plan: Plan, folder: RunFolder, emit: Emit, clock: RunClock | None = None, load: Loaders = ONE_PROCESS
) -> RunState:
    """Run `plan` on real sockets into `folder`; how it ended. Everything recorded is kept whatever happens.

    Raises RunError before anything was started (no free network); later errors are in the state. Must run in the main
    thread, because it takes SIGINT, SIGTERM and SIGHUP.
    """
    with net.claim(plan.components) as claim:
        run = LiveRun(plan, folder, emit, clock or RunClock(), claim, load)
        return await run.through(run.live)


async def serve(plan: Plan, folder: RunFolder, emit: Emit) -> RunState:
    """Hold the plan's region alone, without load or timeline, until a signal or a process's death; how it ended."""
    with net.claim(plan.components) as claim:
        run = LiveRun(plan, folder, emit, RunClock(), claim)
        return await run.through(run.hold)


class LiveRun:
    """One run and the things its tasks share."""

    def __init__(
        self,
        plan: Plan,
        folder: RunFolder,
        emit: Emit,
        clock: RunClock,
        claim: net.Claim,
        loaders: Loaders = ONE_PROCESS,
    ) -> None:
        self.plan = plan
        self.facts: dict[str, Any] = {**plan.to_json(), "zero_monotonic_ns": None}
        self.folder = folder
        self.emit = emit
        self.clock = clock
        self.region = claim.region
        self.log = RunLog(folder.journal, clock)
        self.out = WayOut()
        self.ledger = timeline.Ledger()
        self.operators = timeline.Operators(plan, clock, self.ledger, self.log, emit)
        self.services: list[Child] = []
        self.load: list[Child] = []  # the first one is Locust's master, or all there is
        self.loaders = loaders
        self.load_ended = trio.Event()
        self.manifest = manifest.begin(self.facts, claim.region.net, wall_rfc3339())
        self._token = secrets.token_hex(16)
        self._gauges: gauges.GaugeFile | None = None
        self._canary: canary.Canary | None = None
        self._watch = stop.Watch({})

    async def through(self, body: Callable[[Control], Awaitable[None]]) -> RunState:
        """Run `body` and leave as the module says, whatever happens in it; how the run ended."""
        unforeseen = True
        with trio.open_signal_receiver(*SIGNALS) as signals:
            async with trio.open_nursery() as outer:
                outer.start_soon(self.out.on_signals, signals)
                try:
                    async with Control(self.region, self._token) as control:
                        try:
                            with self.out.scope:
                                await self.out.guard(body, control)
                            unforeseen = False
                        finally:
                            with trio.CancelScope(shield=True):
                                await self._wind_down(control, unforeseen)
                finally:
                    outer.cancel_scope.cancel()
        assert self.out.state is not None
        return self.out.state

    # ---- before zero

    def write_inputs(self) -> None:
        """The files every process of the run reads, and the manifest as of now."""
        self.folder.write_json(self.folder.manifest, self.manifest)
        self.folder.experiment.write_text(self.plan.experiment.text())
        self.folder.write_json(self.folder.plan, self.facts)
        self.region.save(self.folder.region)
        self.folder.token.touch(mode=0o600)
        self.folder.token.write_text(self._token + "\n")
        (self.folder.path / "logs").mkdir(exist_ok=True)

    async def start_services(self, control: Control) -> None:
        """Start every component's process and wait until each says it is ready. Raises NotReady."""
        env = {"BLACKSTART_RUN": str(self.folder.path)}
        self.services += await children.start_services(list(self.region.places), self.folder.path, env)
        for child in self.services:
            self.log.write("process", state="spawned", name=child.name, pid=child.pid)
        async with trio.open_nursery() as nursery:
            for child in self.services:
                ready = partial(control.healthy, child.name)
                nursery.start_soon(self.out.guard, children.until_ready, child, ready, READY_S_MAX)

    def fix_zero(self) -> None:
        """Name the moment that is second 0 to every process, a little ahead of now."""
        zero_ns = self.clock.read_ns() + round(ZERO_AHEAD_S * 1e9)
        self.facts["zero_monotonic_ns"] = self.manifest["zero_monotonic_ns"] = zero_ns
        self.manifest["zero"] = wall_rfc3339(ZERO_AHEAD_S)
        self.folder.write_json(self.folder.plan, self.facts)
        self.clock.set_zero(zero_ns)
        self.log.flush()
        self.folder.write_json(self.folder.manifest, self.manifest)
        self.emit(Began(ZERO_AHEAD_S))

    async def _start(self, name: str, argv: list[str]) -> Child:
        env = {"BLACKSTART_RUN": str(self.folder.path)}
        child = await children.start(name, argv, self.folder.path / "logs" / f"{name}.log", env)
        self.log.write("process", state="spawned", name=name, pid=child.pid)
        return child

    async def _start_load(self) -> None:
        stories = [LOCUSTFILES / f"{story}.py" for story in self.plan.stories]
        for path in stories:
            if not path.is_file():
                raise SpecError(f"load.{path.stem}: no such story, {path} is missing; name a file of locustfiles/")
        for name, argv in loaders.commands(self.loaders, stories, self.region.net):
            self.load.append(await self._start(name, children.python(*argv)))
        mark = trio.Path(self.folder.path / "load.ready")
        patience_s = READY_S_MAX + (loaders.ELSEWHERE_S_MAX if self.loaders.elsewhere else 0.0)
        await children.until_ready(self.load[0], mark.exists, patience_s)

    # ---- the run itself

    async def live(self, control: Control) -> None:
        """The whole plan: region and load, timeline, gauges, probe."""
        self.write_inputs()
        self.emit(Starting(self.folder.path, self.region, (*self.region.places, "load")))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.out.guard, self.start_services, control)
            nursery.start_soon(self.out.guard, self._start_load)
        await trio.lowlevel.checkpoint()  # leaves here if something was not ready
        self.fix_zero()
        async with trio.open_nursery() as nursery:
            self._observe(nursery, control)
            for child in self.services:
                nursery.start_soon(self.out.guard, children.watch, child, lambda status: False)
            for child in self.load:
                nursery.start_soon(self.out.guard, self._watch_load, child)
            nursery.start_soon(self.out.guard, self.operators.perform, control)
            nursery.start_soon(self.out.guard, self._phases)
            await self._until_the_end()
            await self.operators.at_rest()
            self.out.leave(DONE)

    async def hold(self, control: Control) -> None:
        """The region alone, for ever."""
        self.write_inputs()
        self.emit(Starting(self.folder.path, self.region, tuple(self.region.places)))
        await self.start_services(control)
        await trio.lowlevel.checkpoint()
        self.fix_zero()
        async with trio.open_nursery() as nursery:
            for child in self.services:
                nursery.start_soon(self.out.guard, children.watch, child, lambda status: False)

    def _observe(self, nursery: trio.Nursery, control: Control) -> None:
        """Gauges from just before zero, and the outside probe."""
        assert self.clock.zero_ns is not None
        pids = {child.name: child.pid for child in [*self.services, *self.load]} | loaders.pids(self.folder)
        meter = gauges.CpuMeter({**pids, "orchestrator": os.getpid()}, self.clock.now_s())
        self._gauges = gauges.GaugeFile(self.folder.gauges, self.clock.zero_ns, self.log)
        names = list(self.region.places)
        how = (names, control.gauges, meter, self._gauges, self.clock, GAUGES_FROM_S, self._tick)
        nursery.start_soon(self.out.guard, gauges.sample, *how)
        target = canary.target_of(self.plan)
        if target is None:
            self.log.write("note", text="no canary: the first story has no reads, or its app is not in this region")
        else:
            self._canary = canary.Canary(target, self.region, self.folder.rows, self.clock, self.log)
            nursery.start_soon(self.out.guard, self._canary.run, self.plan.load_end_s, self.emit)

    async def _watch_load(self, child: Child) -> None:
        if child is not self.load[0]:  # workers: what became of each, the master tells
            await children.watch(child, lambda status: True)
            return
        await children.watch(child, lambda status: status == 0 and self.clock.now_s() >= self.plan.load_end_s)
        self.load_ended.set()

    async def _phases(self) -> None:
        for phase in self.plan.phases:
            await self.clock.sleep_until_s(phase.start_s)
            self.log.write("phase", name=phase.name, start_s=phase.start_s, end_s=phase.end_s)
            self.emit(PhaseBegan(phase.name, phase.start_s, phase.end_s))

    async def _until_the_end(self) -> None:
        await self.clock.sleep_until_s(self.plan.end_s)
        patience_s = LOAD_LATE_S_MAX + (loaders.HOME_S_MAX if self.loaders.several else 0.0)
        with trio.move_on_after(patience_s):
            await self.load_ended.wait()
            return
        text = f"the load process was still busy {patience_s:g} s after the end of the plan and is ended"
        self.log.write("note", text=text)

    def _tick(self, event: Event) -> None:
        self.emit(event)
        if isinstance(event, Tick):
            found = stop.gauges_watched(event.readings)
            self._watch, fired = stop.step(self.plan.experiment.stop_when, self._watch, event.t_s, found)
            self.operators.read(event.t_s, event.readings)
            if fired is not None:
                self.out.leave(RunState("stopped", Exit.STOPPED, f"a stop condition fired: {fired}"))

    # ---- the way out: shielded, bounded, each step tried whatever the one before did

    async def _wind_down(self, control: Control, unforeseen: bool) -> None:
        if self.out.state is None:
            words = "an error of our own machinery" if unforeseen else "the run was cancelled from outside"
            self.out.leave(RunState("failed", Exit.MACHINERY, words))
        assert self.out.state is not None
        state = self.out.state
        self.log.leaving = True
        self.emit(Ending(state.message))
        if state is not DONE and self.clock.zero_ns is not None:
            self.log.write("stop", state=state.state, why=state.message)
        if self.clock.zero_ns is not None:
            self.operators.end()
        failed = await timeline.undo(self.ledger, control, self.log)
        killed = await children.stop_all(self.load, children.STOP_S_MAX * (2.0 if self.loaders.several else 1.0))
        if state.state in ("completed", "stopped"):
            await self.out.guard(self._export, control)
        killed += await children.stop_all(self.services)
        for name in killed:
            self.log.write("process", state="killed", name=name, text="did not end on SIGTERM in time")
        self.log.write("note", text=f"run {state.state}: {state.message}")
        for recorder in (self._canary, self._gauges, self.log):
            try:
                if recorder is not None:
                    recorder.close()
            except OSError as error:
                state = self._unwritten(disk_error(error))
        how = {"state": state.state, "exit_code": int(state.exit_code), "message": state.message}
        left = {"zero_monotonic_ns": self.clock.zero_ns, "not_healed": failed, "killed": killed}
        self.manifest.update(ended=wall_rfc3339(), **how, **left, load=loaders.told(self.loaders, self.folder))
        try:
            self.folder.write_json(self.folder.manifest, self.manifest)
        except RunError as error:
            self._unwritten(error)

    def _unwritten(self, error: RunError) -> RunState:
        """How the run ended, now that a part of its record could not be written: a run that was well is not."""
        assert self.out.state is not None
        if self.out.state.exit_code in (Exit.PASS, Exit.STOPPED):
            self.out.state = RunState("failed", error.exit_code, str(error))
        return self.out.state

    async def _export(self, control: Control) -> None:
        # Stores last: what an app confirms while the others are asked must be in them when they are.
        for child in sorted(self.services, key=lambda child: child.name in STORES):
            if not child.alive:
                continue
            try:
                self.folder.write_export(child.name, await control.export(child.name))
            except HarnessError as error:
                text = f"{child.name}: its state could not be fetched for the audit"
                self.log.write("note", text=text, error=str(error))
