"""Runs over time: one point per run, one colour per variant, and a rule where the experiment changed.

A line through points of different seeds would be drawn through luck, so points stay points, and the line beside them
is the median of each day. A run that did not get there has no time to recover: it stands as a hollow triangle at the
time it was watched, which is the least its time could be.

Leaves out: whether a change is one. Two points above each other are not yet a trend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import altair as alt

from harness.report.marks import CYCLE, INK, WIDTH, Figure, inline
from harness.report.page import save_charts

_WATCHED = {"time_to_recover_s": "horizon_s"}  # what stands for a value that was never reached


def points(entries: Sequence[Mapping[str, Any]], measure: str) -> list[dict[str, Any]]:
    """One record per run that has the measure, or was watched in vain for it; runs without a date are left out."""
    found = []
    for entry in entries:
        value = entry["values"].get(measure)
        reached = value is not None
        if value is None and entry["values"].get("censored"):
            value = entry["values"].get(_WATCHED.get(measure, ""))
        if value is None or not entry["started"]:
            continue
        found.append({
            "t": entry["started"] + "Z", "v": value, "variant": entry["variant"], "seed": entry["seed"],
            "run": "invalid" if not entry["valid"] else "reached" if reached else "not reached",
            "verdict": entry["verdict"], "fingerprint": entry["fingerprint"],
        })  # fmt: skip
    return found


def changes(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Where a variant's experiment, or the suite that ran it, became another."""
    found: list[dict[str, Any]] = []
    last: dict[str, tuple[str, str]] = {}
    for entry in sorted(entries, key=lambda entry: entry["started"]):
        now = (entry["fingerprint"], entry["suite"])
        before = last.get(entry["variant"])
        if before is not None and before != now and entry["started"]:
            found.append({"t": entry["started"] + "Z", "variant": entry["variant"], "to": entry["fingerprint"]})
        last[entry["variant"]] = now
    return found


def history_figure(entries: Sequence[Mapping[str, Any]], measure: str, title: str) -> Figure:
    """The chart of one experiment and engine."""
    shown = points(entries, measure)
    variants = list(dict.fromkeys(point["variant"] for point in shown))
    color = alt.Color("variant:N", title=None, scale=alt.Scale(domain=variants, range=list(CYCLE)), sort=variants)
    axis = alt.Axis(format="%Y-%m-%d %H:%M", tickCount=6, labelOverlap=True)
    x = alt.X("t:T", title="started (UTC)", scale=alt.Scale(type="utc", padding=24), axis=axis)
    y = alt.Y("v:Q", title=measure, scale=alt.Scale(zero=True, padding=8))
    kinds = ["reached", "not reached", "invalid"]
    shape = alt.Shape("run:N", title=None, scale=alt.Scale(domain=kinds, range=["circle", "triangle-up", "cross"]))
    tooltip = ["variant:N", "seed:Q", "verdict:N", "v:Q", "t:T", "fingerprint:N"]
    dots = (
        alt.Chart(inline(shown)).mark_point(size=46, filled=False).encode(x=x, y=y, color=color, shape=shape,
                                                                        tooltip=tooltip)
    )  # fmt: skip
    days = alt.Chart(inline(_daily(shown))).mark_line(strokeWidth=2, opacity=0.7).encode(x=x, y=y, color=color)
    rules = (
        alt.Chart(inline(changes(entries)))
        .mark_rule(strokeDash=[4, 3], color=INK, opacity=0.6)
        .encode(x=x, tooltip=["variant:N", "to:N"])
    )
    spec = (
        alt.layer(rules, days, dots)
        .properties(width=WIDTH, height=260, title=title)
        .configure(background="white", font="system-ui, sans-serif")
        .configure_axis(grid=False, labelColor=INK, titleColor=INK, titleFontWeight="normal")
        .configure_view(stroke="#cccccc")
        .to_dict(validate=False)
    )
    caption = "One point per run; lines are daily medians, dashed rules are changes of the experiment."
    return Figure("history", title, caption, spec)


def write_history(entries: Sequence[Mapping[str, Any]], measure: str, title: str, directory: Path, slug: str) -> Path:
    """Draw `<slug>.svg` and `<slug>.png` into a directory; the PNG. Raises RunError when they cannot be written."""
    save_charts([history_figure(entries, measure, title)._replace(slug=slug)], directory)
    return directory / f"{slug}.png"


def _daily(shown: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The median of each variant and day, over valid runs that reached it, at the middle of their times."""
    days: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for point in shown:
        if point["run"] == "reached":
            days.setdefault((point["variant"], point["t"][:10]), []).append(point)
    return [
        {"variant": variant, "t": sorted(one["t"] for one in ones)[len(ones) // 2], "v": median(o["v"] for o in ones)}
        for (variant, _), ones in sorted(days.items())
    ]
