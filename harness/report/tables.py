"""Tables of a run beside its charts: the cascade, the sectors, the audit, and a sentence about the status page.

They are read from measures.json alone, so an old run can be told again. A value that is not defined shows its reason,
never a blank; a partial audit says so before its first number, because a count that looked at half of the stores is a
lower bound and must not be read as the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.report.page import show
from harness.units import show_s

Measures = Mapping[str, Any]
AUDIT_KEYS = ("acknowledged", "lost", "expired", "duplicated", "stuck")


def cascade_rows(measures: Measures) -> list[dict[str, str]]:
    """One row per component: name, began, reason, peak, action, drained."""
    reasons = measures.get("reasons", {})
    rows = []
    for lane in measures.get("cascade") or ():
        name = str(lane["component"])

        def why(key: str, name: str = name) -> str:
            return str(reasons.get(f"cascade.{name}.{key}", "not known"))

        drained = f"{lane['drained_s']:.2f} s" if lane["drained_s"] is not None else ""
        rows.append({
            "component": name,
            "began": "-" if lane["began_s"] is None else f"{lane['began_s']:.2f} s",
            "reason": str(lane["trigger"] or (why("began_s") if lane["began_s"] is None else why("trigger"))),
            "sustained": show_s(lane["sustained_s"]) if lane["sustained_s"] else "-",
            "peak": show(round(lane["peak"])) if lane["peak_at_s"] is not None else "-",
            "action": str(lane["action"] or "-").replace("_", " "),
            "drained": drained or ("-" if lane["peak_at_s"] is None else f"not drained: {why('drained_s')}"),
            "notes": "; ".join(counted(str(note["kind"]), note["count"]) for note in lane["notes"]),
        })  # fmt: skip
    return rows


def sector_rows(measures: Measures) -> list[dict[str, Any]]:
    """One row per app, the dearest first, each with its operations."""
    impact = measures.get("impact") or {}
    shares = measures.get("goodput_share") or {}
    rows = []
    for app, found in (impact.get("by_app") or {}).items():
        operations = found["operations"]
        lost = found["value_lost"]
        missed = found["missed_windows"]
        rows.append({
            "sector": str(found["sector"]),
            "app": str(app),
            **{part: share(_of(shares, part, "by_app", app)) for part in ("outage", "recovery")},
            "due": show(sum(one["due"] for one in operations.values())),
            "failed": show(sum(one["failed"] for one in operations.values())),
            "outage_debt": money(lost["outage"]),
            "recovery_debt": money(lost["recovery"]),
            "people_minutes": show(round(found["people_minutes"], 1)),
            "missed_windows": "-" if missed is None else show(missed),
            "total": lost["total"],
            "operations": [
                {
                    "name": str(name),
                    "due": show(one["due"]),
                    "failed": show(one["failed"]),
                    **{part: share(_of(shares, part, "by_operation", app, name)) for part in ("outage", "recovery")},
                }
                for name, one in operations.items()
            ],
        })  # fmt: skip
    return sorted(rows, key=lambda row: (-row["total"], row["app"]))


def audit_rows(measures: Measures) -> list[dict[str, str]]:
    """One row per app: what was acknowledged, and what became of it."""
    rows = []
    for app, found in ((measures.get("audit") or {}).get("by_app") or {}).items():
        age_s = found["stuck_age_max_s"]
        rows.append({
            "app": str(app),
            **{key: show(found[key]) for key in AUDIT_KEYS},
            "age": "-" if age_s is None else show_s(age_s),
            "resolved": f"{found['unacknowledged_done']:,} done, {found['unacknowledged_not_done']:,} not",
            "examples": "; ".join(
                f"{kind} {', '.join(str(op) for op in ops)}" for kind, ops in found["examples"].items() if ops
            ),
        })  # fmt: skip
    return rows


def audit_totals(measures: Measures) -> list[tuple[str, str]]:
    """The whole region's counts, as label and text; empty when there was nothing to audit."""
    audit = measures.get("audit")
    if not audit:
        return []
    labels = ("lost", "expired", "duplicated", "stuck", "out_of_order", "mismatched")
    created = audit["money_created"] / 100  # kept in pence
    return [
        *((label.replace("_", " "), show(audit[label])) for label in labels),
        ("money created", money(created)),
        *([] if audit.get("divergent") is None else [("items with two newest versions", show(audit["divergent"]))]),
    ]


def status_sentence(measures: Measures) -> str:
    """What the public page said and how wrong it was; "" for a region without one."""
    page = measures.get("status_page")
    if not page:
        return ""
    reasons = measures.get("reasons", {})
    lag_s, wrong_s = page["first_post_lag_s"], page["false_clear_s"]
    if lag_s is not None:
        first = f"The status page said that something was wrong {show_s(lag_s)} after users felt it"
    else:
        first = f"The status page has no first post to measure: {reasons.get('status_page.first_post_lag_s', '-')}"
    if wrong_s is None:
        return f"{first}; how long it was wrong is not defined: {reasons.get('status_page.false_clear_s', '-')}."
    return f"{first}; it was green for {show_s(wrong_s)} while users' operations were not steady."


def counted(kind: str, count: int) -> str:
    """A kind of event in plain words, with how many there were if there was more than one."""
    words = kind.replace("_", " ")
    return words if count == 1 else f"{words} x{count}"


def money(pounds: float) -> str:
    """Pounds, to the penny while they are few."""
    sign, size = "-" if pounds < 0 else "", abs(pounds)
    return f"{sign}£{size:,.2f}" if size < 1000 else f"{sign}£{size:,.0f}"


def share(value: float | None) -> str:
    """A share as a percentage, with a digit more near 100 %; what is not all is never rounded to all."""
    if value is None:
        return "-"
    if 0.9995 <= value < 1.0:
        return "> 99.9 %"
    return f"{100 * value:.1f} %" if 0.9 <= value < 1.0 else f"{100 * value:.0f} %"


def _of(shares: Mapping[str, Any], *keys: str) -> float | None:
    """The share of good operations at these keys; stories are named as their apps."""
    found: Any = shares
    for key in keys:
        found = (found or {}).get(key)
    return None if found is None else float(found)
