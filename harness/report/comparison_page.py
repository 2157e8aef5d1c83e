"""The report of a comparison: one sentence, one table, and the recovery curves run by run.

Averaging curves of a bimodal system draws a recovery that never happened. So every run keeps its own line, aligned at
the fix (t = 0), coloured by variant; what is summed up is only the chance of recovery, with its interval.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.analyse import curves
from harness.analyse.drawing import Curves
from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.report import marks
from harness.report.charts import smooth
from harness.report.marks import Array, Band, Figure, Mark, time_chart
from harness.report.page import render, show
from harness.report.words import verdict_sentence
from harness.units import show_s


class Side(NamedTuple):
    """One run of a comparison, read once."""

    label: str
    folder: RunFolder
    plan: Plan
    measures: Mapping[str, Any]
    curves: Curves


def read_sides(folders: Sequence[RunFolder]) -> list[Side]:
    """The runs with their measures and curves; labels carry the seed where variants repeat."""
    plans = [Plan.from_json(folder.read_json(folder.plan)) for folder in folders]
    variants = [plan.variant for plan in plans]
    sides = []
    for folder, plan in zip(folders, plans, strict=True):
        label = plan.variant if variants.count(plan.variant) == 1 else f"{plan.variant} s{plan.seed}"
        sides.append(Side(label, folder, plan, folder.read_json(folder.measures), curves(folder)))
    return sides


def aligned(sides: Sequence[Side], pick: str, factor: float = 1.0) -> tuple[Array, dict[str, Array]]:
    """One curve of every run on a common axis of seconds from the fix; nan outside a run.

    Each run is laid on the grid by its nearest window, so runs whose fixes differ by less than a window stay in step.
    """
    width = sides[0].curves.width_s
    starts = [round((side.curves.t_s[0] - (side.curves.t_fix_s or 0.0)) / width) for side in sides]
    ends = [start + side.curves.t_s.size for start, side in zip(starts, sides, strict=True)]
    first, last = min(starts), max(ends)
    grid = np.arange(first, last) * width
    series = {}
    for side, start in zip(sides, starts, strict=True):
        values = getattr(side.curves, pick)
        if isinstance(values, Mapping):
            layers = list(values.values())
            values = np.sum(layers, axis=0) if layers else np.zeros(side.curves.t_s.size)
        laid = np.full(grid.size, np.nan)
        laid[start - first : start - first + values.size] = factor * values
        series[side.label] = laid
    return grid, series


def comparison_figures(sides: Sequence[Side]) -> list[Figure]:
    """Goodput, amplification and waiting work of all runs, aligned at the fix."""
    fix_s = sides[0].curves.t_fix_s or 0.0
    bands = [Band(phase.name, phase.start_s - fix_s, phase.end_s - fix_s) for phase in sides[0].curves.phases]
    per_window = max(1, round(1.0 / sides[0].curves.width_s))
    variants = list(dict.fromkeys(side.plan.variant for side in sides))
    colors = [marks.CYCLE[variants.index(side.plan.variant) % len(marks.CYCLE)] for side in sides]

    def figure(slug: str, title: str, caption: str, pick: str, y_title: str, *, log: bool = False) -> Figure:
        grid, series = aligned(sides, pick)
        smoothed = {name: np.where(np.isfinite(v), smooth(v, per_window), np.nan) for name, v in series.items()}
        if log:  # less than one item is none, and a logarithm has no place for none
            smoothed = {name: np.where(v >= 1.0, v, np.nan) for name, v in smoothed.items()}
        spec = time_chart(
            grid, smoothed, y_title=y_title, bands=bands, marks=[Mark(0.0, "fix", marks.GREEN)], colors=colors,
            x_title="seconds from the fix", log=log,
        )  # fmt: skip
        return Figure(slug, title, caption, spec)

    return [
        figure(
            "goodput",
            "Goodput",
            "Operations that met their deadline, per second; one line a run, aligned at the fix.",
            "goodput",
            "per second",
        ),
        figure(
            "attempts",
            "Attempts",
            "Attempts that left the users' clients, per second: the storm, if there is one.",
            "attempts",
            "per second",
        ),
        figure(
            "waiting",
            "Waiting work",
            "All work accepted but not done, on a logarithmic axis: a stuck run climbs, a draining one falls.",
            "backlog",
            "items",
            log=True,
        ),
    ]


_COLUMNS: Sequence[tuple[str, str]] = (
    ("time to recover", "time_to_recover_s"),
    ("lost in the outage", "goodput_deficit.outage_ops"),
    ("lost after the fix", "goodput_deficit.recovery_ops"),
    ("amplification", "amplification.overall"),
    ("peak attempts/s", "attempts_peak_per_s"),
    ("peak waiting", "backlog.peak"),
    ("wasted work", "wasted_work_ratio"),
)


def _cell(measures: Mapping[str, Any], dotted: str) -> str:
    value: Any = measures
    for key in dotted.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    if dotted == "wasted_work_ratio" and value is not None:
        return f"{100 * value:.0f} %"
    if dotted.endswith("_s") and not dotted.endswith("_per_s"):
        return "not reached" if value is None and measures.get("censored") else show_s(value)
    return show(round(value) if isinstance(value, float) and value >= 100 else value)


def write_comparison(folders: Sequence[RunFolder], out: Path, comparison: Mapping[str, Any]) -> Path:
    """Write `report.html` and `charts/` into `out` for runs that have been analysed and compared; the page's path."""
    places = {one["variant"]: place for place, one in enumerate(comparison["ranking"])}
    sides = sorted(read_sides(folders), key=lambda side: (places[side.plan.variant], side.plan.seed))
    first = sides[0].plan
    rows = [
        {
            "href": os.path.relpath(side.folder.report, out),
            "label": side.label,
            "verdict": side.measures["verdict"],
            "cells": [_cell(side.measures, dotted) for _, dotted in _COLUMNS],
        }
        for side in sides
    ]
    verdicts = {side.label: verdict_sentence(side.measures) for side in sides} if len(sides) <= 4 else {}
    return render(
        "comparison.html.j2",
        (drawn := comparison_figures(sides)),
        out / "charts",
        out / "report.html",
        title=first.experiment.title,
        description=first.experiment.description,
        sentences=comparison["sentences"],
        verdicts=verdicts,
        columns=[label for label, _ in _COLUMNS],
        rows=rows,
        drawn=drawn,
        chances=comparison["chances"],
        trust=comparison["trust"],
        repeat_line=comparison["repeat"],
    )
