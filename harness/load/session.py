"""One run as this process gets ready for it: plan, region, stories, resolver.

    Session(found)   read plan and region, refuse targets off loopback, compute the schedule, set the hub's resolver
    await_zero       say that we are ready, and wait until the plan names the run's zero
    begin            open the row files, make the driver: a `LoadRun`, which is then to be played and finished

A run of the orchestrator is played once, by the plan. A served region (`blackstart serve`) is loaded by hand: by the
stories of the locustfiles given, whatever others its experiment has, and until stopped. So the schedule is repeated,
with operation ids that go on: the app would take a repeated id for a repeated payment.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

import gevent

from harness.errors import RunError, SpecError
from harness.flows.call import Client
from harness.flows.crowd import Crowd, groups_of, seat
from harness.flows.stories.base import find_story, make_context
from harness.load import resolver
from harness.load.clock import RunClock, monotonic_ns
from harness.load.connections import ConnectionPool, check_loopback
from harness.load.crowd import CrowdPacer
from harness.load.driver import Driver, Observer
from harness.load.find_run import Found
from harness.load.http_face import Target
from harness.load.load_run import GAUGES, LoadRun
from harness.load.operations import Operations, Playing
from harness.load.pacer import Arrival, repeated, share
from harness.load.recorder import Recorder
from harness.plan import Plan
from harness.policies import catalogue
from harness.policies.crowd import SEATS
from harness.policies.entry import make
from harness.policies.resolver import ResolverSpec
from harness.record.region import DNS_PORT, RegionMap, read_region
from harness.schedule import Schedule
from harness.spec.experiment import Experiment, Load
from harness.spec.vocabulary import STORIES, criticality_of

READY_FILE = "load.ready"
POLL_S = 0.02
LEAD_S = 0.25  # against a served region: from begin to the first operation
UNASKED = "20/s"  # of a story that is played against a served region whose experiment has no load for it
OP_SPAN = 1 << 40  # operation ids of one load process against a served region; the next one starts above


class Session:
    """One run, prepared; `worker` of `workers` shares of its schedule."""

    def __init__(
        self,
        found: Found,
        worker: int = 0,
        workers: int = 1,
        stories: Collection[str] | None = None,
        first: int | None = None,
    ) -> None:
        """Only `stories`, when they are given and the region is served. `first` is the number of worker 0 against a
        served region, found out here when not given. Raises RecordError or SpecError for a run that cannot be loaded.
        """
        self.folder = found.folder
        self.orchestrated = found.orchestrated
        self.plan = Plan.from_json(self.folder.read_json(self.folder.plan), str(self.folder.plan))
        if stories is not None and not self.orchestrated:
            self.plan = replace(self.plan, experiment=playing_only(self.plan.experiment, stories))
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
        every = share(worker, workers)
        self.digest = digest_of(schedule)
        columns = (schedule.op[every].tolist(), schedule.story[every].tolist(), schedule.intended_s[every].tolist())
        self.arrivals = [Arrival(*row) for row in zip(*columns, strict=True)]
        self.planned = int(schedule.op.size)  # by all workers together
        self.groups = groups_of(self.plan.experiment.crowds())
        self._share = worker, workers
        self._first = 0 if self.orchestrated else free_number(self.folder.rows) if first is None else first
        self.worker = self._first + worker
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

    def begin(
        self, zero_ns: int, observe: Observer | None = None, written_ns: int | None = None, *, walk_in: bool = False
    ) -> LoadRun:
        """Open the row files and make the driver; from here on there is something to finish.

        `zero_ns` is the run's zero on this host's clock, `written_ns` the same on the clock of its plan, when another.
        With `walk_in` operations are not the plan's, but those of users as they come (`harness.load.walk_in`).
        """
        experiment = self.plan.experiment
        clock = RunClock(zero_ns)
        places = list(self.region.places.values())
        names = [place.component for place in places]
        written_ns = zero_ns if written_ns is None else written_ns
        alone = self._share[1] == 1
        recorder = Recorder(self.folder, self.worker, written_ns, self.plan.stories, names, names, GAUGES, alone)
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
                story, client, self.plan.seed, load.users, mix, load.client.deadline_s, criticality_of(story.name),
                (SEATS, 0) if walk_in else seat(self.groups, story.name),
            )  # fmt: skip
            playing.append(Playing(module, context, names.index(story.app)))
        return LoadRun(clock, Operations(driver, recorder, playing), self.resolver)

    def play(self, run: LoadRun, begin_s: float | None = None) -> None:
        """Play it to its end, or, against a served region, until stopped, from `begin_s` or a moment ahead."""
        arrivals: Iterable[Arrival] = self.arrivals
        start_s, base, until_s = 0.0, 0, self.plan.load_end_s
        if not self.orchestrated:
            begin_s = run.clock.now_s() + LEAD_S if begin_s is None else begin_s
            start_s, base, until_s = begin_s, OP_SPAN * (self._first + 1), math.inf
            arrivals = repeated(self.arrivals, self.planned, self.plan.load_end_s, start_s, base)
        pacer = None
        if self.groups:
            worker, workers = self._share
            crowd = Crowd(
                self.groups, self.plan.seed, until_s, worker=worker, workers=workers, start_s=start_s, base=base
            )
            pacer = CrowdPacer(crowd, until_s)
        run.play(arrivals, self.plan.end_s, pacer)


def playing_only(experiment: Experiment, stories: Collection[str]) -> Experiment:
    """The experiment with the load of these stories; one that it does not load comes at `UNASKED`."""
    client = experiment.client.model_dump(mode="json", by_alias=True)
    load = {name: load for name, load in experiment.load.items() if name in stories}
    for name in stories:
        if name not in load:
            unasked = {"arrivals": {"rate": UNASKED}, "mix": dict(STORIES[name].operations), "client": client}
            load[name] = Load.model_validate(unasked)
    return experiment.model_copy(update={"load": load})


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


def digest_of(schedule: Schedule) -> str:
    """What workers compare before they begin: equal only if they drew the same operations at the same moments."""
    digest = hashlib.blake2b(digest_size=16)
    for column in schedule:
        digest.update(column.tobytes())
    return digest.hexdigest()


def free_number(rows: Path) -> int:
    """The first number no load process has used in this run's folder."""
    for number in range(1000):
        if not (rows / f"load-{number}-operation.rows").exists():
            return number
    raise RunError(f"{rows}: 1,000 loads are recorded here; serve the region again to get a new folder")
