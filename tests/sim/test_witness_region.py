"""The witness for the whole region: names, connections, the banking app and its outbox, through a short outage.

As `test_witness.py`, with everything between a user and the store. One plan goes two ways:

    the witness     `dns`, `kv` and `mobile_banking` as they ship, on sockets, in one loop in virtual time; a user's
                    operations are played by the services' driver, since gevent cannot live in that loop
    the world       `World`, with all its `Delays` zero, because loopback takes no virtual time

and all four row files must agree, row for row, in nanoseconds, nothing subtracted. For some seconds the record of the
store answers empty: calls fail as UNSENT, transfers go to the outbox, and come back by replay.

Connections to the store are closed after each reply here (a maximum age of a microsecond). At longer ages the two sides
draw the age of a connection by other keys: a server counts its connections, the world knows when they were born.

With no delays, moments meet that would not meet in life. What happens at one moment happens on both sides in the order
in which it was set going (`mock_services.virtual`). Two processes that look at one moment have no such order, so the
timeouts of users and app differ here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from harness import build
from harness.flows.call import Client
from harness.flows.stories.base import find_story, make_context
from harness.flows.wants import Cause, Result
from harness.live.net import claim
from harness.plan import Plan, make_plan
from harness.record.folder import RunFolder
from harness.record.region import DNS_PORT, RegionMap
from harness.record.rows import RowWriter, read_rows
from harness.sim.network import Delays
from harness.sim.world import World
from harness.spec.load import load_experiment
from harness.timeline import Due, edges
from mock_services import dns, kv
from mock_services.apps import mobile_banking
from mock_services.clock import LoopClock
from mock_services.driver import Driver
from mock_services.local import LocalContext
from mock_services.outbound import Outbound
from mock_services.resolver import RegionResolver
from mock_services.virtual import run_virtually

MODULES: dict[str, Any] = {"dns": dns, "kv": kv, "mobile_banking": mobile_banking}
FILES = ("load-0-attempt", "mobile_banking-served", "mobile_banking-attempt", "kv-served")
STORY = "mobile_banking"
EMPTY = [
    {"at": "outage.start", "do": "dns.empty_record"},
    {"at": "outage.end", "do": "dns.heal", "with": {"fault": "empty_record"}, "fix": True},
    {"at": "outage.end + 1s", "do": "kv.latency", "with": {"factor": 6, "for": "500ms"}},
]
COLD = {"at": "outage.end + 300ms", "do": "mobile_banking.flush_cache", "with": {"for": "1s"}}
OUTAGE: dict[str, Any] = {
    "title": "The record of the store answers empty for a while",
    "seed": 7,
    "region": {
        "preset": "small",
        "dns": {"ttl": "1s", "negative_ttl": "1s"},
        "kv": {"connection": {"max_age": "1us"}},
        "mobile_banking": {
            "client": {"timeout": "110ms"},  # other than its users', or both would give up at one moment
            "sessions": {"ttl": "2s"},
            "outbox": {"senders": 5, "pace": "60/s", "retry_wait": "200ms"},
        },
    },
    "client": {
        "deadline": "400ms",
        "timeout": "150ms",
        "attempts": 3,
        "backoff": {"kind": "exponential", "base": "30ms", "jitter": "full"},
        "retry_budget": {"ratio": 0.2, "burst": 20},
    },
    "load": {STORY: {"arrivals": {"rate": "32/s", "process": "poisson"}, "users": 50}},
    "phases": {"warm_up": "0.2s", "baseline": "0.3s", "outage": "1.1s", "recovery": "2.7s", "drain": "1s"},
    "timeline": EMPTY,
    "variants": {
        "plain": {},
        "cold": {"timeline": [*EMPTY, COLD]},
        "cancelling": {"conventions": {"cancellation": True}},
        "crashing": {
            "timeline": [
                {"at": "outage.start", "do": "kv.crash", "with": {"for": "400ms"}, "fix": False},
                {"at": "outage.start + 600ms", "do": "mobile_banking.crash", "with": {"for": "300ms"}},
                {"at": "outage.end", "do": "mobile_banking.partition", "with": {"to": "kv", "for": "300ms"}},
                {"at": "outage.end + 300ms", "do": "mobile_banking.open_intake", "fix": True},
                {"at": "outage.end + 600ms", "do": "mobile_banking.ramp",
                 "with": {"from": "5/s", "to": "40/s", "over": "500ms"}},
                {"at": "outage.end + 1500ms", "do": "mobile_banking.partition", "with": {"for": "200ms"}},
            ],
        },
        "late_replies": {"conventions": {"late_replies": True}},
        "silent": {
            "conventions": {"refusal": "silent"},
            "region": {"kv": {"admission": {"kind": "concurrency", "limit": 10}}},
        },
    },
}


@pytest.fixture
def region() -> Iterator[RegionMap]:
    with claim({"dns": 1, "kv": 2, STORY: 1}) as claimed:
        yield claimed.region


def witness(plan: Plan, region: RegionMap, folder: Path) -> None:
    """The plan on aiohttp; row files into `folder`."""
    experiment = plan.experiment
    written = plan.to_json()["spec"]
    load = experiment.load[STORY]

    async def main() -> None:
        loop = asyncio.get_running_loop()
        clock = LoopClock(loop)
        contexts = {
            name: LocalContext(name, region, folder, clock, written["region"][name], written, seed=plan.seed)
            for name in MODULES
        }
        services = {name: await module.build(contexts[name]) for name, module in MODULES.items()}
        for service in services.values():
            await service.start()
        resolver = RegionResolver(
            build.resolver_spec(experiment.client.resolver), (region.dns_address, DNS_PORT), clock.now_s
        )
        outbound = Outbound(region, resolver, clock)
        rows = RowWriter(folder / "load-0-attempt.rows", "attempt", "load-0", 0, {"target": list(region.places)})
        driver = Driver(clock, outbound, rows, tuple(region.places), experiment.conventions.late_replies)
        story = find_story(STORY)
        client = Client(load.client.policy(), plan.seed, f"load/{STORY}", 0.0)
        context = make_context(
            story.STORY, client, plan.seed, load.users, experiment.mix(STORY), load.client.deadline_s
        )
        tasks: list[asyncio.Task[Any]] = []

        def operate(op: int, at_s: float) -> None:
            flow = story.operation(context, op, at_s, at_s + context.deadline_s)
            tasks.append(asyncio.create_task(driver.play(flow)))

        def perform(due: Due) -> None:
            service = services[due.component]
            if due.deed == "inject":
                service.faults[due.name].on(due.params)
            elif due.deed == "heal":
                service.faults[due.name].off()
            else:
                service.actions[due.name](due.params)

        schedule = plan.schedule()
        for op, at_s in zip(schedule.op.tolist(), schedule.intended_s.tolist(), strict=True):
            loop.call_at(at_s, operate, op, at_s)
        for due in edges(plan):
            loop.call_at(due.at_s, perform, due)
        await asyncio.sleep(plan.end_s)
        await asyncio.gather(*tasks)
        for service in reversed(services.values()):
            await service.stop()
        await outbound.close()
        await resolver.close()
        rows.close()
        for local in contexts.values():
            local.close()

    run_virtually(main)


def in_order(path: Path) -> np.ndarray[Any, Any]:
    found = read_rows(path)
    assert found.complete
    return np.sort(np.array(found.rows), order="attempt")


def difference(heard: np.ndarray[Any, Any], told: np.ndarray[Any, Any]) -> str:
    """The first rows that have no equal on the other side, with the columns' names."""
    here, there = ({tuple(row) for row in rows.tolist()} for rows in (heard, told))
    only_here, only_there = sorted(here - there), sorted(there - here)
    return f"{heard.dtype.names}\nonly the witness: {only_here[:4]}\nonly the world: {only_there[:4]}"


@pytest.mark.parametrize("variant", OUTAGE["variants"])
def test_a_region_on_sockets_and_a_region_on_the_heap_live_through_the_same_outage(
    variant: str, region: RegionMap, tmp_path: Path
) -> None:
    path = tmp_path / "outage.yaml"
    path.write_text(yaml.safe_dump(OUTAGE))
    plan = make_plan(load_experiment(path), variant, engine="world")
    (tmp_path / "witness").mkdir()
    witness(plan, region, tmp_path / "witness")
    folder = RunFolder.create(tmp_path, "outage", variant, plan.seed, "world")
    World(plan, folder, Delays(0.0, 0.0, 0.0)).run()
    rows = {name: in_order(tmp_path / "witness" / f"{name}.rows") for name in FILES}
    for name, heard in rows.items():
        told = in_order(folder.rows / f"{name}.rows")
        assert np.array_equal(heard, told), f"{name}: {difference(heard, told)}"
    calls = rows["mobile_banking-attempt"]
    felt = Cause.CONNECT if variant == "crashing" else Cause.DNS_EMPTY
    assert np.count_nonzero(calls["cause"] == felt) > 10
    replays = calls[calls["parent"] == 0]
    assert np.count_nonzero(replays["result"] == Result.OK) > 5
    if variant != "crashing":
        assert np.count_nonzero(calls["result"] == Result.TIMEOUT) > 5
