"""measures.json: every number about one run that others read, under a name that carries its unit.

Undefined is not zero. A value that has no meaning in this run (no fix, no capacity, too few operations) is null, and
`reasons` says why under the same dotted key, so a reader never meets a blank without its cause. The set of keys is a
contract (`schema_version`), so tools can read runs of other days.

Leaves out: curves (they are drawn from the rows), and anything that depends on the name of the variant but the `expect`
lines written for it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from harness.analyse import amplification, audit, cascade, classes, dns, impact, status_page, validity
from harness.analyse.by_component import by_component
from harness.analyse.evidence import Evidence
from harness.analyse.expect import answer_all
from harness.analyse.facts import facts_of
from harness.analyse.held import Look
from harness.analyse.verdict import Verdict, decide
from harness.spec.lines import ROLLING_S

SCHEMA_VERSION = 1


class Sheet:
    """Values by dotted key, and reasons for those that are undefined."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.reasons: dict[str, str] = {}

    def put(self, key: str, value: Any, reason: str = "") -> None:
        """Set one value; None or nan becomes null, with its reason."""
        if isinstance(value, float):
            value = None if math.isnan(value) else round(value, 9)
        *path, last = key.split(".")
        at = self.values
        for step in path:
            at = at.setdefault(step, {})
        at[last] = value
        if value is None:
            self.reasons[key] = reason or "not defined in this run"


def assemble(evidence: Evidence) -> dict[str, Any]:
    """All measures of a run, JSON-able."""
    sheet = Sheet()
    plan = evidence.run.plan
    sheet.put("schema_version", SCHEMA_VERSION)
    for key in ("experiment", "variant", "seed", "fingerprint", "engine"):
        sheet.put(key, plan.get(key), "the plan does not say")
    why_invalid = validity.reasons(evidence)
    sheet.put("validity", {"valid": not why_invalid, "reasons": why_invalid, "notes": validity.notes(evidence)})
    _verdict(sheet, evidence, valid=not why_invalid)
    _times(sheet, evidence)
    _baseline(sheet, evidence)
    _ratios(sheet, evidence)
    _backlog(sheet, evidence)
    sheet.put("latency", evidence.latency.report(sheet.reasons))
    sheet.put("by_story", evidence.latency.by_story(sheet.reasons))
    sheet.put("by_component", by_component(evidence.windows, evidence.moments.phases, sheet.reasons))
    _steady(sheet, evidence)
    _load(sheet, evidence)
    _others(sheet, evidence)
    lines, variant = plan.get("spec", {}).get("expect") or (), str(plan["variant"])
    judged = {**sheet.values, "reasons": sheet.reasons}
    sheet.put("expect", answer_all(judged, lines, variant, Look(lambda: evidence)))
    return {**sheet.values, "reasons": sheet.reasons}


def _verdict(sheet: Sheet, evidence: Evidence, *, valid: bool) -> None:
    """The verdict, the reason for it, and what it means for "recovered"."""
    steady, moments = evidence.steady, evidence.moments
    verdict, why = decide(facts_of(evidence, valid=valid))
    sheet.put("verdict", verdict.value)
    sheet.put("verdict_reason", why)
    well = verdict in (Verdict.RECOVERED, Verdict.NEVER_FAILED)
    sheet.put("recovered", None if verdict is Verdict.INVALID else well, "the run is invalid")
    reached = steady.t_recovered_s is not None and (steady.ends_steady or steady.throughout)
    no_fix = moments.why.get("t_fix_s", "")
    late_break = f"steady from {steady.t_recovered_s} s, but not over the last {evidence.lines.for_s:g} s of the load"
    recover_s = (
        steady.t_recovered_s - moments.t_fix_s
        if reached and steady.t_recovered_s is not None and moments.t_fix_s is not None
        else None
    )
    sheet.put("t_recovered_s", steady.t_recovered_s, steady.why_not)
    sheet.put("time_to_recover_s", recover_s, no_fix or steady.why_not or late_break)
    sheet.put("censored", moments.t_fix_s is not None and recover_s is None)
    sheet.put("horizon_s", None if moments.t_fix_s is None else max(0.0, moments.load_end_s - moments.t_fix_s), no_fix)
    sheet.put("oscillations", steady.oscillations if steady.t_recovered_s is not None else None, steady.why_not)


def _times(sheet: Sheet, evidence: Evidence) -> None:
    """The run's landmarks, and what happened how long after them."""
    moments = evidence.moments
    for key in ("t_inject_s", "t_fault_s", "t_fix_s"):
        sheet.put(key, getattr(moments, key), moments.why.get(key, ""))
    fault_s, fix_s = moments.t_fault_s, moments.t_fix_s
    detect_s = moments.t_detect_s - fault_s if moments.t_detect_s is not None and fault_s is not None else None
    sheet.put("time_to_detect_s", detect_s, moments.why.get("t_detect_s", ""))
    first_s = evidence.first_success_s - fix_s if evidence.first_success_s is not None and fix_s is not None else None
    sheet.put(
        "time_to_first_success_s", first_s, moments.why.get("t_fix_s", "no operation intended after the fix was good")
    )
    until_s = evidence.steady.t_recovered_s if evidence.steady.t_recovered_s is not None else moments.load_end_s
    sheet.put("goodput_deficit.outage_ops", _deficit(evidence, fault_s, fix_s), "needs a fault and a fix")
    sheet.put("goodput_deficit.recovery_ops", _deficit(evidence, fix_s, until_s), "nothing was fixed")


def _deficit(evidence: Evidence, start_s: float | None, end_s: float | None) -> int | None:
    """Operations due in [start, end) that did not meet their deadline."""
    if start_s is None or end_s is None:
        return None
    first, last = np.searchsorted(evidence.missed_ns, (round(start_s * 1e9), round(end_s * 1e9)))
    return max(0, int(last - first))


def _baseline(sheet: Sheet, evidence: Evidence) -> None:
    """What healthy looked like: rate and percentiles over the whole baseline phase."""
    windows, baseline = evidence.windows, evidence.moments.baseline
    part = windows.span(baseline.start_s, baseline.end_s)
    seconds = (part.stop - part.start) * windows.width_s
    good_per_s = float(windows.get("good")[part].sum()) / seconds if seconds else None
    sheet.put("baseline.goodput_per_s", good_per_s, "the plan has no baseline phase")
    found = evidence.latency.report({}).get(baseline.name, {})
    for key in ("p50_s", "p99_s"):
        sheet.put(f"baseline.{key}", found.get(key), "too few good operations in the baseline phase")
    sheet.put("baseline.backlog", evidence.backlog.baseline, evidence.backlog.why.get("baseline", ""))


def _ratios(sheet: Sheet, evidence: Evidence) -> None:
    """Amplification, throttling and waste from the fault to the end of the load."""
    windows, moments = evidence.windows, evidence.moments
    found = amplification.measure(windows, moments)
    sheet.put("amplification.overall", found.overall, "nothing was due")
    sheet.put("amplification.peak", found.peak, "nothing was due")
    sheet.put("amplification.by_layer", {edge: round(ratio, 9) for edge, ratio in found.by_layer.items()})
    sheet.put("amplification.end_to_end", found.end_to_end, "no server that attempts go to recorded what it served")
    sheet.put("amplification.innermost", found.innermost, "no server that attempts go to recorded what it served")
    sheet.put("attempts_peak_per_s", found.attempts_peak_per_s, "no load")
    sheet.put("throttled", amplification.throttled(windows, moments))
    sheet.put("wasted_work_ratio", amplification.wasted_share(windows, moments), "no server recorded service time")


def _backlog(sheet: Sheet, evidence: Evidence) -> None:
    """Waiting work and modelled capacity."""
    backlog = evidence.backlog
    for key in ("peak", "at_fix", "drain_s", "drain_efficiency"):
        sheet.put(f"backlog.{key}", getattr(backlog, key), backlog.why.get(key, ""))
    sheet.put("backlog.by_component", {
        name: {"peak": round(peak, 3)} for name, peak in backlog.peak_by_component.items()
    })  # fmt: skip
    demand = evidence.demand
    unknown = "no component of this run has slots and a mean service time, so its capacity is unknown"
    for key in ("component", "capacity_per_s", "demand_per_s"):
        sheet.put(f"capacity.{key}", None if demand is None else getattr(demand, key), unknown)
    sheet.put("capacity.utilisation", None if demand is None else demand.demand_per_s / demand.capacity_per_s, unknown)


def _steady(sheet: Sheet, evidence: Evidence) -> None:
    """The lines as applied: baseline and limit of each judged series."""
    lines = []
    for course in evidence.steady.courses:
        values = {
            key: None if math.isnan(v) else round(v, 9)
            for key, v in (("baseline", course.baseline), ("limit", course.limit))
        }
        lines.append({"measure": course.measure, "of": course.of, "line": course.line.text, **values})
    width = evidence.steady.windows
    longest_s = float((width.stops - width.starts).max()) * width.width_s if width.starts.size else ROLLING_S
    sheet.put("steady_state", {
        "for_s": evidence.lines.for_s,
        "window_s_max": longest_s,
        "ends_steady": evidence.steady.ends_steady,
        "lines": lines,
    })  # fmt: skip


def _load(sheet: Sheet, evidence: Evidence) -> None:
    """Whether the generator did its part, and whether the rows account for everything."""
    account, windows = evidence.account, evidence.windows
    started = account.started
    sheet.put("load.offered", account.operations)
    sheet.put("load.started", started)
    sheet.put("load.late_ratio", windows.late_starts / started if started else None, "nothing was started")
    sheet.put("load.dropped", account.dropped)
    sheet.put("load.lag_p99_s", windows.lag.quantile(0.99), "nothing was started")
    sheet.put("load.unfinished", account.unfinished)
    sheet.put("reconcile", account._asdict())
    if account.scheduled is None:
        sheet.reasons["reconcile.scheduled"] = (
            "the plan could not be drawn again here; the highest operation id stands for it"
        )


def _others(sheet: Sheet, evidence: Evidence) -> None:
    """What other parts of the run recorded."""
    run = evidence.run
    sheet.put("dns", dns.story(run.journal), "no name service took part")
    sheet.put("audit", audit.audit(run), "no operation of this run should leave a record in a store")
    no_classes = "no story of this run has operations with a criticality"
    sheet.put("goodput_share", classes.goodput_share(run, evidence.moments), no_classes)
    sheet.put("by_criticality", classes.by_criticality(run, evidence.moments.phases, sheet.reasons), no_classes)
    sheet.put("impact", impact.impact(run, evidence.moments), "no value per operation is recorded in this plan")
    _status_page(sheet, evidence)
    sheet.put("cascade", cascade.written(cascade.trace(evidence), sheet.reasons))
    sheet.put("conventions", run.plan.get("spec", {}).get("conventions"), "the plan does not say")
    sheet.put("files", [
        {"name": f.path.name, "kind": f.kind, "rows": int(f.rows.size), "complete": f.complete, "torn": f.torn_bytes}
        for f in run.files
    ])  # fmt: skip


def _status_page(sheet: Sheet, evidence: Evidence) -> None:
    """How late the health page was, and how long it was wrong."""
    run = evidence.run
    if not (run.plan.get("components") or {}).get("status"):
        sheet.put("status_page", None, "this region has no status page")
        return
    found = status_page.measure(run.journal, evidence.moments, evidence.steady)
    for key in ("first_post_lag_s", "false_clear_s"):
        sheet.put(f"status_page.{key}", getattr(found, key), found.why.get(key, ""))
