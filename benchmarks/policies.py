"""What does a policy's step cost? Each step of each kind, called plainly and inside a compiled loop.

    python benchmarks/policies.py [--quick] [--only KIND ...] [--moments 10000] [--repeats 9] [--json]

A live client or server calls a step plainly (the line is 1 us); the kernel calls it inside a compiled loop (50 ns). The
calls are those of a random life (`support/policy_walks.py`), so all branches have their share.

    plain     the calls of 2,000 moments replayed; median of `repeats` passes, per call
    compiled  the walk is a compiled loop that carries the state from call to call. It is timed once with every step
              called once per moment, then once per step with that step called three times; what one more call adds is
              solved from these times. Medians of `repeats` rounds
    ratio     compiled / plain, both of the same minute: machines differ, and so does one machine from hour to hour

All figures are processor time of the thread, in ns per call. Waiting lines (push, pop) and DAGOR have tables and are
plain only. `--quick` times plain steps only, since compiling takes a minute or two. With `--json` the last line is an
object: medians, maxima, the steps over a line, and every step.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import starmap
from typing import Any, Final, NamedTuple

import numpy as np
from support.policy_walks import GATED, STEPS_MAX, TAPE_MAX, Case, cases, record, tape, walk_of

PLAIN_LINE_NS: Final = 1000.0
COMPILED_LINE_NS: Final = 50.0
PLAIN_MOMENTS: Final = 2_000
EXTRA: Final = 3  # calls per moment of the step being priced
_now_ns = time.thread_time_ns


class Price(NamedTuple):
    """One step of one kind; nan where there is nothing compiled."""

    slot: str
    kind: str
    step: str
    plain_ns: float
    compiled_ns: float


def _pass_ns(function: Callable[..., Any], calls: list[Any]) -> float:
    began = _now_ns()
    deque(starmap(function, calls), maxlen=0)
    return (_now_ns() - began) / len(calls)


def plain_ns(case: Case, repeats: int) -> dict[str, float]:
    """Median time of one plain call, by step."""
    if case.slot == "discipline":
        line, found = case.state, ([], [])  # type: tuple[Any, tuple[list[float], list[float]]]
        jobs = [(job, job % 7, 0.001 * job) for job in range(PLAIN_MOMENTS)]
        ends = [(10.0 + job[2],) for job in jobs]
        for _ in range(repeats):
            found[0].append(_pass_ns(line.push, jobs))
            found[1].append(_pass_ns(line.pop, ends))
        return {"push": statistics.median(found[0]), "pop": statistics.median(found[1])}
    calls, _, _ = record(case, PLAIN_MOMENTS)
    return {
        step.name: statistics.median([_pass_ns(step.function, calls[step.name]) for _ in range(repeats)])
        for step in case.steps
    }


class Compiled:
    """The compiled walk of one case, ready to be timed."""

    def __init__(self, case: Case, columns: tuple[Any, ...]) -> None:
        self._case, self._columns, self._walk = case, columns, walk_of(case)
        self._size = columns[0].size - EXTRA
        self._answers = np.zeros(self._size)
        steps = len(case.steps)
        once = tuple(int(i < steps) for i in range(STEPS_MAX))
        self._mixes = [once] + [tuple(EXTRA if i == step else t for i, t in enumerate(once)) for step in range(steps)]
        self._go(once, 10)  # compiles

    def _go(self, times: tuple[int, ...], size: int) -> tuple[int, ...]:
        case = self._case
        gated = case.slot in GATED
        _, counts = self._walk(case.spec, case.state, self._columns, size, times, gated, self._answers)
        return tuple(counts)

    def ns(self, repeats: int) -> list[float]:
        """What one call of each step costs, from the loop's time in each mix: calls x prices + loop = time."""
        times: list[list[float]] = [[] for _ in self._mixes]
        counts: list[tuple[int, ...]] = [()] * len(self._mixes)
        for _ in range(repeats):
            for at, mix in enumerate(self._mixes):
                began = _now_ns()
                counts[at] = self._go(mix, self._size)
                times[at].append(_now_ns() - began)
        steps = len(self._case.steps)
        matrix = np.array([[*calls[:steps], self._size] for calls in counts], np.float64)
        prices = np.linalg.solve(matrix, np.array([statistics.median(found) for found in times]))
        return [max(0.0, float(price)) for price in prices[:steps]]


def measure(chosen: Iterable[Case], repeats: int, moments: int, compile_too: bool) -> list[Price]:
    """Every step's prices. Compiles first, so that what is timed is timed close together."""
    columns = tape(moments + EXTRA)
    chosen = list(chosen)
    ready = {at: Compiled(case, columns) for at, case in enumerate(chosen) if compile_too and case.scalar}
    print(f"measuring {len(chosen)} kinds", file=sys.stderr, flush=True)
    prices = []
    gc.collect()
    gc.disable()
    try:
        for at, case in enumerate(chosen):
            plain = plain_ns(case, repeats)
            fast = ready[at].ns(repeats) if at in ready else [np.nan] * len(plain)
            prices += [
                Price(case.slot, case.kind, step, ns, quick)
                for (step, ns), quick in zip(plain.items(), fast, strict=True)
            ]
    finally:
        gc.enable()
    return prices


def summary(prices: list[Price]) -> dict[str, Any]:
    """Medians over the steps, the worst, and those over a line."""
    result: dict[str, Any] = {"steps": len(prices)}
    for word, line in (("plain", PLAIN_LINE_NS), ("compiled", COMPILED_LINE_NS)):
        found = {f"{p.slot}/{p.kind}.{p.step}": getattr(p, f"{word}_ns") for p in prices}
        found = {name: round(ns, 1) for name, ns in found.items() if ns == ns}
        if found:
            worst = max(found, key=found.__getitem__)
            result |= {
                f"{word}_ns_median": round(statistics.median(found.values()), 1),
                f"{word}_ns_max": found[worst],
                f"{word}_worst": worst,
                f"{word}_line_ns": line,
                f"{word}_over_line": {name: ns for name, ns in found.items() if ns > line},
            }
    ratios = [p.compiled_ns / p.plain_ns for p in prices if p.compiled_ns == p.compiled_ns]
    if ratios:
        result["compiled_over_plain_median"] = round(statistics.median(ratios), 4)
    return result


def show(prices: list[Price], result: dict[str, Any]) -> None:
    """A row per step, then the summary."""
    print(f"{'slot':13} {'kind':22} {'step':15} {'plain ns':>9} {'compiled ns':>12} {'ratio':>7}")
    for p in prices:
        over = (" plain" if p.plain_ns > PLAIN_LINE_NS else "") + (
            " compiled" if p.compiled_ns > COMPILED_LINE_NS else ""
        )
        fast = f"{p.compiled_ns:12.1f} {p.compiled_ns / p.plain_ns:7.4f}" if p.compiled_ns == p.compiled_ns else ""
        mark = f"  over the line:{over}" if over else ""
        print(f"{p.slot:13} {p.kind:22} {p.step:15} {p.plain_ns:9.0f} {fast}{mark}")
    print()
    for name, value in result.items():
        print(f"{name:28} {json.dumps(value) if isinstance(value, dict) else value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="plain steps only, three passes")
    parser.add_argument("--only", nargs="+", metavar="KIND", help="these kinds only")
    parser.add_argument("--moments", type=int, default=10_000, help="moments of a compiled walk")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    args = parser.parse_args()
    chosen = [case for case in cases() if not args.only or case.kind in args.only]
    if not 1 <= args.moments <= TAPE_MAX - EXTRA:
        parser.error(f"--moments {args.moments} is out of bounds; from 1 to {TAPE_MAX - EXTRA}")
    if args.repeats < 1:
        parser.error(f"--repeats {args.repeats} is out of bounds; at least 1")
    if not chosen:
        parser.error(f"no such kind; there are {', '.join(sorted({case.kind for case in cases()}))}")
    prices = measure(chosen, 3 if args.quick else args.repeats, args.moments, not args.quick)
    result = summary(prices)
    show(prices, result)
    if args.json:
        every = {
            f"{p.slot}/{p.kind}.{p.step}": [None if ns != ns else round(ns, 1) for ns in (p.plain_ns, p.compiled_ns)]
            for p in prices
        }
        print(json.dumps({**result, "plain_and_compiled_ns": every}))


if __name__ == "__main__":
    main()
