"""The results of one run as lines of text: the verdict and why, the measures, the criteria, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.units import show_s

Measures = Mapping[str, Any]

# (label, dotted key, how it is shown)
_TABLE = (
    ("time to detect", "time_to_detect_s", "s"),
    ("time to first success", "time_to_first_success_s", "s"),
    ("time to recover", "time_to_recover_s", "s"),
    ("goodput in the baseline", "baseline.goodput_per_s", "/s"),
    ("p99 in the baseline", "baseline.p99_s", "s"),
    ("operations lost in the outage", "goodput_deficit.outage_ops", "n"),
    ("operations lost after the fix", "goodput_deficit.recovery_ops", "n"),
    ("attempts per operation, overall", "amplification.overall", "x"),
    ("attempts per operation, peak", "amplification.peak", "x"),
    ("attempts at the innermost service", "amplification.end_to_end", "x"),
    ("waiting work, peak", "backlog.peak", "n"),
    ("waiting work at the fix", "backlog.at_fix", "n"),
    ("time to drain", "backlog.drain_s", "s"),
    ("wasted service time", "wasted_work_ratio", "%"),
    ("throttled by servers", "throttled.server", "n"),
    ("throttled by clients", "throttled.client", "n"),
    ("p99 start lag of the generator", "load.lag_p99_s", "s"),
)


def look(measures: Measures, dotted: str) -> Any:
    """The value at a dotted key, None when there is none."""
    value: Any = measures
    for key in dotted.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def table(measures: Measures) -> list[tuple[str, str]]:
    """The measures to print, as (label, text); undefined ones say why."""
    return [(label, _text(measures, key, unit)) for label, key, unit in _TABLE]


def lines(measures: Measures, folder: str, again: str) -> list[str]:
    """Everything to print after one run, but for its report."""
    found = [f"{measures['experiment']} / {measures['variant']}, seed {measures['seed']}: {measures['verdict']}"]
    if measures.get("verdict_reason"):
        found.append(f"  {measures['verdict_reason']}")
    found += [f"  not valid: {reason}" for reason in measures["validity"]["reasons"]]
    found += [f"  note: {note}" for note in measures["validity"].get("notes") or ()]
    found += ["", *aligned(table(measures)), ""]
    for answer in measures.get("expect") or ():
        if "compare" not in answer:
            found.append(f"  expect {answer['measure']} {answer['wanted']}: {answer['verdict']} ({answer['why']})")
    return [*found, *aligned([("folder", folder), ("again", again)])]


def aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Rows of two columns, the first as wide as its widest cell."""
    width = max(len(label) for label, _ in rows)
    return [f"  {label:<{width}}  {text}" for label, text in rows]


def _text(measures: Measures, key: str, unit: str) -> str:
    value = look(measures, key)
    if value is None:
        reason = look(measures, "reasons")
        why = reason.get(key) if isinstance(reason, Mapping) else None
        return f"-  ({why})" if why else "-"
    return show(value, unit)


def show(value: Any, unit: str) -> str:
    """One defined value for people."""
    match unit:
        case "s":
            return show_s(value)
        case "%":
            return f"{100 * value:.0f} %"
        case "x":
            return f"{value:.3g}"
        case "/s":
            return f"{value:.1f}/s"
        case "n":
            return f"{value:,.0f}"
        case _:
            return str(value)
