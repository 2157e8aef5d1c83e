"""What a world holds in memory is the work in flight, however long it runs."""

from __future__ import annotations

import tracemalloc

import pytest
import yaml

from harness.plan import make_plan
from harness.record.folder import RunFolder
from harness.sim.world import World
from harness.spec import parse_experiment

OPERATIONS_PER_S = 200


@pytest.fixture
def grown_bytes(tmp_path):
    """`grown_bytes(seconds)`: the most a run of readers and one station ever held, beyond what it began with.

    One trace spans all runs of a test, so that tables which fill once and stay (blocks of draws) can be filled first.
    """

    def run(seconds):
        document = {
            "title": "memory",
            "region": {"kv": {"instances": 1, "slots": 4, "service": {"mean": "5ms"}}, "mobile_banking": None},
            "client": {"deadline": "1500ms", "timeout": "20ms", "attempts": 3},
            "load": {"kv_reads": {"arrivals": {"rate": f"{OPERATIONS_PER_S}/s"}}},
            "phases": {"warm_up": "0s", "baseline": "1s", "outage": "1s", "recovery": f"{seconds - 2}s", "drain": "1s"},
            "timeline": [
                {"at": "outage.start", "do": "kv.latency", "with": {"factor": 2}},
                {"at": "outage.end", "do": "kv.heal", "with": {"fault": "latency"}, "fix": True},
            ],
        }
        file = parse_experiment(yaml.safe_dump(document), "memory")
        plan = make_plan(file, file.variants[0], 3, engine="world")
        world = World(plan, RunFolder.create(tmp_path, f"memory-{seconds}", "base", 3, "test"))
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        world.run()
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    yield run
    tracemalloc.stop()


def test_a_run_three_times_as_long_needs_no_more_memory(grown_bytes):
    grown_bytes(90)
    short, long = grown_bytes(20), grown_bytes(60)  # buffers of slow writers (gauges) are not full in either
    assert long - short < 8 * 40 * OPERATIONS_PER_S  # under a pointer for each operation more
