"""Can this record support a verdict at all? Reasons in words, each with what was found and what to do.

A harness that is itself overloaded measures itself: a generator that starts operations late offers less load exactly
when the system is slow, and a service whose event loop lags adds delay nobody modelled. Such a run is not a weak result
but none. The rules:

    generator   lag p99 <= 10 ms, at most 1 % of starts later than 10 ms, nothing dropped
    run         it did not fail, was fixed (or operators waited for a condition that never came, which is an answer),
                and its load outlasts the fix by what "recovered" needs to be seen
    record      every file has its closing count, every scheduled operation one row, rows of both sides agree to 0.1 %
    region      event loop lag p99 <= 25 ms; not steady at the end: no process over 80 % of a core
    machine     other guests of its host took at most 5 % of its processor time (steal)
    baseline    at least 99 % of what was due is good, and waiting work does not rise

Waiting work rises when Kendall's test says so at 1 % (one-sided, on means of one second) *and* the slope is over 1 % of
the offered load: the test alone calls one healthy run in a hundred sick, the size alone calls noise a trend.

What the fault met under way is not the baseline's fault, so its last second is left out where there is more than that.
Of a shorter one, what ended before the fault must have ended well; a trend of waiting work it cannot show.

A closed loop has no intended start beyond its users' own think times. Lateness and completeness are judged as of
arrivals; what a hang kept its users from asking is in no row, and `notes` says so with every such run. It makes no run
invalid: that is what such users do.

Leaves out: whether the machine was quiet before the run (`blackstart doctor`).
Source: the trend test is that of trend.py.
"""

from __future__ import annotations

import math

import numpy as np

from harness.analyse.evidence import Evidence
from harness.analyse.moments import waits
from harness.analyse.percentiles import Floats
from harness.analyse.steady import fits
from harness.analyse.trend import rises, second_means, slope_per_s
from harness.spec.lines import LEAST_DUE, ROLLING_S
from harness.units import show_s

LAG_P99_S = 0.010
LATE_SHARE = 0.01
LOOP_LAG_P99_S = 0.025
CORE_SHARE = 0.80
BASELINE_GOOD_SHARE = 0.99
UNMATCHED_SHARE = 0.001
RISE_SHARE_PER_S = 0.01
STEAL_SHARE = 0.05
_OUTCOMES = ("good", "late", "failed", "throttled")


def reasons(evidence: Evidence) -> list[str]:
    """Why the run cannot support a verdict, in words; empty when it can."""
    return [
        *evidence.run.problems,
        *_plan(evidence),
        *_generator(evidence),
        *_record(evidence),
        *_region(evidence),
        *_baseline(evidence),
    ]


def notes(evidence: Evidence) -> list[str]:
    """What a reader must know to read the numbers of a valid run; empty when nothing is out of the ordinary."""
    plan = evidence.run.plan
    load = plan.get("spec", {}).get("load")
    waiting = [name for name, part in load.items() if "think" in part] if isinstance(load, dict) else []
    if plan.get("engine") == "locust":
        waiting = list(plan.get("stories") or waiting)
    if not waiting:
        return []
    return [
        f"the users of {', '.join(waiting)} are a closed loop: an operation is intended when its user has had the "
        "answer before it and has thought, so a service that hangs is asked less just then, and what it kept from "
        "being asked is in no window, no latency and no deficit (coordinated omission); to see the demand as it was, "
        "use `arrivals`"
    ]


def _plan(evidence: Evidence) -> list[str]:
    """What the run was to do and did not."""
    moments, steady = evidence.moments, evidence.steady
    broken = [entry for entry in evidence.run.journal if entry.get("kind") == "stop" and entry.get("state") == "failed"]
    if broken:
        return [f"the run failed at {show_s(float(broken[0]['t_s']))} ({broken[0].get('why')}); run it again"]
    if moments.t_inject_s is not None and moments.t_fix_s is None and waits(evidence.run.plan) is None:
        return [
            "a fault was injected and never fixed, so there is no recovery to judge; give one timeline entry `fix: "
            "true`"
        ]
    if moments.t_stop_s is not None and moments.t_fix_s is not None and moments.t_fix_s >= moments.t_stop_s:
        return [f"the run was cut at {show_s(moments.t_stop_s)}, before its fix; run it again"]
    fix_s, for_s = moments.t_fix_s, evidence.lines.for_s
    if fix_s is not None and not steady.throughout and not fits(steady.windows, fix_s, for_s):
        return [
            f"the load went on for {show_s(max(0.0, moments.load_end_s - fix_s))} after the fix, too short for the "
            f"{show_s(for_s)} the lines must hold and one window of {LEAST_DUE} operations; lengthen phases.recovery "
            "or raise the rate"
        ]
    return []


def _generator(evidence: Evidence) -> list[str]:
    """Whether the load came when the plan said."""
    windows, found = evidence.windows, []
    lag_s = windows.lag.quantile(0.99)
    if lag_s > LAG_P99_S:
        found.append(
            f"the load generator started operations late: lag p99 {show_s(lag_s)}, at most {show_s(LAG_P99_S)} is "
            "allowed; lower the rate or free a core"
        )
    started = max(1, evidence.account.started)
    if windows.late_starts > LATE_SHARE * started:
        found.append(
            f"{windows.late_starts / started:.1%} of operations started more than 10 ms late, at most {LATE_SHARE:.0%} "
            "is allowed; lower the rate or free a core"
        )
    if evidence.account.dropped:
        found.append(
            f"the load generator dropped {evidence.account.dropped} operations it had no room to start, because too "
            "many were open; lower the rate, shorten the deadline or share the load out to more workers"
        )
    return found


def _record(evidence: Evidence) -> list[str]:
    """Whether the rows are complete."""
    account, found = evidence.account, []
    if account.missing:
        of = f" of {account.scheduled}" if account.scheduled is not None else ""
        found.append(
            f"{account.missing}{of} scheduled operations have no row; a writer died or the run was cut, so run it again"
        )
    if account.repeated:
        found.append(
            f"{account.repeated} operations have more than one row; two load workers ran the same share of the plan"
        )
    if account.unmatched_share > UNMATCHED_SHARE:
        found.append(
            f"{account.attempts_without_served} attempts lack the row of their server and "
            f"{account.served_without_attempt} served rows lack the attempt of their caller, over "
            f"{UNMATCHED_SHARE:.1%} of rows; see the journal for a process that died, and run it again"
        )
    return found


def _region(evidence: Evidence) -> list[str]:
    """Whether our own processes kept up."""
    windows, moments, found = evidence.windows, evidence.moments, []
    since_s = moments.baseline.start_s
    for component, gauge in windows.gauges():
        t_s, value = windows.gauge(component, gauge)
        inside = (t_s >= since_s) & (t_s <= moments.load_end_s)
        if gauge == "loop_lag_s" and inside.any():
            lag_s = nearest_rank(value[inside], 0.99)
            if lag_s > LOOP_LAG_P99_S:
                found.append(
                    f"{component}: event loop lag p99 {show_s(lag_s)}, at most {show_s(LOOP_LAG_P99_S)} is allowed; "
                    "the process is short of CPU and adds delay of its own, so lower the rate or free a core"
                )
        if gauge == "cpu_share" and component != "host" and not evidence.steady.ends_steady:
            late = inside & (t_s >= last_third(evidence)[0])
            share = float(value[late].mean()) if late.any() else 0.0
            if share > CORE_SHARE:
                found.append(
                    f"{component}: used {share:.0%} of a core while not steady, at most {CORE_SHARE:.0%} is allowed; "
                    "what looks stuck may only be short of CPU, so lower the rate"
                )
        if gauge == "steal_share" and inside.any():
            share = float(value[inside].mean())
            if share > STEAL_SHARE:
                found.append(
                    f"other guests of this machine's host took {share:.0%} of its processor time, at most "
                    f"{STEAL_SHARE:.0%} is allowed; run it again when the host is quiet, or on a machine of its own"
                )
    return found


def _baseline(evidence: Evidence) -> list[str]:
    """Whether there is a healthy, steady stretch to compare with."""
    windows, baseline = evidence.windows, evidence.moments.baseline
    part = windows.span(baseline.start_s, baseline.end_s)
    due = float(windows.get("due")[part].sum())
    if due == 0:
        return [
            "no operation was due in the baseline phase, so there is nothing to compare with; raise the rate or "
            "lengthen it"
        ]
    found = []
    share = _good_share(evidence)
    if share < BASELINE_GOOD_SHARE:
        found.append(
            f"only {share:.1%} of what was due in the baseline was good, at least {BASELINE_GOOD_SHARE:.0%} is needed; "
            "the system was not healthy before the fault, so lower the rate or lengthen the warm-up"
        )
    means = second_means(evidence.backlog.total[part], windows.width_s)
    slope = slope_per_s(np.arange(means.size, dtype=np.float64), means)
    offered_per_s = due / (baseline.end_s - baseline.start_s)
    if rises(means) and slope > RISE_SHARE_PER_S * offered_per_s:
        found.append(
            f"waiting work rose by {slope:.3g}/s through the baseline, over {RISE_SHARE_PER_S:.0%} of the offered "
            "load; it was not steady before the fault, so lower the rate or lengthen the warm-up"
        )
    return found


def _good_share(evidence: Evidence) -> float:
    """The share of the baseline's operations that came good, without those the fault met under way."""
    windows, baseline, fault_s = evidence.windows, evidence.moments.baseline, evidence.moments.judged_from_s
    before = windows.span(baseline.start_s, min(baseline.end_s, fault_s - ROLLING_S))
    due = float(windows.get("due")[before].sum())
    if due:
        return float(windows.get("due_good")[before].sum()) / due
    whole = windows.span(baseline.start_s, min(baseline.end_s, fault_s))  # too short to leave a second out
    ended = {outcome: float(windows.get(outcome)[whole].sum()) for outcome in _OUTCOMES}
    return ended["good"] / sum(ended.values()) if any(ended.values()) else 0.0


def last_third(evidence: Evidence) -> tuple[float, float]:
    """The last third of the load since the fix (or since judgement starts), where the final state is read."""
    moments = evidence.moments
    start_s = moments.t_fix_s if moments.t_fix_s is not None else moments.judged_from_s
    return moments.load_end_s - max(0.0, moments.load_end_s - start_s) / 3.0, moments.load_end_s


def nearest_rank(values: Floats, q: float) -> float:
    """The ceil(q n)-th smallest of some values."""
    return float(np.sort(values)[max(1, math.ceil(q * values.size - 1e-9)) - 1])
