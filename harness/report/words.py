"""A verdict in one sentence, with the figures that led to it.

A badge that says "metastable" convinces nobody who has to act on it. Each verdict therefore comes with the sentence a
careful colleague would say, built from the run's own measures; a figure that is not defined is left out, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.units import show_s

Measures = Mapping[str, Any]


def _at(measures: Measures, dotted: str) -> Any:
    value: Any = measures
    for key in dotted.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def verdict_sentence(measures: Measures) -> str:
    """One or two plain sentences for the verdict of a run."""
    fix = show_s(_at(measures, "t_fix_s"))
    amplification = _at(measures, "amplification.peak")
    storm = f" Attempts peaked at {amplification:.3g} an operation." if amplification else ""
    waste = _at(measures, "wasted_work_ratio")
    wasted = f" {_share(waste)} of the service time went to callers who had already given up." if waste else ""
    match _at(measures, "verdict"):
        case "recovered":
            ttr = show_s(_at(measures, "time_to_recover_s"))
            lost = _at(measures, "goodput_deficit.recovery_ops")
            debt = f", at the price of {lost:,.0f} more operations" if lost and lost >= 1 else ""
            return (
                f"Every steady-state line held from {ttr} after the fix (at {fix}) to the end of the load{debt}.{storm}"
            )
        case "never_failed":
            return "Every steady-state line held throughout: the trigger had no effect that users could see."
        case "metastable":
            return (
                f"The trigger was gone at {fix} and the load is under the modelled capacity, yet goodput stayed under "
                f"half of what was due and the waiting work did not fall, to the end of the load.{storm}{wasted}"
            )
        case "draining":
            return (
                "Not yet steady when the load ended, but waiting work was falling: a longer recovery phase would show "
                f"the end.{storm}"
            )
        case "degraded":
            return (
                f"Some goodput came back after the fix at {fix}, but it stayed short of steady and the waiting work "
                f"did not fall.{storm}{wasted}"
            )
        case "overloaded":
            return "The offered load is at or over the modelled capacity: no policy could have brought recovery."
        case _:
            reasons = _at(measures, "validity.reasons") or ["the record does not say why"]
            return "The record cannot support a verdict: " + "; ".join(str(reason) for reason in reasons) + "."


def headline(measures: Measures) -> list[tuple[str, str]]:
    """The five numbers to show first, as label and text."""
    ttr = _at(measures, "time_to_recover_s")
    deficit = [_at(measures, f"goodput_deficit.{phase}_ops") for phase in ("outage", "recovery")]
    peak = _at(measures, "amplification.peak")
    backlog = _at(measures, "backlog.peak")
    return [
        ("time to recover", show_s(ttr) if ttr is not None else ("not reached" if _at(measures, "censored") else "-")),
        ("operations lost, outage + after", " + ".join("-" if d is None else f"{d:,.0f}" for d in deficit)),
        ("peak attempts per operation", "-" if peak is None else f"{peak:.3g}"),
        ("peak waiting work", "-" if backlog is None else f"{backlog:,.0f}"),
        ("wasted service time", _share(_at(measures, "wasted_work_ratio"))),
    ]
