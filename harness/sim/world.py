"""The world: a run of the region in virtual time, from the same plan, leaving the same folder.

Nothing is decided here. Stories, calls, policies, apps, the station, the table store, the name server and the DNS
automation are the very objects that run live; this file gives them a heap for a clock and `network.py` for sockets,
starts operations when the plan says so, performs the timeline, reads gauges four times a second, and drains.

    world = World(plan, folder); world.run()      rows, gauges and journal as a live run writes them

Deterministic: the same plan writes the same bytes. Leaves out what only machines have (CPU, garbage collection, timers
that fire late), so a run here is always valid as far as the generator goes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any

from harness import build
from harness.errors import RunError
from harness.flows.call import CallResult, Client
from harness.flows.crowd import Crowd, Turn, groups_of, seat
from harness.flows.stories.base import StoryContext, StoryModule, find_story, make_context
from harness.flows.wants import Result
from harness.memory import MemoryGuard
from harness.models import dns_cache
from harness.models.component import Given
from harness.models.dns_cache import Answer, DnsCache
from harness.models.nameserver import NameServer
from harness.models.record_failover import RecordFailover
from harness.models.station import Station
from harness.models.valve import Valve
from harness.plan import Plan, Schedule
from harness.policies.crowd import MARK
from harness.policies.resolver import FOUND
from harness.record.folder import RunFolder
from harness.record.journal import Journal
from harness.record.layouts import Outcome
from harness.record.region import RegionMap, component_name, lay_out
from harness.record.rows import RowWriter
from harness.sim.conversation import Conversation
from harness.sim.heap import Heap
from harness.sim.host import Host
from harness.sim.network import Caller, Delays, Server
from harness.sim.operators import Operators
from harness.sim.servers import StoreServer
from harness.spec.region import HOSTED
from harness.spec.vocabulary import criticality_of
from harness.timeline import Due

GAUGE_PERIOD_S = 0.25
_PART = 1024  # operations
_LOOK_PERIOD_S = 5.0  # at the process's memory
_NET = 10  # addresses in a world are never bound; any network will do
_REFUSED, _GOOD = Result.REFUSED, Outcome.GOOD
_LOAD_GAUGES = ("in_flight", "waiting_orbit", "waiting_slot", "started", "late", "dropped", "attempts_total")


class World:
    """One run. `run` may be called once."""

    def __init__(self, plan: Plan, folder: RunFolder, delays: Delays | None = None) -> None:
        self.plan = plan
        self.folder = folder
        self.heap = Heap()
        self.delays = delays or Delays()
        self.region: RegionMap = lay_out(_NET, plan.components)
        self._journal = Journal(folder.journal, "world")
        self._held: list[tuple[str, str, dict[str, Any]]] | None = None  # entries of a deed that is being done
        self._writers: list[RowWriter] = []
        self._numbers = {component: number for number, component in enumerate(self.region.places)}
        self.servers: dict[str, StoreServer | Host] = {}
        self.nameserver = self._make_nameserver()
        self._moved: dict[str, Server] | None = {} if self._failover_of_names() else None  # whose an address is
        self._make_servers()
        self._checker = self._make_checker()
        experiment = plan.experiment
        self.caller = self._make_caller(experiment.client.resolver, "load-0-attempt")
        self._groups = groups_of(experiment.crowds())
        self._crowd = Crowd(self._groups, plan.seed, plan.load_end_s) if self._groups else None
        self.stories = [self._make_story(name) for name in plan.stories]
        names = {"story": list(plan.stories), "app": list(self.region.places), "worker": ["load-0"]}
        self._operations = self._writer("load-0-operation", "operation", names)
        self._gauges = _GaugeRows(self)
        self.takes_late = experiment.conventions.late_replies
        self._operators = Operators(plan, self.heap, self._perform, partial(self._tell, "orchestrator"))
        self._open: dict[int, _Operation] = {}
        self.outcomes = [0] * len(Outcome)
        self.started = 0
        schedule = plan.schedule()
        self._due = _in_turn(schedule)
        self._next = (0, 0, 0.0)  # the operation that comes next: its number, its story, and when
        self.operations_planned = int(schedule.op.size)

    def run(self) -> None:
        """Play the run to the end of its drain and close every file, also when it fails. Raises RunError."""
        plan, heap = self.plan, self.heap
        for phase in plan.phases:
            heap.at(phase.start_s, partial(self._tell, "orchestrator", "phase", name=phase.name))
        self._operators.begin()
        if self.nameserver is not None:
            self._advance_names()
        if self._checker is not None:
            heap.at(0.0, self._checker.begin)
        for server in self.servers.values():
            if isinstance(server, Host):
                heap.at(0.0, server.stepped)
        heap.at(0.0, self._read_gauges)
        self._next_operation()
        if self._crowd is not None:
            for turn in self._crowd.first():
                self._turn(turn)
        guard = MemoryGuard(tidy=False)  # a collector that walks every open operation costs a fifth of the time
        try:
            heap.at(0.0, partial(self._look, guard))
            heap.run(plan.end_s)
        except RunError as error:  # what was recorded is kept whole, and judged invalid for this reason
            self._tell("orchestrator", "stop", state="failed", why=str(error))
            self._close(whole=False)
            raise
        finally:
            guard.release()
        self._close()

    def _look(self, guard: MemoryGuard) -> None:
        guard.look()
        self.heap.after(_LOOK_PERIOD_S, partial(self._look, guard))

    # The region

    def _make_nameserver(self) -> NameServer | None:
        knobs = self.plan.experiment.region.dns
        if knobs is None:
            return None
        places = {name: (place.name, place.addresses) for name, place in self.region.places.items()}
        spec = knobs.model_dump(mode="json", by_alias=True)
        return NameServer(spec, places, frozenset(HOSTED), lambda kind, **fields: self._tell("dns", kind, **fields))

    def _failover_of_names(self) -> RecordFailover | None:
        return None if self.nameserver is None else self.nameserver.failover

    def _make_checker(self) -> Conversation | None:
        """The health checks behind a name that fails over; they find the first by its own record."""
        names, failover = self.nameserver, self._failover_of_names()
        if names is None or failover is None:
            return None
        first = failover.spec.first
        caller = self._make_caller(None, "dns-attempt")
        caller.ask = lambda _: Answer(FOUND, names.addresses_of(first, self.heap.now_s), 0.0)
        return Conversation(failover.checks(lambda now_s: bool(names.addresses_of(first, now_s)), 0.0), caller)

    def _make_servers(self) -> None:
        experiment = self.plan.experiment
        region, conventions = experiment.region, experiment.conventions
        silent = conventions.refusal == "silent"
        if region.kv is not None:
            station = Station(build.station_spec(region.kv, conventions), self.plan.seed, 0.0)
            rows = self._writer("kv-served", "served", {"component": ["kv"]})
            age_s = region.kv.connection.max_age_s or math.inf
            self.servers["kv"] = StoreServer(self.heap, station, self.plan.seed, age_s, silent, rows)
        for name in region.hosted():
            self.servers[name] = self._make_host(name, silent)
        for name, knobs in region.hosted().items():  # when all are there to be called
            host = self.servers[name]
            assert isinstance(host, Host), "hosted components have hosts"
            host.caller = self._make_caller(knobs.client.resolver or knobs.resolver, f"{name}-attempt")
        if self._moved is not None:
            for name, server in self.servers.items():
                self._moved.update(dict.fromkeys(self.region.places[name].addresses, server))

    def _make_host(self, name: str, silent: bool) -> Host:
        experiment, seed = self.plan.experiment, self.plan.seed
        conventions, knobs = experiment.conventions, experiment.region.hosted()[name]
        users = build.users_of({story: load.users for story, load in experiment.load.items()}, name)
        note = partial(self._tell, name)
        here = tuple(self.region.places)
        given = Given(seed, 0.0, note, here, users, conventions.service_draw, conventions.cancellation)
        return Host(
            self.heap, build.brain_of(name, knobs, given), Valve(seed, 0.0), knobs.connection.max_age_s or math.inf,
            silent, conventions.cancellation, conventions.late_replies,
            self._writer(f"{name}-served", "served", {"component": [name]}),
        )  # fmt: skip

    def _make_caller(self, resolver: Any, name: str) -> Caller:
        targets: dict[str, tuple[int, str, Server]] = {
            component: (self._numbers[component], component_name(component), server)
            for component, server in self.servers.items()
        }
        rows = self._writer(name, "attempt", {"target": list(self.region.places)})
        cache = DnsCache(build.resolver_spec(resolver))
        return Caller(self.heap, self.delays, self.plan.seed, cache, self._ask, targets, rows, self._moved)

    def _ask(self, name: str) -> Answer:
        """What a query for an A record finds, in the cache's terms."""
        if self.nameserver is None:
            place = next(place for place in self.region.places.values() if place.name == name)
            return Answer(FOUND, place.addresses, math.inf)
        self.nameserver.advance(self.heap.now_s)
        said = self.nameserver.ask(name, "A")
        spec = self.nameserver.zone
        ttls_s = [float(spec.ttl_s)] * len(said.addresses) + [float(spec.negative_ttl_s)] * said.authority_ns
        soa_s = (float(spec.negative_ttl_s),) * 2 if said.authority_soa else None
        return dns_cache.read(said.rcode.value, said.addresses, tuple(ttls_s), soa_s)

    def _advance_names(self) -> None:
        assert self.nameserver is not None, "there is a name server to advance"
        self.nameserver.advance(self.heap.now_s)
        self.heap.at(self.nameserver.next_due_s(), self._advance_names)

    # The load

    def _make_story(self, name: str) -> tuple[StoryModule, StoryContext, int]:
        module = find_story(name)
        load = self.plan.experiment.load[name]
        client = Client(load.client.policy(), self.plan.seed, f"load/{name}", 0.0)
        mix = self.plan.experiment.mix(name)
        context = make_context(
            module.STORY, client, self.plan.seed, load.users, mix, load.client.deadline_s, criticality_of(name),
            seat(self._groups, name),
        )  # fmt: skip
        return module, context, self._numbers[module.STORY.app]

    def _next_operation(self) -> None:
        due = next(self._due, None)
        if due is not None:
            self._next = due
            self.heap.at(due[2], self._operate)

    def _operate(self) -> None:
        self._start(*self._next)
        self._next_operation()

    def _start(self, op: int, story: int, intended_s: float) -> None:
        self.started += 1
        talk = _Operation(self, op, story, intended_s)
        self._open[op] = talk
        talk.begin()

    def _turn(self, turn: Turn) -> None:
        """Somebody of a closed loop will start an operation."""
        self.heap.at(turn.due_s, partial(self._take, turn))

    def _take(self, turn: Turn) -> None:
        self.operations_planned += 1
        self._start(*turn)

    def ended(self, talk: _Operation, outcome: Outcome, finished_ns: int) -> None:
        """Write the row of an operation that is over; -1 for one that never finished."""
        op, story, deadline_s = talk.op, talk.story, talk.deadline_s
        del self._open[op]
        self.outcomes[outcome] += 1
        _, _, app = self.stories[story]
        intended_ns = round(talk.intended_s * 1e9)
        deadline_ns = round(deadline_s * 1e9) if deadline_s < math.inf else -1
        self._operations.add(op, story, app, 0, intended_ns, intended_ns, finished_ns, deadline_ns, outcome, talk.sent)
        if op >= MARK and finished_ns >= 0 and self._crowd is not None:
            turn = self._crowd.after(op, outcome is _GOOD, finished_ns * 1e-9)
            if turn is not None:
                self._turn(turn)

    # The timeline

    def _perform(self, due: Due) -> Callable[[], None]:
        """Do a deed; what writes down what was noted meanwhile. Raises ValueError when it is refused."""
        held = self._held = []
        try:
            self._do(due)
        finally:
            self._held = None
        return partial(self._tell_all, held)

    def _tell_all(self, entries: list[tuple[str, str, dict[str, Any]]]) -> None:
        for who, kind, fields in entries:
            self._tell(who, kind, **fields)

    def _do(self, due: Due) -> None:
        now_s = self.heap.now_s
        if due.component == "dns":
            self._perform_on_names(due, now_s)
        else:
            server = self.servers[due.component]
            if server.down and due.name != "crash":
                text = f"{due.what} met a dead process (crash is on); what was set is felt once it is back"
                self._tell(due.component, "note", text=text)
            if due.deed == "inject":
                server.faults[due.name][0](due.params)
            elif due.deed == "heal":
                server.faults[due.name][1]()
            else:
                server.actions[due.name](due.params)

    def _perform_on_names(self, due: Due, now_s: float) -> None:
        names = self.nameserver
        assert names is not None, "the plan was checked: a timeline that names dns has one"
        match due.deed, due.name:
            case "inject", "stall_enactor":
                names.stall(due.params, now_s)
            case "heal", "stall_enactor":
                names.unstall(now_s)
            case "inject", "empty_record":
                names.empty(due.params)
            case "heal", "empty_record":
                names.fill()
            case "action", "restore":
                names.restore(due.params, now_s)
            case "action", "point":
                names.point(due.params)
            case _:
                raise AssertionError(f"{due.what}: the plan was checked, and dns has no such thing")

    # The record

    def readings(self) -> dict[str, dict[str, float]]:
        """Every component's gauges at this moment."""
        now_s = self.heap.now_s
        found = {name: server.gauges(now_s) for name, server in self.servers.items()}
        if self.nameserver is not None:
            found["dns"] = self.nameserver.gauges()
        waiting = sum(talk.waiting for talk in self._open.values())
        load = (len(self._open), waiting, 0, self.started, 0, 0, self.caller.attempts_total)
        found["load"] = dict(zip(_LOAD_GAUGES, map(float, load), strict=True)) | self.caller.cache.gauges()
        return found

    def summary(self) -> dict[str, Any]:
        """What a load process writes at its end: `load-0.json`. A world is never late."""
        return {
            "worker": "load-0",
            "scheduled": self.operations_planned,  # turns of closed loops are counted as they come due
            "started": self.started,
            "dropped": 0,
            "late": 0,
            "lag_p50_s": 0.0,
            "lag_p99_s": 0.0,
            "lag_max_s": 0.0,
            "unfinished": self.outcomes[Outcome.UNFINISHED],
            "outcomes": {outcome.name.lower(): self.outcomes[outcome] for outcome in Outcome},
            "attempts": self.caller.attempts_total,
            "resolver": self.caller.cache.gauges(),
            "errors": 0,
        }

    def _read_gauges(self) -> None:
        readings = self.readings()
        self._gauges.write(self.heap.now_s, readings)
        self._operators.read(readings)
        self.heap.after(GAUGE_PERIOD_S, self._read_gauges)

    def _tell(self, who: str, kind: str, **fields: Any) -> None:
        if self._held is not None:
            self._held.append((who, kind, fields))
            return
        self._journal.write(self.heap.now_s, kind, **fields, **({"who": who} if who else {}))

    def _writer(self, name: str, kind: str, names: Mapping[str, list[str]]) -> RowWriter:
        writer = RowWriter(self.folder.rows / f"{name}.rows", kind, name, 0, names)
        self._writers.append(writer)
        return writer

    def _export(self) -> None:
        """The states the audit reads, as they are when the drain ends."""
        for name, server in self.servers.items():
            self.folder.write_export(name, {"t_s": self.heap.now_s, "component": name, **server.export()})

    def _close(self, *, whole: bool = True) -> None:
        self._operators.end()
        if whole:
            self._export()
        if self._checker is not None:
            self._checker.cut()
        for talk in list(self._open.values()):
            talk.cut()
            self.ended(talk, Outcome.UNFINISHED, -1)
        for server in self.servers.values():
            server.close()
        for writer in self._writers:
            writer.close()
        self._gauges.close()
        self._journal.close()


def _in_turn(schedule: Schedule) -> Iterator[tuple[int, int, float]]:
    """Operations in order, a part at a time: as Python objects all of them would take as much memory as a long run."""
    parts = (slice(first, first + _PART) for first in range(0, schedule.op.size, _PART))
    return chain.from_iterable(
        zip(schedule.op[part].tolist(), schedule.story[part].tolist(), schedule.intended_s[part].tolist(), strict=True)
        for part in parts
    )


class _Operation(Conversation):
    """One operation of a story."""

    __slots__ = ("_world", "deadline_s", "intended_s", "op", "story")

    def __init__(self, world: World, op: int, story: int, intended_s: float) -> None:
        module, context, _ = world.stories[story]
        self.op = op
        self.story = story
        self.intended_s = intended_s
        self.deadline_s = deadline_s = intended_s + context.deadline_s
        self._world = world
        flow = module.operation(context, op, intended_s, deadline_s)
        Conversation.__init__(self, flow, world.caller, None, None, world.takes_late)  # quicker than by super()

    def end(self, value: CallResult) -> None:
        """The call has ended, and with it the operation."""
        ok, reply, _, ended_s, limited = value
        if ok and ended_s <= self.deadline_s:
            outcome = _GOOD
        else:
            refused = limited or reply.result is _REFUSED
            outcome = Outcome.of(ok, refused, ended_s, self.deadline_s)
        self._world.ended(self, outcome, round(ended_s * 1e9))


class _GaugeRows:
    """`gauges.rows` of a world; the header is fixed by the first reading, as live."""

    def __init__(self, world: World) -> None:
        self._path = world.folder.gauges
        self._writer: RowWriter | None = None
        self._components: dict[str, int] = {}
        self._gauges: dict[str, int] = {}

    def write(self, t_s: float, readings: Mapping[str, Mapping[str, float]]) -> None:
        """One row per reading."""
        if self._writer is None:
            self._components = {name: number for number, name in enumerate(readings)}
            every = sorted({gauge for found in readings.values() for gauge in found})
            self._gauges = {name: number for number, name in enumerate(every)}
            names = {"component": list(self._components), "gauge": list(self._gauges)}
            self._writer = RowWriter(self._path, "gauge", "world", 0, names)
        t_ns = round(t_s * 1e9)
        for component, found in readings.items():
            number = self._components[component]
            for gauge, value in found.items():
                if gauge in self._gauges:
                    self._writer.add(t_ns, number, self._gauges[gauge], value)

    def close(self) -> None:
        """Write the closing count."""
        if self._writer is not None:
            self._writer.close()
