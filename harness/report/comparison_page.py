"""The report of a comparison: a sentence for each pair, one table, the figures, and how far to trust it all.

A reader wants the winner; a careful one wants to know whether there is one. So the sentences come first, then the
variants in the order of the ranking, each with how sure it is that the first is better; then curves run by run
(`comparison_figures.py`), what each pair of variants was judged on (effect, p, how many more pairs an unsure answer
would need), and every run. Long tables are folded, so that eight variants are not twenty screens.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.analyse import curves
from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.report.comparison_figures import Side, figures
from harness.report.page import render, show
from harness.report.words import verdict_sentence
from harness.units import show_s


def read_sides(folders: Sequence[RunFolder], runs: Sequence[Mapping[str, Any]]) -> list[Side]:
    """The runs with their measures and curves, under the names they were compared by."""
    return [
        Side(
            run["label"],
            run["variant"],
            folder,
            Plan.from_json(folder.read_json(folder.plan)),
            folder.read_json(folder.measures),
            curves(folder),
        )
        for folder, run in zip(folders, runs, strict=True)
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


_MEDIANS = ("goodput_deficit.recovery_ops", "amplification.overall", "backlog.peak", "wasted_work_ratio")


def _cell(measures: Mapping[str, Any], dotted: str) -> str:
    value: Any = measures
    for key in dotted.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    if dotted == "wasted_work_ratio" and value is not None:
        return f"{100 * value:.0f} %"
    if dotted.endswith("_s") and not dotted.endswith("_per_s"):
        return "not reached" if value is None and measures.get("censored") else show_s(value)
    return show(round(value) if isinstance(value, float) and value >= 100 else value)


def _ranked(comparison: Mapping[str, Any], sides: Sequence[Side]) -> list[list[str]]:
    """One row for each variant, best first: how often and how soon it recovered, its medians, and how it compares."""
    chances = {one["variant"]: one for one in comparison["chances"]}
    best = comparison["ranking"][0]["variant"]
    rows = []
    for one in comparison["ranking"]:
        name = one["variant"]
        mine = [side.measures for side in sides if side.variant == name and side.measures["validity"]["valid"]]
        chance = chances.get(name)
        medians = [_median(mine, dotted) for dotted in ("time_to_recover_s", *_MEDIANS)]
        interval = f" ({chance['interval']})" if chance is not None and one["runs"] > 1 else ""
        against = "-" if name == best else _against(comparison, name, best)
        rows.append([name, f"{one['recovered']} of {one['runs']}{interval}", *medians, against])
    return rows


def _median(measured: Sequence[Mapping[str, Any]], dotted: str) -> str:
    """The median over valid runs; a run that did not recover counts as later than all others."""
    found = []
    for measures in measured:
        value: Any = measures
        for key in dotted.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        found.append(np.inf if value is None else float(value))
    middle = float(np.median(found)) if found else np.nan
    if not np.isfinite(middle):
        return "not reached" if dotted == "time_to_recover_s" and found else "-"
    if dotted.endswith("_ratio"):
        return f"{100 * middle:.0f} %"
    return show_s(middle) if dotted.endswith("_s") else show(round(middle, 2) if middle < 100 else round(middle))


def _against(comparison: Mapping[str, Any], name: str, best: str) -> str:
    """What was judged of the time to recover, from the side of `name`; else of recovery itself."""
    turned = {"better": "worse", "worse": "better"}
    for pair in comparison["pairs"]:
        if {pair["a"], pair["b"]} == {name, best}:
            judged = {one["measure"]: one for one in pair["judged"]}
            one = judged.get("time_to_recover_s") or judged.get("recovered")
            if one is None:
                break
            mine = pair["a"] == name
            effect = one["effect"] if one["effect"] is None or mine else -one["effect"]
            size = "" if effect is None else f" (effect {effect:+.2f})"
            return f"{one['verdict'] if mine else turned.get(one['verdict'], one['verdict'])}{size}"
    return "not judged"


def _judged(pair: Mapping[str, Any], one: Mapping[str, Any]) -> list[str]:
    """One row of the table of what was judged."""
    low, high = one["low"], one["high"]
    interval = "-" if low is None or not np.isfinite([low, high]).all() else f"{show(low)} to {show(high)}"
    needed = "" if one["verdict"] != "unsure" else show(one["pairs_needed"]) if one["pairs_needed"] else "over 1,000"
    return [
        f"{pair['a']} against {pair['b']}",
        str(one["measure"]).removesuffix("_s").replace("_", " ").replace(".", ", "),
        one["verdict"],
        show(one["difference"]),
        interval,
        "-" if one["effect"] is None else f"{one['effect']:+.2f}",
        f"{one['p_adjusted']:.2g}",
        show(one["pairs"]),
        needed,
    ]


def write_comparison(folders: Sequence[RunFolder], out: Path, comparison: Mapping[str, Any]) -> Path:
    """Write `report.html` and `charts/` into `out` for runs that have been analysed and compared; the page's path."""
    places = {one["variant"]: place for place, one in enumerate(comparison["ranking"])}
    sides = sorted(read_sides(folders, comparison["runs"]), key=lambda side: (places[side.variant], side.plan.seed))
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
        (drawn := figures(sides, comparison["survival"])),
        out / "charts",
        out / "report.html",
        title=first.experiment.title,
        description=first.experiment.description,
        sentences=comparison["sentences"],
        verdicts=verdicts,
        columns=[label for label, _ in _COLUMNS],
        rows=rows,
        best=comparison["ranking"][0]["variant"],
        ranked=_ranked(comparison, sides),
        drawn=drawn,
        chances=comparison["chances"],
        judged=[_judged(pair, one) for pair in comparison["pairs"] for one in pair["judged"]],
        trust=comparison["trust"],
        repeat_line=comparison["repeat"],
    )
