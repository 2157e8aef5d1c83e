"""How fast is the twin? One model in four simulators: `python benchmarks/simulators.py [--operations N] [--json]`.

The model is M/M/c with timeouts and retries: operations arrive at random, each sends an attempt to a station of c
servers with one line, gives up on it after a timeout and sends another at once, up to a number of attempts. Work that
nobody waits for is still done. No network, no names, no cancellation.

    simpy      a process per operation and one per attempt, in the manner of its documentation; it keeps sums only
    recording  the same with what the world leaves behind: a row per operation, attempt and job, by the same RowWriter
    ciw        a network of one node; its arrival node also sends the retries
    world      harness.sim.world, from a plan: with connections, names, gauges, and rows written to disk
    kernel     harness.sim.kernels, counting per window

Speed is attempts per second of processor time of this thread, so a busy machine does not count; ratios are medians of
the seeds' rates. Each simulator plays the same seeds; attempts per operation, the share of good operations and the mean
wait in line must agree within four standard errors of the difference (over seeds), and world and kernel exactly. The
kernel is timed on a run of a million operations as well (`kernel_long`), where starting it no longer counts.
Compiling is not timed.

The world cannot do without a name server, which is no part of the model: it replans once in a minute here.

With `--json` the last line is {"kernel_over_simpy": ..., "world_over_simpy": ..., "world_over_simpy_recording": ...};
exit 1 if results disagree.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import ciw
import numpy as np
import simpy
import yaml

from harness.flows.wants import Cause, Result
from harness.plan import Plan, make_plan
from harness.record.folder import RunFolder
from harness.record.layouts import Outcome
from harness.record.rows import RowWriter, read_rows
from harness.sim.kernels import Model, model_of, run_kernel, summary_of
from harness.sim.network import Delays
from harness.sim.world import World
from harness.spec import parse_experiment

RATE_PER_S: Final = 400.0  # three times that is under the capacity of 1,600/s, so no run can tip over for good
SERVERS: Final = 4
MEAN_S: Final = 0.0025
TIMEOUT_S: Final = 0.005
ATTEMPTS: Final = 3
DEADLINE_S: Final = 100.0  # never met
NO_DELAYS: Final = Delays(0.0, 0.0, 0.0)
FACTOR_OF_ERRORS: Final = 4.0
LONG: Final = 1_000_000  # operations


class Found(NamedTuple):
    """What one run gave."""

    operations: int
    attempts: int
    good: int
    wait_s: float  # mean time in line
    cpu_s: float


class Rows(NamedTuple):
    """The three row files of a run."""

    operation: RowWriter
    attempt: RowWriter
    served: RowWriter


def with_simpy(seconds: float, seed: int) -> Found:
    """SimPy: processes that wait for each other."""
    rng = random.Random(seed)
    env = simpy.Environment()
    station = simpy.Resource(env, SERVERS)
    operations = attempts = good = 0
    waited_s = 0.0

    def serve(done: simpy.Event) -> Any:
        nonlocal waited_s
        came_s = env.now
        with station.request() as slot:
            yield slot
            waited_s += env.now - came_s
            yield env.timeout(rng.expovariate(1.0 / MEAN_S))
        done.succeed()

    def operation() -> Any:
        nonlocal attempts, good
        for _ in range(ATTEMPTS):
            attempts += 1
            done = env.event()
            env.process(serve(done))
            yield done | env.timeout(TIMEOUT_S)
            if done.triggered:
                good += 1
                return

    def arrivals() -> Any:
        nonlocal operations
        while True:
            yield env.timeout(rng.expovariate(RATE_PER_S))
            if env.now >= seconds:
                return
            operations += 1
            env.process(operation())

    env.process(arrivals())
    began = time.thread_time()
    env.run()
    return Found(operations, attempts, good, waited_s / attempts, time.thread_time() - began)


def with_simpy_recording(seconds: float, seed: int) -> Found:
    """SimPy again, with the rows that a world writes."""
    with tempfile.TemporaryDirectory() as root:
        folder = RunFolder.create(Path(root), "simulators", "simpy", seed, "bench")
        rows = Rows(*(RowWriter(folder.rows / f"{kind}.rows", kind, "simpy", 0) for kind in Rows._fields))
        found = _simpy_recording(seconds, seed, rows)
        kept = [read_rows(folder.rows / f"{kind}.rows").rows.size for kind in Rows._fields]
        assert kept == [found.operations, found.attempts, found.attempts], "a row each"
        return found


def _simpy_recording(seconds: float, seed: int, rows: Rows) -> Found:
    rng = random.Random(seed)
    env = simpy.Environment()
    station = simpy.Resource(env, SERVERS)
    operations = attempts = good = 0
    waited_s = 0.0

    def serve(number: int, gone: list[bool], done: simpy.Event) -> Any:
        nonlocal waited_s
        came_s = env.now
        with station.request() as slot:
            yield slot
            began_s = env.now
            waited_s += began_s - came_s
            yield env.timeout(rng.expovariate(1.0 / MEAN_S))
        done.succeed()
        rows.served.add(
            number, 0, round(came_s * 1e9), round(began_s * 1e9), round(env.now * 1e9),
            round((env.now - began_s) * 1e9), gone[0],
        )  # fmt: skip

    def operation(op: int) -> Any:
        nonlocal attempts, good
        due_s = env.now
        outcome = Outcome.FAILED
        for n in range(ATTEMPTS):
            attempts += 1
            number, sent_s, gone = attempts, env.now, [False]
            done = env.event()
            env.process(serve(number, gone, done))
            yield done | env.timeout(TIMEOUT_S)
            ok = done.triggered
            result, status, cause = (Result.OK, 200, Cause.NONE) if ok else (Result.TIMEOUT, 0, Cause.TIMEOUT)
            rows.attempt.add(op, 0, 0, number, n, 0, round(sent_s * 1e9), round(env.now * 1e9), result, status, cause)
            if ok:
                good += 1
                outcome = Outcome.GOOD
                break
            gone[0] = True
        due_ns = round(due_s * 1e9)
        rows.operation.add(
            op, 0, 0, 0, due_ns, due_ns, round(env.now * 1e9), round((due_s + DEADLINE_S) * 1e9), outcome, n + 1
        )

    def arrivals() -> Any:
        nonlocal operations
        while True:
            yield env.timeout(rng.expovariate(RATE_PER_S))
            if env.now >= seconds:
                return
            operations += 1
            env.process(operation(operations))

    env.process(arrivals())
    began = time.thread_time()
    env.run()
    for writer in rows:
        writer.close()
    return Found(operations, attempts, good, waited_s / attempts, time.thread_time() - began)


class Retries(ciw.ArrivalNode):  # type: ignore[misc]  # ciw is untyped
    """An arrival node that sends another attempt when one is not done in time."""

    seconds: float

    def __init__(self, simulation: Any) -> None:
        super().__init__(simulation)
        self.due: list[tuple[float, int, Any, int]] = []
        self.operations = self.attempts = self.good = 0

    def send_individual(self, next_node: Any, next_individual: Any, n: int = 1) -> None:
        """A first try, from the distribution, or attempt `n`."""
        super().send_individual(next_node, next_individual)
        self.operations += n == 1
        self.attempts += 1
        due_s = self.simulation.current_time + TIMEOUT_S
        heapq.heappush(self.due, (due_s, self.attempts, next_individual, n))

    def find_next_event_date(self) -> None:
        """The next arrival or the next timeout, whichever is first."""
        super().find_next_event_date()
        if self.next_event_date >= self.seconds:
            self.next_event_date = math.inf
        if self.due and self.due[0][0] < self.next_event_date:
            self.next_event_date = self.due[0][0]

    def have_event(self) -> None:
        """Arrive, or give up on an attempt."""
        if self.due and self.due[0][0] == self.next_event_date:
            _, _, individual, n = heapq.heappop(self.due)
            if individual.data_records:
                self.good += 1
            elif n < ATTEMPTS:
                self.number_of_individuals += 1
                again = self.simulation.IndividualType(
                    self.number_of_individuals, "Customer", 0, simulation=self.simulation
                )
                node = self.simulation.transitive_nodes[0]
                again.starting_node = node.id_number
                self.simulation.routers[again.customer_class].initialise_individual(again)
                self.send_individual(node, again, n + 1)
            self.find_next_event_date()
        else:
            super().have_event()


def with_ciw(seconds: float, seed: int) -> Found:
    """Ciw: a queueing network of one node."""
    ciw.seed(seed)
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(RATE_PER_S)],
        service_distributions=[ciw.dists.Exponential(1.0 / MEAN_S)],
        number_of_servers=[SERVERS],
    )
    node = type("Load", (Retries,), {"seconds": seconds})
    began = time.thread_time()
    simulation = ciw.Simulation(network, arrival_node_class=node)
    simulation.simulate_until_max_time(seconds + 100.0)
    cpu_s = time.thread_time() - began
    waits = [record.waiting_time for record in simulation.get_all_records()]
    load = simulation.nodes[0]
    return Found(load.operations, load.attempts, load.good, statistics.fmean(waits), cpu_s)


def plan_of(seconds: float, seed: int) -> Plan:
    """The model as an experiment file; the fault it must have makes services once as long."""
    spec = {
        "title": "simulators benchmark",
        "region": {
            "kv": {
                "instances": 1,
                "slots": SERVERS,
                "service": {"mean": f"{MEAN_S}s"},
                "connection": {"max_age": "none"},
            },
            "mobile_banking": None,
            "dns": {"plan_every": "60s"},
        },
        "conventions": {"late_replies": False, "cancellation": False, "service_draw": "start"},
        "client": {
            "deadline": f"{DEADLINE_S}s",
            "timeout": f"{TIMEOUT_S}s",
            "attempts": ATTEMPTS,
            "resolver": "forever",
        },
        "load": {"kv_reads": {"arrivals": {"rate": f"{RATE_PER_S}/s"}}},
        "phases": {"warm_up": "0s", "baseline": "1s", "outage": "1s", "recovery": f"{seconds - 2.0}s", "drain": "1s"},
        "timeline": [
            {"at": "outage.start", "do": "kv.latency", "with": {"factor": 1}},
            {"at": "outage.end", "do": "kv.heal", "with": {"fault": "latency"}, "fix": True},
        ],
    }
    file = parse_experiment(yaml.safe_dump(spec), "simulators")
    return make_plan(file, file.variants[0], seed, engine="world")


def with_world(seconds: float, seed: int) -> Found:
    """The world, rows and all."""
    plan = plan_of(seconds, seed)
    with tempfile.TemporaryDirectory() as root:
        folder = RunFolder.create(Path(root), "simulators", "base", seed, "bench")
        began = time.thread_time()
        World(plan, folder, NO_DELAYS).run()
        cpu_s = time.thread_time() - began
        operation = read_rows(folder.rows / "load-0-operation.rows").rows
        served = read_rows(folder.rows / "kv-served.rows").rows
        begun = served[served["began_ns"] >= 0]
        waits = (begun["began_ns"] - begun["arrived_ns"]) * 1e-9
        return Found(operation.size, served.size, int((operation["outcome"] == 0).sum()), float(waits.mean()), cpu_s)


def with_kernel(seconds: float, seed: int) -> Found:
    """The kernel, counting."""
    return of_kernel(model_of(plan_of(seconds, seed), NO_DELAYS))


def of_kernel(model: Model) -> Found:
    """One counted run of a model."""
    began = time.thread_time()
    counted = summary_of(model, 60.0)
    cpu_s = time.thread_time() - began
    w = counted.windows
    return Found(
        int(w["due"].sum()), counted.attempts, int(w["good"].sum()), w["delay_s"].sum() / w["began"].sum(), cpu_s
    )


ENGINES: Final[dict[str, Callable[[float, int], Found]]] = {
    "simpy": with_simpy,
    "recording": with_simpy_recording,
    "ciw": with_ciw,
    "world": with_world,
    "kernel": with_kernel,
}


def figures(found: Found) -> tuple[float, float, float]:
    """What must agree: attempts per operation, share of good operations, mean wait (s)."""
    return found.attempts / found.operations, found.good / found.operations, found.wait_s


def disagreements(runs: dict[str, list[Found]]) -> list[str]:
    """Where a simulator tells another story than SimPy, or the kernel another than the world."""
    wrong = []
    for name in ("recording", "ciw", "world", "kernel"):
        for label, ours, theirs in zip(
            ("attempts per operation", "good share", "mean wait in s"),
            zip(*map(figures, runs[name]), strict=True),
            zip(*map(figures, runs["simpy"]), strict=True),
            strict=True,
        ):
            gap = abs(statistics.fmean(ours) - statistics.fmean(theirs))
            error = math.sqrt((statistics.variance(ours) + statistics.variance(theirs)) / len(ours))
            if gap > FACTOR_OF_ERRORS * error:
                wrong.append(f"{name}: {label} is {gap:.5f} off, with a standard error of {error:.5f}")
    for world, kernel in zip(runs["world"], runs["kernel"], strict=True):
        if (world.operations, world.attempts, world.good) != (kernel.operations, kernel.attempts, kernel.good):
            wrong.append(f"world {world} and kernel {kernel} are not the same run")
    return wrong


def main() -> int:
    """Run all, print a table, compare."""
    parser = argparse.ArgumentParser(description="One queueing model in four simulators.")
    parser.add_argument("--operations", type=int, default=5_000, help="in each run")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each simulator, at least 3")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    given = parser.parse_args()
    seconds = max(10.0, given.operations / RATE_PER_S)
    of_kernel(model_of(plan_of(10.0, 1), NO_DELAYS))  # compiles, or loads what was compiled
    run_kernel(plan_of(10.0, 1), NO_DELAYS)
    runs: dict[str, list[Found]] = {name: [] for name in ENGINES}
    for seed in range(1, 1 + max(3, given.seeds)):
        for name, engine in ENGINES.items():  # by turns: what slows the machine down slows all of them
            runs[name].append(engine(seconds, seed))
    long_s = LONG / RATE_PER_S
    long = [of_kernel(model_of(plan_of(long_s, seed), NO_DELAYS)) for seed in (1, 2, 3)]
    speed = {name: statistics.median(run.attempts / run.cpu_s for run in found) for name, found in runs.items()}
    speed["kernel_long"] = statistics.median(run.attempts / run.cpu_s for run in long)
    print(f"M/M/{SERVERS}, {RATE_PER_S:g}/s, service {MEAN_S:g} s, timeout {TIMEOUT_S:g} s, {ATTEMPTS} attempts")
    print(f"SimPy {simpy.__version__}, Ciw {ciw.__version__}")
    print(f"{'':12}{'attempts/s':>14}{'x simpy':>10}{'attempts/op':>13}{'good':>9}{'wait ms':>9}")
    for name, found in {**runs, "kernel_long": long}.items():
        means = np.mean([figures(run) for run in found], axis=0)
        ratio = speed[name] / speed["simpy"]
        print(f"{name:12}{speed[name]:14,.0f}{ratio:10.2f}{means[0]:13.4f}{means[1]:9.4f}{means[2] * 1e3:9.3f}")
    wrong = disagreements(runs)
    for line in wrong:
        print(f"disagreement: {line}", file=sys.stderr)
    if given.json:
        ratios = {
            "kernel_over_simpy": speed["kernel_long"] / speed["simpy"],
            "world_over_simpy": speed["world"] / speed["simpy"],
            "world_over_simpy_recording": speed["world"] / speed["recording"],
        }
        print(json.dumps({key: round(ratio, 3) for key, ratio in ratios.items()}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
