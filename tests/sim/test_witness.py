"""The witness: the real store on sockets and the world's store on the heap are asked the same, and must say the same.

The world is fast because it leaves out sockets, HTTP, JSON and asyncio. Whether it left out anything else is checked
here. One schedule of calls, with the same ids and the same draws, goes two ways:

    the witness     `mock_services.kv` behind aiohttp, called through the services' own driver and client over loopback,
                    in a loop whose clock jumps (`mock_services.virtual`): the code that ships
    the world       `StoreServer` called through `Caller` and `Conversation` on the heap

Every row of either side, served and attempt, must have its equal on the other, all columns, in nanoseconds, no
tolerance. What is equal by choice: loopback takes no time in a virtual loop, so the world's `Delays` are all zero here.
Nothing is subtracted from any time. Rows are put in order of attempt id first: the two sides write at one moment in an
order of their own.

Leaves out: names and their ages (`test_witness_region.py`), and CPU, which virtual time cannot have.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from harness import build, seeds
from harness.flows.call import Client, call
from harness.flows.wants import Flow, Request, Result
from harness.live.net import claim
from harness.models.dns_cache import Answer, DnsCache
from harness.models.station import Station
from harness.policies.resolver import FOUND, ResolverSpec
from harness.record.region import RegionMap
from harness.record.rows import RowWriter, read_rows
from harness.sim.conversation import Conversation
from harness.sim.heap import Heap
from harness.sim.network import Caller, Delays, Server
from harness.sim.servers import StoreServer
from harness.spec.client import Client as ClientKnobs
from harness.spec.components.kv import Kv
from harness.spec.experiment import Conventions
from mock_services import kv
from mock_services.clock import LoopClock
from mock_services.driver import Driver
from mock_services.local import LocalContext
from mock_services.outbound import Outbound
from mock_services.virtual import run_virtually

SEED = 7
JITTER = {"kind": "exponential", "base": "20ms", "jitter": "full"}
LONG_S = 60.0  # after which nothing is open any more


class Edge(NamedTuple):
    """Something done to the store: a fault begins (`params`), ends (None), or an action."""

    at_s: float
    name: str
    params: dict[str, Any] | None


@dataclass(frozen=True)
class Scene:
    """What both sides are given."""

    kv: dict[str, Any] = field(default_factory=dict)
    client: dict[str, Any] = field(default_factory=dict)
    conventions: dict[str, Any] = field(default_factory=dict)
    edges: tuple[Edge, ...] = ()
    rate_per_s: float = 300.0  # of a store that does 250/s
    load_s: float = 0.3
    until_s: float = LONG_S
    at_s: tuple[float, ...] = ()  # instead of arrivals at a rate
    calls_each: int = 1  # one after the other, in one flow

    def knobs(self) -> dict[str, Any]:
        return {"connection": {"max_age": "none"}, **self.kv}

    def arrivals_s(self) -> list[float]:
        if self.at_s:
            return list(self.at_s)
        rng = seeds.rng(SEED, "witness/arrivals")
        found: list[float] = []
        at_s = rng.expovariate(self.rate_per_s)
        while at_s < self.load_s:
            found.append(at_s)
            at_s += rng.expovariate(self.rate_per_s)
        return found

    def caller(self) -> Client:
        return Client(ClientKnobs.model_validate(self.client).policy(), SEED, "witness/kv", 0.0)


class Rows(NamedTuple):
    """What one side wrote, in order of attempt id."""

    served: np.ndarray[Any, Any]
    attempts: np.ndarray[Any, Any]


Side = Callable[[Scene, RegionMap, Path], Rows]


def flow_of(scene: Scene, client: Client, op: int, now_s: float) -> Flow:
    """Operation `op`: every third writes one of a few items, on condition that nobody did before."""
    ask = Request("read", {"key": "x"}, write=False)
    if op % 3 == 0:
        put = {"table": "t", "key": str(op % 50), "put": {"op": op}, "if": {"absent": True}}
        ask = Request("write", {"writes": [put], "token": f"token-{op}"})
    for call_no in range(1, scene.calls_each + 1):
        result = yield from call(
            client, "kv", ask, op=op, layer=1, parent_id=0, call_no=call_no, now_s=now_s, deadline_s=math.inf
        )
        now_s = result.ended_s


def by_attempt(path: Path) -> np.ndarray[Any, Any]:
    found = read_rows(path)
    assert found.complete
    return np.sort(np.array(found.rows), order=["attempt", "sent_ns" if found.kind == "attempt" else "arrived_ns"])


class Book(AbstractResolver):
    """Knows the addresses; names are not what is tried here."""

    def __init__(self, region: RegionMap) -> None:
        self._addresses = {place.name: place.addresses for place in region.places.values()}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in self._addresses[host]
        ]

    async def close(self) -> None:
        pass


def witness(scene: Scene, region: RegionMap, folder: Path) -> Rows:
    """The scene on aiohttp."""
    folder.mkdir()
    contexts: list[LocalContext] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        clock = LoopClock(loop)
        context = LocalContext(
            "kv", region, folder, clock, scene.knobs(), {"conventions": scene.conventions}, seed=SEED
        )
        contexts.append(context)
        service = await kv.build(context)
        assert isinstance(service, kv.KvService)
        await service.start()
        outbound = Outbound(region, Book(region), clock)
        late = Conventions.model_validate(scene.conventions).late_replies
        driver = Driver(clock, outbound, context.attempts(), context.targets(), late)
        client = scene.caller()
        tasks: list[asyncio.Task[Any]] = []

        def begin(op: int, at_s: float) -> None:
            tasks.append(asyncio.create_task(driver.play(flow_of(scene, client, op, at_s))))

        def perform(edge: Edge) -> None:
            if edge.name in service.actions:
                service.actions[edge.name](edge.params or {})
            elif edge.params is None:
                service.faults[edge.name].off()
            else:
                service.faults[edge.name].on(edge.params)

        for op, at_s in enumerate(scene.arrivals_s(), 1):
            if at_s <= scene.until_s:
                loop.call_at(at_s, begin, op, at_s)
        for edge in scene.edges:
            loop.call_at(edge.at_s, perform, edge)
        await asyncio.sleep(scene.until_s)
        driver.stopping = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await service.stop()
        await outbound.close()
        context.close()

    run_virtually(main)
    return Rows(by_attempt(contexts[0].rows_path("served")), by_attempt(contexts[0].rows_path("attempt")))


def world(scene: Scene, region: RegionMap, folder: Path) -> Rows:
    """The scene on the heap."""
    folder.mkdir()
    heap = Heap()
    knobs, conventions = Kv.model_validate(scene.knobs()), Conventions.model_validate(scene.conventions)
    served = RowWriter(folder / "served.rows", "served", "kv-served", 0, {"component": ["kv"]})
    attempts = RowWriter(folder / "attempt.rows", "attempt", "kv-attempt", 0, {"target": list(region.places)})
    station = Station(build.station_spec(knobs, conventions), SEED, 0.0)
    server = StoreServer(
        heap, station, SEED, knobs.connection.max_age_s or math.inf, conventions.refusal == "silent", served
    )
    place = region.places["kv"]
    targets: dict[str, tuple[int, str, Server]] = {"kv": (list(region.places).index("kv"), place.name, server)}
    known = Answer(FOUND, place.addresses, math.inf)
    no_delays = Delays(0.0, 0.0, 0.0)
    caller = Caller(heap, no_delays, SEED, DnsCache(ResolverSpec()), lambda name: known, targets, attempts)
    client = scene.caller()
    talks: list[Conversation] = []

    def begin(op: int, at_s: float) -> None:
        flow = flow_of(scene, client, op, at_s)
        talks.append(Conversation(flow, caller, lambda result: None, None, conventions.late_replies))
        talks[-1].begin()

    def perform(edge: Edge) -> None:
        if edge.name in server.actions:
            server.actions[edge.name](edge.params or {})
        elif edge.params is None:
            server.faults[edge.name][1]()
        else:
            server.faults[edge.name][0](edge.params)

    for op, at_s in enumerate(scene.arrivals_s(), 1):
        heap.at(at_s, lambda op=op, at_s=at_s: begin(op, at_s))  # type: ignore[misc]
    for edge in scene.edges:
        heap.at(edge.at_s, lambda edge=edge: perform(edge))  # type: ignore[misc]
    heap.run(scene.until_s)
    for talk in talks:
        talk.cut()
    server.close()
    served.close()
    attempts.close()
    return Rows(by_attempt(folder / "served.rows"), by_attempt(folder / "attempt.rows"))


@pytest.fixture
def region() -> Iterator[RegionMap]:
    with claim({"kv": 2}) as claimed:
        yield claimed.region


def difference(ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> str:
    """The first rows that have no equal on the other side."""
    here, there = ({tuple(row) for row in rows.tolist()} for rows in (ours, theirs))
    only = [f"only the witness: {row}" for row in sorted(here - there)[:4]]
    only += [f"only the world:   {row}" for row in sorted(there - here)[:4]]
    return "\n".join([f"{len(here - there)} and {len(there - here)} rows; {ours.dtype.names}", *only])


SLOW = (Edge(0.1, "latency", {"factor": 4}), Edge(0.2, "latency", None))
FAST_CALLS = {"timeout": "60ms", "deadline": "400ms", "attempts": 3, "backoff": JITTER}
BOUNDED = {"admission": {"kind": "concurrency", "limit": 12}}
SCENES = {
    "first in first out": Scene(),
    "last in first out": Scene(kv={"discipline": "lifo"}),
    "fixed service times": Scene(kv={"service": {"mean": "20ms", "distribution": "fixed"}}),
    "a bounded line refuses": Scene(kv=BOUNDED, client={"attempts": 3, "backoff": JITTER}),
    "refusals nobody answers": Scene(kv=BOUNDED, client=FAST_CALLS, conventions={"refusal": "silent"}),
    "slow for a while, drawn at acceptance": Scene(edges=SLOW, conventions={"service_draw": "acceptance"}),
    "slow for a while, drawn at the start": Scene(edges=SLOW, conventions={"service_draw": "start"}),
    "callers who give up": Scene(edges=SLOW, client=FAST_CALLS),
    "callers who take the work along": Scene(edges=SLOW, client=FAST_CALLS, conventions={"cancellation": True}),
    "late replies are welcome": Scene(edges=SLOW, client=FAST_CALLS, conventions={"late_replies": True}),
    "late replies, and giving up cancels": Scene(
        edges=SLOW, client=FAST_CALLS, conventions={"late_replies": True, "cancellation": True}, calls_each=2
    ),
    "fewer slots, then none, then more": Scene(
        edges=(
            Edge(0.05, "capacity", {"slots": 2}), Edge(0.15, "capacity", {"slots": 0}), Edge(0.2, "capacity", None),
            Edge(0.25, "add_capacity", {"slots": 3}),
        ),
        client=FAST_CALLS,
    ),
    "injected errors and a dropped line": Scene(
        edges=(
            Edge(0.05, "errors", {"share": "30%"}), Edge(0.2, "errors", None), Edge(0.25, "drop_queue", {}),
        ),
        client=FAST_CALLS,
    ),
    "a crash and a restart": Scene(
        edges=(Edge(0.1, "crash", {}), Edge(0.2, "crash", None)), client={"attempts": 2, "backoff": JITTER}
    ),
    "two crashes while callers give up": Scene(
        edges=(
            Edge(0.05, "crash", {}), Edge(0.1, "crash", None), Edge(0.2, "crash", {}), Edge(0.25, "crash", None),
        ),
        client=FAST_CALLS,
    ),
    "cut off for a while": Scene(
        edges=(Edge(0.1, "partition", {}), Edge(0.2, "partition", None)), client=FAST_CALLS
    ),
    "a hedged read": Scene(rate_per_s=150.0, client={"hedge": {"kind": "delayed", "delay": "30ms"}, "attempts": 2}),
    "cut in the middle": Scene(client=FAST_CALLS, edges=SLOW[:1], until_s=0.25),
}  # fmt: skip


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES.keys())
def test_the_store_on_sockets_and_the_store_on_the_heap_write_the_same_rows(
    scene: Scene, region: RegionMap, tmp_path: Path
) -> None:
    heard, told = witness(scene, region, tmp_path / "witness"), world(scene, region, tmp_path / "world")
    assert len(heard.served) >= len(scene.arrivals_s()) / 2
    assert np.array_equal(heard.served, told.served), difference(heard.served, told.served)
    assert np.array_equal(heard.attempts, told.attempts), difference(heard.attempts, told.attempts)


@pytest.mark.parametrize("side", [witness, world])
def test_a_late_reply_counts_for_its_own_call_only(side: Side, region: RegionMap, tmp_path: Path) -> None:
    """The first call's first attempt is answered at 200 ms, when the second call is open and has no answer yet."""
    scene = Scene(
        kv={"service": {"mean": "20ms", "distribution": "fixed"}},
        client={"timeout": "60ms", "attempts": 3},
        conventions={"late_replies": True},
        edges=(
            Edge(0.0, "latency", {"mean": "190ms"}), Edge(0.05, "latency", None), Edge(0.08, "latency", {"mean": "1s"}),
        ),
        at_s=(0.01,),
        calls_each=2,
    )  # fmt: skip
    rows = side(scene, region, tmp_path / "rows")
    assert [(row["sent_ns"] // 10**6, row["result"]) for row in np.sort(rows.attempts, order="sent_ns")] == [
        (10, Result.TIMEOUT), (70, Result.OK),
        (90, Result.TIMEOUT), (150, Result.TIMEOUT), (210, Result.TIMEOUT),
    ]  # fmt: skip
