"""Is it steady, when did it become so, and did it stay so?

A recovery that is called too early is worse than none: the first good second after a fix is often the trough between
two waves of retries. So a run counts as recovered only from the first instant at or after the fix from which *every*
line (goodput, amplification, queue delay, p99) holds in *every* rolling window of the stated time. In signs, with H(i)
"all lines hold in the rolling window that starts at base window i":

    recovered = first i >= t_fix with H(k) for all windows k within [i, i + for), and i + for <= end of load

Leaving steady afterwards counts as an oscillation, and so does each later exit once it had been steady again. Whether
the last `for` seconds were steady is kept apart: the verdict needs that too.

Baselines are medians over the same rolling windows within the baseline phase, so both sides of a comparison have the
same noise. Leaves out: any reason *why* a line broke; the curves show that.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.analyse.lines import Lines, level
from harness.analyse.moments import Moments
from harness.analyse.percentiles import Floats
from harness.analyse.rolling import Rolling, rolling, whole
from harness.analyse.windows import Windows
from harness.spec.lines import Line

_CALLS_LEAST = 50  # under so many attempts in a window, one retry more is noise
_TINY = 1e-9


class Course(NamedTuple):
    """One judged series: a value per rolling window (nan where undefined), its baseline and its limit."""

    measure: str
    line: Line
    of: str  # component or edge, "" for the whole run
    values: Floats
    baseline: float
    limit: float

    @property
    def holds(self) -> NDArray[np.bool_]:
        """Per rolling window; where the value is undefined the line does not object."""
        with np.errstate(invalid="ignore"):
            broken = (
                self.values > self.limit + _TINY
                if self.line.sense.startswith("<")
                else self.values < self.limit - _TINY
            )
        return ~broken


class Steady(NamedTuple):
    """The judgement over time. Moments in seconds from the run's zero."""

    windows: Rolling
    courses: tuple[Course, ...]
    holds: NDArray[np.bool_]  # all lines, per rolling window
    t_recovered_s: float | None
    ends_steady: bool
    throughout: bool  # held in every window from the start of judgement to the end of load
    oscillations: int
    why_not: str  # why t_recovered_s is None, else ""

    def course(self, measure: str, of: str = "") -> Course | None:
        """The judged series of a measure."""
        return next((c for c in self.courses if c.measure == measure and c.of == of), None)


def judge(windows: Windows, moments: Moments, lines: Lines) -> Steady:
    """Evaluate the lines over the whole run and find recovery, oscillations and how it ended."""
    rolls = rolling(windows.get("due"), windows.width_s, moments.load_end_s)
    base = rolls.within(moments.baseline.start_s, moments.baseline.end_s)
    phase = whole(moments.baseline.start_s, moments.baseline.end_s, windows.width_s)
    courses = []
    for measure, line in lines.lines.items():
        inside, over_phase = _series(measure, windows, rolls), _series(measure, windows, phase)
        for of, values in inside.items():
            sample = values[base] if base.size else over_phase[of]
            sample = sample[np.isfinite(sample)]
            baseline = float(np.median(sample)) if sample.size else _RESTING.get(measure, math.nan)
            courses.append(Course(measure, line, of, values, baseline, level(measure, line, baseline)))
    holds = np.ones(rolls.starts.size, dtype=np.bool_)
    for course in courses:
        holds &= course.holds
    return _over_time(rolls, tuple(courses), holds, moments, lines.for_s)


_RESTING = {"amplification": 1.0, "queue_delay": 0.0}  # the baseline of what did not happen in the baseline


def _series(measure: str, windows: Windows, rolls: Rolling) -> dict[str, Floats]:
    """The values of one measure over rolling windows, by component or edge."""
    due = rolls.sums(windows.get("due"))
    with np.errstate(divide="ignore", invalid="ignore"):
        match measure:
            case "goodput":
                return {"": rolls.sums(windows.get("due_good")) / due}
            case "amplification":
                return amplification(windows, rolls)
            case "queue_delay":
                found = {}
                for name in windows.who("begun"):
                    begun = rolls.sums(windows.get("begun", name))
                    found[name] = rolls.sums(windows.get("queue_delay_s", name)) / np.where(begun > 0, begun, np.nan)
                return found
            case _:
                return {"": windows.latency.quantiles(rolls.starts, rolls.stops, [0.99])[0]}


def amplification(windows: Windows, rolls: Rolling) -> dict[str, Floats]:
    """Attempts per operation at the outermost client (""), and attempts per call on each "caller->callee" below it."""
    outer = [windows.get("attempts", edge) for edge, layer in windows.layers.items() if layer == 0]
    due = rolls.sums(windows.get("due"))
    found: dict[str, Floats] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        if outer:
            found[""] = rolls.sums(np.sum(outer, axis=0)) / np.where(due > 0, due, np.nan)
        for edge in sorted(edge for edge, layer in windows.layers.items() if layer > 0):
            attempts, calls = (rolls.sums(windows.get(name, edge)) for name in ("attempts", "first_tries"))
            found[edge] = np.where(attempts >= _CALLS_LEAST, attempts / calls, np.nan)
    return found


def _over_time(
    rolls: Rolling, courses: tuple[Course, ...], holds: NDArray[np.bool_], moments: Moments, for_s: float
) -> Steady:
    """Find recovery, exits from it and the state at the end."""
    per_s = 1.0 / rolls.width_s
    for_n = rolls.count(for_s)
    n = holds.size
    held_for = rolls.stands(holds, for_s)
    tail = np.flatnonzero(rolls.starts >= min(rolls.end - for_n, n - 1)) if n else np.zeros(0, dtype=np.int64)
    ends_steady = bool(tail.size) and bool(holds[tail].all())
    judged = rolls.starts >= math.floor(moments.judged_from_s * per_s + 1e-9)
    throughout = bool(judged.any()) and bool(holds[judged].all())
    if moments.t_fix_s is None:
        return Steady(rolls, courses, holds, None, ends_steady, throughout, 0, moments.why["t_fix_s"])
    first = math.ceil(moments.t_fix_s * per_s - 1e-9)
    eligible = np.flatnonzero(held_for & (rolls.starts >= first))
    if not eligible.size:
        why = (
            f"the lines did not hold together for {for_s:g} s before the load ended at {moments.load_end_s:g} s"
            if fits(rolls, moments.t_fix_s, for_s)
            else f"less than {for_s:g} s and one rolling window of load followed the fix; lengthen the recovery phase"
        )
        return Steady(rolls, courses, holds, None, ends_steady, throughout, 0, why)
    at = int(eligible[0])
    t_recovered_s = moments.t_fix_s if at == first else float(rolls.starts[at] * rolls.width_s)
    return Steady(rolls, courses, holds, t_recovered_s, ends_steady, throughout, _exits(holds, held_for, at), "")


def fits(rolls: Rolling, fix_s: float, for_s: float) -> bool:
    """Whether the load after the fix holds the stated time and one rolling window: less can show no recovery."""
    first, for_n = (math.ceil(span_s / rolls.width_s - 1e-9) for span_s in (fix_s, for_s))
    return bool(np.any((rolls.starts >= first) & (rolls.starts + for_n <= rolls.end)))


def _exits(holds: NDArray[np.bool_], held_for: NDArray[np.bool_], at: int) -> int:
    """How often it left steady from window `at` on; a new exit needs it to have been steady again in between."""
    exits, i, n = 0, at, holds.size
    while True:
        broken = np.flatnonzero(~holds[i:])
        if not broken.size:
            return exits
        exits += 1
        again = np.flatnonzero(held_for[i + int(broken[0]) : n])
        if not again.size:
            return exits
        i += int(broken[0]) + int(again[0])
