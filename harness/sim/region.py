"""The region of a world: its services on the heap, the names that lead to them, and what can be done to each.

Everything that decides is the object that runs live: the station and its tables, the brain of each app and cloud
service, the name server with its automation. Here each gets the place of its live process: a server on the heap, a
caller with its own name cache and connections, and the faults and actions an operator reaches through a control port.

    region = Region(plan, heap, delays, records)    region.do(due)    region.readings()

It leaves out what a world has no use for: ports, tokens, and processes that fail to start.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from harness import build
from harness.models import dns_cache
from harness.models.component import Given
from harness.models.dns_cache import Answer, DnsCache
from harness.models.nameserver import NameServer
from harness.models.station import Station
from harness.models.valve import Valve
from harness.plan import Plan
from harness.policies.resolver import FOUND
from harness.record.region import RegionMap, component_name, lay_out
from harness.sim.conversation import Conversation
from harness.sim.heap import Heap
from harness.sim.host import Host
from harness.sim.network import Caller, Delays, Server
from harness.sim.records import Records
from harness.sim.servers import StoreServer
from harness.spec.region import HOSTED
from harness.timeline import Due

_NET = 10  # addresses in a world are never bound; any network will do


class Region:
    """The services of one run, made from the plan's knobs."""

    def __init__(self, plan: Plan, heap: Heap, delays: Delays, records: Records) -> None:
        self.plan = plan
        self.map: RegionMap = lay_out(_NET, plan.components)
        self.numbers = {component: number for number, component in enumerate(self.map.places)}
        self.servers: dict[str, StoreServer | Host] = {}
        self._heap = heap
        self._delays = delays
        self._records = records
        self.names = self._make_names()
        failover = None if self.names is None else self.names.failover
        self._moved: dict[str, Server] | None = None if failover is None else {}  # whose an address is
        self._make_servers()
        self._checker = self._make_checker()

    def begin(self) -> None:
        """Put what runs by itself on the heap: the automation of names, health checks, and each host's own work."""
        if self.names is not None:
            self._advance_names()
        if self._checker is not None:
            self._heap.at(0.0, self._checker.begin)
        for server in self.servers.values():
            if isinstance(server, Host):
                self._heap.at(0.0, server.stepped)

    def caller(self, resolver: Any, name: str) -> Caller:
        """Somebody who calls the region, with a name cache and connections of its own; its attempts go to `name`."""
        targets: dict[str, tuple[int, str, Server]] = {
            component: (self.numbers[component], component_name(component), server)
            for component, server in self.servers.items()
        }
        rows = self._records.rows(name, "attempt", {"target": list(self.map.places)})
        cache = DnsCache(build.resolver_spec(resolver))
        return Caller(self._heap, self._delays, self.plan.seed, cache, self._ask, targets, rows, self._moved)

    def readings(self) -> dict[str, dict[str, float]]:
        """Every component's gauges at this moment."""
        found = {name: server.gauges(self._heap.now_s) for name, server in self.servers.items()}
        if self.names is not None:
            found["dns"] = self.names.gauges()
        return found

    def export(self) -> None:
        """The states the audit reads, as they are when the drain ends."""
        folder, now_s = self._records.folder, self._heap.now_s
        for name, server in self.servers.items():
            folder.write_export(name, {"t_s": now_s, "component": name, **server.export()})

    def close(self) -> None:
        """End what is under way; rows of work in progress are written."""
        for server in self.servers.values():
            server.close()

    def cut_checks(self) -> None:
        """No health check outlives the run."""
        if self._checker is not None:
            self._checker.cut()

    # Deeds

    def do(self, due: Due) -> None:
        """Do something to a component. Raises ValueError when the component refuses it."""
        if due.component == "dns":
            self._do_to_names(due, self._heap.now_s)
            return
        server = self.servers[due.component]
        if server.down and due.name != "crash":
            text = f"{due.what} met a dead process (crash is on); what was set is felt once it is back"
            self._records.tell(due.component, "note", text=text)
        if due.deed == "inject":
            server.faults[due.name][0](due.params)
        elif due.deed == "heal":
            server.faults[due.name][1]()
        else:
            server.actions[due.name](due.params)

    def _do_to_names(self, due: Due, now_s: float) -> None:
        names = self.names
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

    # Names

    def _make_names(self) -> NameServer | None:
        knobs = self.plan.experiment.region.dns
        if knobs is None:
            return None
        places = {name: (place.name, place.addresses) for name, place in self.map.places.items()}
        spec = knobs.model_dump(mode="json", by_alias=True)
        return NameServer(spec, places, frozenset(HOSTED), partial(self._records.tell, "dns"))

    def _make_checker(self) -> Conversation | None:
        """The health checks behind a name that fails over; they find the first by its own record."""
        names = self.names
        failover = None if names is None else names.failover
        if names is None or failover is None:
            return None
        first = failover.spec.first
        caller = self.caller(None, "dns-attempt")
        caller.ask = lambda _: Answer(FOUND, names.addresses_of(first, self._heap.now_s), 0.0)
        return Conversation(failover.checks(lambda now_s: bool(names.addresses_of(first, now_s)), 0.0), caller)

    def _ask(self, name: str) -> Answer:
        """What a query for an A record finds, in the cache's terms."""
        if self.names is None:
            place = next(place for place in self.map.places.values() if place.name == name)
            return Answer(FOUND, place.addresses, math.inf)
        self.names.advance(self._heap.now_s)
        said = self.names.ask(name, "A")
        spec = self.names.zone
        ttls_s = [float(spec.ttl_s)] * len(said.addresses) + [float(spec.negative_ttl_s)] * said.authority_ns
        soa_s = (float(spec.negative_ttl_s),) * 2 if said.authority_soa else None
        return dns_cache.read(said.rcode.value, said.addresses, tuple(ttls_s), soa_s)

    def _advance_names(self) -> None:
        assert self.names is not None, "there is a name server to advance"
        self.names.advance(self._heap.now_s)
        self._heap.at(self.names.next_due_s(), self._advance_names)

    # Services

    def _make_servers(self) -> None:
        experiment, seed = self.plan.experiment, self.plan.seed
        region, conventions = experiment.region, experiment.conventions
        silent = conventions.refusal == "silent"
        if region.kv is not None:
            station = Station(build.station_spec(region.kv, conventions), seed, 0.0)
            rows = self._records.rows("kv-served", "served", {"component": ["kv"]})
            age_s = region.kv.connection.max_age_s or math.inf
            self.servers["kv"] = StoreServer(self._heap, station, seed, age_s, silent, rows)
        for name in region.hosted():
            self.servers[name] = self._make_host(name, silent)
        for name, knobs in region.hosted().items():  # when all are there to be called
            host = self.servers[name]
            assert isinstance(host, Host), "hosted components have hosts"
            host.caller = self.caller(knobs.client.resolver or knobs.resolver, f"{name}-attempt")
        if self._moved is not None:
            for name, server in self.servers.items():
                self._moved.update(dict.fromkeys(self.map.places[name].addresses, server))

    def _make_host(self, name: str, silent: bool) -> Host:
        experiment, seed = self.plan.experiment, self.plan.seed
        conventions, knobs = experiment.conventions, experiment.region.hosted()[name]
        users = build.users_of({story: load.users for story, load in experiment.load.items()}, name)
        note = partial(self._records.tell, name)
        here = tuple(self.map.places)
        given = Given(seed, 0.0, note, here, users, conventions.service_draw, conventions.cancellation)
        return Host(
            self._heap, build.brain_of(name, knobs, given), Valve(seed, 0.0), knobs.connection.max_age_s or math.inf,
            silent, conventions.cancellation, conventions.late_replies,
            self._records.rows(f"{name}-served", "served", {"component": [name]}),
        )  # fmt: skip
