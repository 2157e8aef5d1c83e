"""What does recording cost? Closed-loop peak of one load process with its recorder and without, in turn.

    python benchmarks/recorder.py [--users 48] [--slice 1.0] [--pairs 4] [--json]

One process, one locustfile's worth of work: Locust users that each do one operation of the story `kv_reads` after the
other, through the flow, the driver and Locust's statistics, against a bare echo in another process. Slices with the
recorder (operation and attempt rows, flushed every 0.25 s) and without it (the same calls to writers that throw rows
away) alternate in the order A B B A, so drift of the machine meets both. What recording adds to the processor time of
one operation is shown too: that figure holds also on a busy machine.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import sys
import time

from locust import User, task  # first: it patches sockets
from locust.env import Environment

# isort: split
import gevent
from support.one_run import bare_region, make_run, median, show

from harness.load.driver import Talk
from harness.load.find_run import Found
from harness.load.observing import observer
from harness.load.operations import judge
from harness.load.session import Session


class Discard:
    """A row writer that throws rows away."""

    def add(self, *columns: float) -> None:
        pass

    def flush(self) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=48)
    parser.add_argument("--slice", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    folder, _ = make_run(100.0, 3.0)
    with bare_region(folder):
        measure(folder, args)


def measure(folder, args) -> None:
    """Run the slices and print the result."""
    session = Session(Found(folder, orchestrated=True))
    zero_ns = time.monotonic_ns()
    ops = itertools.count(1)
    done = 0

    class Reader(User):
        @task
        def read(self) -> None:
            nonlocal done
            while True:
                operate(next(ops))
                done += 1

    environment = Environment(user_classes=[Reader])
    runner = environment.create_local_runner()
    run = session.begin(zero_ns, observer(environment, zero_ns))
    operations, recorder, clock = run.operations, run.operations.recorder, run.clock
    module, context, app = operations._stories[0]
    real = (recorder._operations, recorder.attempts)
    driver = operations.driver

    def operate(op: int) -> None:
        started_ns = clock.now_ns()
        started_s = started_ns * 1e-9
        talk = Talk()
        deadline_s = started_s + context.deadline_s
        result = driver.play(module.operation(context, op, started_s, deadline_s), talk)
        outcome = judge(result, deadline_s)
        times_ns = (started_ns, started_ns, round(result.ended_s * 1e9), round(deadline_s * 1e9))
        recorder.operation(op, 0, app, times_ns, outcome, talk.attempts)

    def one_slice(recording: bool) -> tuple[float, float]:
        recorder._operations, driver._rows = real if recording else (Discard(), Discard())
        gc.collect()
        before, cpu_s, at_s = done, time.process_time(), time.monotonic()
        gevent.sleep(args.slice)
        count = done - before
        if not count:
            sys.exit("nothing was done in a slice: the bare region does not answer")
        return count / (time.monotonic() - at_s), (time.process_time() - cpu_s) / count

    runner.start(args.users, spawn_rate=args.users)
    gevent.sleep(1.0)
    with_, without = [], []
    for pair in range(args.pairs):
        for recording in (True, False) if pair % 2 == 0 else (False, True):
            (with_ if recording else without).append(one_slice(recording))
    recorder._operations, driver._rows = real
    runner.quit()
    run.finish()
    ratios = [a[0] / b[0] for a, b in zip(with_, without, strict=True)]
    cpu = [a[1] / b[1] for a, b in zip(with_, without, strict=True)]
    show(
        {
            "users": args.users,
            "pairs": args.pairs,
            "with_per_s": median([rate for rate, _ in with_]),
            "without_per_s": median([rate for rate, _ in without]),
            "with_over_without": median(ratios),
            "with_over_without_min": min(ratios),
            "cpu_us_per_operation_with": median([cpu_s for _, cpu_s in with_]) * 1e6,
            "cpu_us_per_operation_without": median([cpu_s for _, cpu_s in without]) * 1e6,
            "cpu_with_over_without": median(cpu),
        },
        args.json,
    )


if __name__ == "__main__":
    main()
