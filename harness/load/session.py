"""One run as this process gets ready for it: plan, region, stories, resolver.

    Session(found)   read plan and region, refuse targets off loopback, compute the schedule, set the hub's resolver
    await_zero       say that we are ready, and wait until the plan names the run's zero
    begin            open the row files, make the driver: a `LoadRun`, which is then to be played and finished

A run of the orchestrator is played once, by the plan. A served region (`blackstart serve`) is loaded by hand, so its
schedule is repeated until stopped, with operation ids that go on: the app would take a repeated id for a repeated
payment.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import gevent

from harness.errors import RunError, SpecError
from harness.flows.call import Client
from harness.flows.stories.base import find_story, make_context
from harness.load import resolver
from harness.load.clock import RunClock, monotonic_ns
from harness.load.connections import ConnectionPool, check_loopback
from harness.load.driver import Driver, Observer
from harness.load.find_run import Found
from harness.load.http_face import Target
from harness.load.load_run import GAUGES, LoadRun
from harness.load.operations import Operations, Playing
from harness.load.pacer import Arrival, repeated
from harness.load.recorder import Recorder
from harness.plan import Plan
from harness.policies import catalogue
from harness.policies.entry import make
from harness.policies.resolver import ResolverSpec
from harness.record.region import DNS_PORT, RegionMap, read_region
from harness.spec.vocabulary import criticality_of

READY_FILE = "load.ready"
POLL_S = 0.02
LEAD_S = 0.25  # against a served region: from begin to the first operation
OP_SPAN = 1 << 40  # operation ids of one load process against a served region; the next one starts above


class Session:
    """One run, prepared; `worker` of `workers` shares of its schedule."""

    def __init__(self, found: Found, worker: int = 0, workers: int = 1) -> None:
        """Raises RecordError or SpecError for a run that cannot be loaded."""
        self.folder = found.folder
        self.orchestrated = found.orchestrated
        self.plan = Plan.from_json(self.folder.read_json(self.folder.plan), str(self.folder.plan))
        self.region = read_region(self.folder.region)
        self.allowed = frozenset(self.plan.experiment.allow_hosts)
        check_targets(self.region, self.allowed)
        self.modules = [find_story(name) for name in self.plan.stories]
        for module in self.modules:
            if module.STORY.app not in self.region.places:
                there = ", ".join(self.region.places)
                raise SpecError(
                    f"{self.folder.region}: story {module.STORY.name} talks to {module.STORY.app}, which is not in the "
                    f"region ({there}); put it into the region, or drop the story from `load`"
                )
        schedule = self.plan.schedule()
        every = slice(worker, None, workers)
        columns = (schedule.op[every].tolist(), schedule.story[every].tolist(), schedule.intended_s[every].tolist())
        self.arrivals = [Arrival(*row) for row in zip(*columns, strict=True)]
        self.planned = int(schedule.op.size)  # by all workers together
        self.worker = worker if self.orchestrated else _free_number(self.folder.rows)
        ask = resolver.WireQuery(self.region.dns_address, DNS_PORT, self.plan.seed)
        spec = resolver_spec(self.plan)
        self.resolver = resolver.RegionResolver(spec, ask, lambda: monotonic_ns() * 1e-9)
        resolver.install(self.resolver)

    def await_zero(self) -> int:
        """Say that we are ready, and wait until the plan names the run's zero; CLOCK_MONOTONIC nanoseconds."""
        (self.folder.path / READY_FILE).touch()
        while True:
            zero_ns = self.folder.read_json(self.folder.plan).get("zero_monotonic_ns")
            if isinstance(zero_ns, int):
                return zero_ns
            gevent.sleep(POLL_S)

    def begin(self, zero_ns: int, observe: Observer | None = None) -> LoadRun:
        """Open the row files and make the driver; from here on there is something to finish."""
        experiment = self.plan.experiment
        clock = RunClock(zero_ns)
        places = list(self.region.places.values())
        names = [place.component for place in places]
        recorder = Recorder(self.folder, self.worker, zero_ns, self.plan.stories, names, names, GAUGES)
        targets = {}
        for number, place in enumerate(places):
            pool = ConnectionPool(place.name, place.port, allowed=self.allowed)
            targets[place.component] = Target(number, place.name, place.port, pool)
        driver = Driver(clock, targets, recorder.attempts, observe, experiment.conventions.late_replies)
        playing = []
        for module in self.modules:
            story = module.STORY
            load = experiment.load[story.name]
            client = Client(load.client.policy(), self.plan.seed, f"load/{story.name}", clock.now_s())
            mix = experiment.mix(story.name)
            context = make_context(
                story, client, self.plan.seed, load.users, mix, load.client.deadline_s, criticality_of(story.name)
            )
            playing.append(Playing(module, context, names.index(story.app)))
        return LoadRun(clock, Operations(driver, recorder, playing), self.resolver)

    def play(self, run: LoadRun) -> None:
        """Play it to its end, or, against a served region, until stopped."""
        arrivals: Iterable[Arrival] = self.arrivals
        if not self.orchestrated:
            start_s = run.clock.now_s() + LEAD_S
            base = OP_SPAN * (self.worker + 1)
            arrivals = repeated(self.arrivals, self.planned, self.plan.load_end_s, start_s, base)
        run.play(arrivals, self.plan.end_s)


def check_targets(region: RegionMap, allowed: frozenset[str]) -> None:
    """Raise SpecError when any address of the region leads away from this machine and is not allowed."""
    if region.dns_address:
        check_loopback("dns", region.dns_address, allowed)
    for place in region.places.values():
        for address in place.addresses:
            check_loopback(place.component, address, allowed)


def resolver_spec(plan: Plan) -> ResolverSpec:
    """The caching policy of this process's one resolver. Raises SpecError when two stories ask for different ones."""
    policies = {name: load.client.resolver for name, load in plan.experiment.load.items()}
    first = next(iter(policies.values()))
    for name, policy in policies.items():
        if policy != first:
            raise SpecError(
                f"load.{name}.client.resolver: {policy or 'none'}, but another story has {first or 'none'}; the load "
                "process has one resolver for all its stories, so give them the same one under `client`"
            )
    if first is None:
        return ResolverSpec(keep_s_max=0.0)
    spec: ResolverSpec = make(catalogue.find("client", "resolver", first.kind), first.params)
    return spec


def _free_number(rows: Path) -> int:
    """The first number no load process has used in this run's folder."""
    for number in range(1000):
        if not (rows / f"load-{number}-operation.rows").exists():
            return number
    raise RunError(f"{rows}: 1,000 loads are recorded here; serve the region again to get a new folder")
