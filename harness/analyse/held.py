"""A series of one run, looked at in windows: over a stretch, in every window of it, or for a time on end.

    over    one value of the whole stretch: a percentile of all its operations, never a mean of percentiles
    for     a value per rolling window (at least 1 s and 200 due), each of which must hold

A window in which a series is not defined (a p99 of no answers) neither holds nor breaks. It makes the answer unsure
where it could turn it: an outage without one answer is not "p99 <= 300ms", and not its opposite either.

`for: 3s, within: 8s` is a time to recover by one line: it fails only when every beginning within 8 s was watched to
its end and broken. A load that ended earlier leaves it unsure, like any censored time.

Leaves out: the words of a line (`harness.spec.criteria`), and lines that relate two runs (`expect.beside`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.analyse import backlog, steady
from harness.analyse.amplification import outer_attempts
from harness.analyse.lines import SLACK_S
from harness.analyse.percentiles import Floats
from harness.analyse.rolling import Rolling, rolling, whole
from harness.spec.criteria import Expect
from harness.spec.lines import Condition
from harness.spec.moments import Span
from harness.spec.windowed import SERIES, Anchor, Stretch

if TYPE_CHECKING:
    from harness.analyse.evidence import Evidence
    from harness.analyse.moments import Moments
    from harness.analyse.windows import Windows

_TINY = 1e-9
_QUANTILES = {"p50": (0.5, 1), "p95": (0.95, 20), "p99": (0.99, 100)}  # the quantile, and the fewest values it needs
_RESTING = {"amplification": 1.0, "queue_delay": 0.0, "waiting": 0.0}  # where the baseline phase had none of it


class Found(NamedTuple):
    """What a line came to in one run. `value` in SI units; None where it is not defined."""

    value: float | None
    verdict: str  # "pass", "fail" or "unsure"
    why: str


class _NotThere(Exception):
    """The run has no such stretch or series; the text says why."""


class Look:
    """One run's series. The rows are read when the first line asks for one."""

    def __init__(self, gather: Callable[[], Evidence]) -> None:
        self._gather = gather
        self._evidence: Evidence | None = None

    def over(self, line: Expect) -> tuple[float | None, str]:
        """The one value of an `over` line, or None and why there is none."""
        assert line.over is not None, "only `over` has one value"
        try:
            return self._over(line, *self._span(line.over, line.from_))
        except _NotThere as error:
            return None, str(error)

    def judge(self, line: Expect) -> Found:
        """The answer to a line that needs no other run."""
        condition = line.is_
        assert isinstance(condition, Condition), "a series has a condition"
        assert not condition.relative or condition.of == "baseline", "it needs no other run"
        try:
            if line.over is not None:
                return self._judge_over(line, condition)
            assert line.for_ is not None, "a series is looked at over or for something"
            if line.for_.phase:
                return self._judge_phase(line, condition, line.for_)
            return self._judge_length(line, condition, line.for_.length_s)
        except _NotThere as error:
            return Found(None, "unsure", str(error))

    def _judge_over(self, line: Expect, condition: Condition) -> Found:
        assert line.over is not None, "asked for"
        value, why = self._over(line, *self._span(line.over, line.from_))
        if value is None:
            return Found(None, "unsure", why)
        reference = self._reference(line) if condition.relative else math.nan
        limit = _limit(line, condition, reference)
        holds = bool(_holds(condition.sense, np.array([value]), limit)[0])
        return Found(
            value, "pass" if holds else "fail", f"found {_show(line, value)}{_against(line, condition, limit)}"
        )

    def _judge_phase(self, line: Expect, condition: Condition, stretch: Stretch) -> Found:
        start_s, end_s = self._span(stretch, None)
        rolls, values = self._rolling(line)
        inside = rolls.within(start_s, end_s)
        if not inside.size:
            raise _NotThere(f"no rolling window (1 s and 200 operations due) fits into {stretch.phase}")
        limit = self._bound(line, condition, rolls, values)
        part = values[inside]
        known = np.isfinite(part)
        broken = known & ~_holds(condition.sense, part, limit)
        worst = _worst(condition.sense, part)
        said = f"{_against(line, condition, limit)} in {int(broken.sum())} of {part.size} rolling windows"
        if broken.any():
            at_s = float(rolls.starts[inside][np.flatnonzero(broken)[0]] * rolls.width_s)
            return Found(worst, "fail", f"broken{said}, first at {at_s:g} s; worst {_show(line, worst)}")
        if not known.all():
            count = int((~known).sum())
            why = f"not defined in {count} of {part.size} rolling windows: too few operations were good in them"
            return Found(worst, "unsure", why)
        return Found(worst, "pass", f"broken{said}; worst {_show(line, worst)}")

    def _judge_length(self, line: Expect, condition: Condition, for_s: float) -> Found:
        from_s = self._anchor(line.from_)
        rolls, values = self._rolling(line)
        limit = self._bound(line, condition, rolls, values)
        first = math.ceil(from_s / rolls.width_s - 1e-9)
        last_s = math.inf if line.within_s is None else from_s + line.within_s
        eligible = (rolls.starts >= first) & (rolls.starts * rolls.width_s <= last_s + _TINY)
        holds, known = _holds(condition.sense, values, limit), np.isfinite(values)
        found = np.flatnonzero(rolls.stands(known & holds, for_s) & eligible)
        since = line.from_.words if line.from_ is not None else "the fix"
        if found.size:
            at = int(rolls.starts[found[0]])
            after_s = 0.0 if at == first else at * rolls.width_s - from_s
            return Found(after_s, "pass", f"held from {after_s:g} s after {since}{_against(line, condition, limit)}")
        said = f"did not hold for {for_s:g} s on end{_against(line, condition, limit)}"
        if (rolls.stands(~known | holds, for_s) & eligible).any():
            return Found(None, "unsure", f"{said}, but is not defined in windows that could have made it so")
        end_s = rolls.end * rolls.width_s
        if not (eligible & (rolls.starts + rolls.count(for_s) <= rolls.end)).any():
            return Found(None, "unsure", f"the load ended at {end_s:g} s, before {for_s:g} s after {since} were over")
        watched_s = end_s - from_s
        if line.within_s is not None and watched_s < line.within_s + for_s - _TINY:
            return Found(None, "unsure", f"{said}, but was watched for {watched_s:g} s after {since} only")
        return Found(None, "fail", said)

    def _over(self, line: Expect, start_s: float, end_s: float) -> tuple[float | None, str]:
        windows = self._windows
        value = float(self._values(line, whole(start_s, end_s, windows.width_s))[0])
        if math.isfinite(value):
            return value, ""
        return None, f"{line.series} is not defined from {start_s:g} s to {end_s:g} s: too few operations"

    def _bound(self, line: Expect, condition: Condition, rolls: Rolling, values: Floats) -> float:
        """The limit for values per rolling window; a baseline is the median over those of the baseline phase."""
        if not condition.relative:
            return _limit(line, condition, math.nan)
        base = rolls.within(self._moments.baseline.start_s, self._moments.baseline.end_s)
        sample = values[base][np.isfinite(values[base])]
        return _limit(line, condition, float(np.median(sample)) if sample.size else self._reference(line))

    def _reference(self, line: Expect) -> float:
        """The series over the whole baseline phase."""
        baseline = self._moments.baseline
        value, _ = self._over(line, baseline.start_s, baseline.end_s)
        if value is None:
            value = _RESTING.get(str(line.series))
        if value is None:
            raise _NotThere(f"{line.series} is not defined in the baseline phase, so a multiple of it is not either")
        return value

    def _rolling(self, line: Expect) -> tuple[Rolling, Floats]:
        windows = self._windows
        rolls = rolling(windows.get("due"), windows.width_s, self._moments.load_end_s)
        if not rolls.starts.size:
            raise _NotThere("no rolling window of 1 s and 200 operations due exists: too little load")
        return rolls, self._values(line, rolls)

    def _values(self, line: Expect, rolls: Rolling) -> Floats:
        """The series over each window of `rolls`; nan where it is not defined."""
        windows, series = self._windows, str(line.series)
        with np.errstate(divide="ignore", invalid="ignore"):
            seconds = (rolls.stops - rolls.starts) * rolls.width_s
            if series in _QUANTILES:
                quantile, least = _QUANTILES[series]
                return np.asarray(windows.latency.quantiles(rolls.starts, rolls.stops, [quantile], least)[0])
            if series == "goodput":
                due = rolls.sums(windows.get("due"))
                return np.where(due > 0, rolls.sums(windows.get("due_good")) / due, np.nan)
            if series == "goodput_per_s":
                return np.where(seconds > 0, rolls.sums(windows.get("good")) / seconds, np.nan)
            if series == "attempts_per_s":
                return np.where(seconds > 0, rolls.sums(outer_attempts(windows)) / seconds, np.nan)
            return self._parted(series, line.of, rolls)

    def _parted(self, series: str, of: str | None, rolls: Rolling) -> Floats:
        """Series that exist once a component or edge."""
        windows = self._windows
        parts: dict[str, Floats]
        if series == "amplification":
            parts = steady.amplification(windows, rolls)
            of = of or ""
        elif series == "queue_delay":
            parts = {}
            for name in windows.who("begun"):
                begun = rolls.sums(windows.get("begun", name))
                parts[name] = rolls.sums(windows.get("queue_delay_s", name)) / np.where(begun > 0, begun, np.nan)
        else:
            waiting = backlog.waiting(windows)
            parts = {name: _peaks(values, rolls) for name, values in waiting.items()}
            if of is None:
                return _peaks(np.sum(list(waiting.values()), axis=0), rolls)
        if of is None:
            return np.fmax.reduce(list(parts.values())) if parts else np.full(rolls.starts.size, np.nan)
        if of not in parts:
            known = ", ".join(repr(name) for name in parts if name) or "nobody"
            raise _NotThere(f"{series} of {of!r} was not recorded in this run; there is that of {known}")
        return parts[of]

    def _span(self, stretch: Stretch, anchor: Anchor | None) -> tuple[float, float]:
        """A stretch in seconds from the run's zero, which the load must have outlived."""
        moments = self._moments
        if stretch.phase:
            phase = next((p for p in moments.phases if p.name == stretch.phase), None)
            if phase is None or phase.end_s <= phase.start_s:
                raise _NotThere(f"this run has no phase {stretch.phase}")
            start_s, end_s = phase.start_s, phase.end_s
        else:
            start_s = self._anchor(anchor)
            end_s = start_s + stretch.length_s
        if end_s > moments.load_end_s + _TINY:
            raise _NotThere(
                f"the load ended at {moments.load_end_s:g} s, before {stretch.text} was over at {end_s:g} s"
            )
        return start_s, end_s

    def _anchor(self, anchor: Anchor | None) -> float:
        moments = self._moments
        if anchor is not None and anchor.moment is not None:
            spans = {p.name: Span(*p) for p in moments.phases}
            phase = anchor.moment.phase
            if phase and phase not in spans:
                raise _NotThere(f"this run has no phase {phase}")
            return anchor.moment.at_s(spans)
        key = "t_fault_s" if anchor is not None and anchor.text == "fault" else "t_fix_s"
        at_s = moments.t_fault_s if key == "t_fault_s" else moments.t_fix_s
        if at_s is None:
            raise _NotThere(moments.why.get(key, "this run has no such moment"))
        return at_s

    @property
    def _run(self) -> Evidence:
        if self._evidence is None:
            self._evidence = self._gather()
        return self._evidence

    @property
    def _windows(self) -> Windows:
        return self._run.windows

    @property
    def _moments(self) -> Moments:
        return self._run.moments


def _peaks(values: Floats, rolls: Rolling) -> Floats:
    """The highest value in each window."""
    spans = zip(rolls.starts.tolist(), rolls.stops.tolist(), strict=True)
    return np.array([values[start:stop].max() if stop > start else np.nan for start, stop in spans])


def _holds(sense: str, values: Floats, limit: float) -> NDArray[np.bool_]:
    """Which values are on the good side; undefined ones are not."""
    with np.errstate(invalid="ignore"):
        match sense:
            case "<=":
                return np.asarray(values <= limit + _TINY)
            case ">=":
                return np.asarray(values >= limit - _TINY)
            case "<":
                return np.asarray(values < limit)
            case _:
                return np.asarray(values > limit)


def _limit(line: Expect, condition: Condition, reference: float) -> float:
    """The bound; multiples of a time are never tighter than 50 ms over it, as in the steady state."""
    limit = condition.limit(reference)
    if condition.of == "baseline" and SERIES[str(line.series)] == "time" and condition.sense.startswith("<"):
        return max(limit, reference + SLACK_S)
    return limit


def _worst(sense: str, values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    return float(known.max() if sense.startswith("<") else known.min())


def _show(line: Expect, value: float | None) -> str:
    if value is None:
        return "not defined"
    unit = {"time": " s", "rate": "/s"}.get(SERIES[str(line.series)], "")
    return f"{100 * value:.4g} %" if SERIES[str(line.series)] == "share" else f"{value:.4g}{unit}"


def _against(line: Expect, condition: Condition, limit: float) -> str:
    """The limit in words, where the line does not already say it."""
    return f" (the limit is {_show(line, limit)})" if condition.relative else ""
