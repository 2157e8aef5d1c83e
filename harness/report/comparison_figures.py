"""The figures of a comparison: recovery curves, the chance of having recovered, and small multiples.

Averaging curves of a bimodal system draws a recovery that never happened. So every run keeps its own thin line, aligned
at the fix (t = 0) and coloured by variant. A thick median with a band from the 10th to the 90th percentile is added
only where it means something: at least six valid runs of a variant that all ended alike, all recovered or none.

Times to recover are drawn as Kaplan-Meier curves turned round, the share that *has* recovered by t, because a reader
looks for the line that rises first and highest; ticks are runs lost from sight when their load ended. Amplification and
waiting work stand as small multiples, one panel a variant on common axes: eight variants in one panel are a tangle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
import numpy as np

from harness.analyse.drawing import Curves
from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.report import marks
from harness.report.charts import smooth
from harness.report.marks import Array, Band, Figure, Mark

BAND_RUNS = 6  # fewer make no band
_SHARES = (0.1, 0.5, 0.9)
_COLUMNS_MOST = 4
_PANEL_HEIGHT = 110
_PANEL_SHARE = 0.6  # of the points that a whole chart's line has: a panel is narrower


class Side(NamedTuple):
    """One run of a comparison, read once. `variant` is the name it is compared by."""

    label: str
    variant: str
    folder: RunFolder
    plan: Plan
    measures: Mapping[str, Any]
    curves: Curves


def figures(sides: Sequence[Side], survival: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """All figures of a comparison; `survival` is that of comparison.json."""
    variants = list(dict.fromkeys(side.variant for side in sides))
    colors = {name: marks.CYCLE[i % len(marks.CYCLE)] for i, name in enumerate(variants)}
    return [
        Figure(
            "goodput",
            "Recovery",
            "Operations that met their deadline, per second: one thin line a run, aligned at the fix. A thick median "
            f"and a band (10 to 90 %) stand where at least {BAND_RUNS} runs of a variant all ended alike.",
            _over_time(sides, colors, "goodput", "good operations per second"),
        ),
        *([_recovered(survival, colors)] if survival else []),
        Figure(
            "attempts",
            "Attempts",
            "Attempts that left the users' clients, per second: the storm, if there is one.",
            _over_time(sides, colors, "attempts", "attempts per second"),
        ),
        Figure(
            "amplification",
            "Attempts per operation",
            "One panel a variant, on common axes: 1 is no retry at all.",
            _multiples(sides, colors, "amplification", "attempts per operation"),
        ),
        Figure(
            "waiting",
            "Waiting work",
            "All work accepted but not done, on a logarithmic axis: a stuck run climbs, a draining one falls.",
            _multiples(sides, colors, "backlog", "items", log=True),
        ),
    ]


def aligned(sides: Sequence[Side], pick: str) -> tuple[Array, dict[str, Array]]:
    """One curve of every run on a common axis of seconds from the fix, smoothed over a second; nan outside a run.

    Each run is laid on the grid by its nearest window, so runs whose fixes differ by less than a window stay in step.
    """
    width = sides[0].curves.width_s
    starts = [round((side.curves.t_s[0] - (side.curves.t_fix_s or 0.0)) / width) for side in sides]
    ends = [start + side.curves.t_s.size for start, side in zip(starts, sides, strict=True)]
    first, last = min(starts), max(ends)
    series = {}
    for side, start in zip(sides, starts, strict=True):
        values = getattr(side.curves, pick)
        if isinstance(values, Mapping):
            layers = list(values.values())
            values = np.sum(layers, axis=0) if layers else np.zeros(side.curves.t_s.size)
        laid = np.full(last - first, np.nan)
        laid[start - first : start - first + values.size] = smooth(values, max(1, round(1.0 / width)))
        series[side.label] = laid
    return np.arange(first, last) * width, series


def modes_agree(sides: Sequence[Side]) -> bool:
    """Whether a median of these runs is the curve of anything: enough valid ones, all recovered or none."""
    ended = {side.measures.get("recovered") for side in sides}
    return len(sides) >= BAND_RUNS and len(ended) == 1 and None not in ended


def _over_time(sides: Sequence[Side], colors: Mapping[str, str], pick: str, y_title: str) -> dict[str, Any]:
    """Thin lines, and a median with a band for each variant whose modes agree."""
    grid, series = aligned(sides, pick)
    domain = [float(grid[0]), float(grid[-1])]
    x = alt.X("t:Q", title="seconds from the fix", scale=alt.Scale(domain=domain, nice=False))
    y = alt.Y("v:Q", title=y_title, scale=alt.Scale(zero=True, nice=True))
    color = _color(colors)
    lines = alt.Chart(marks.inline(_rows(grid, series, sides))).mark_line(interpolate="step-after", clip=True)
    crowded = len(sides) > len(colors)
    layers: list[Any] = [
        lines.encode(
            x=x, y=y, color=color, detail="run:N", opacity=alt.value(0.4 if crowded else 1.0),
            strokeWidth=alt.value(0.9 if crowded else 1.6),
            tooltip=["variant:N", "run:N", "t:Q", alt.Tooltip("v:Q", format=".4~g")],
        ),
    ]  # fmt: skip
    middle = _medians(grid, series, sides)
    if middle:
        chart = alt.Chart(marks.inline(middle))
        layers += [
            chart.mark_area(opacity=0.22, interpolate="step-after").encode(
                x=x, y=alt.Y("low:Q", title=y_title), y2="high:Q", color=color
            ),
            chart.mark_line(strokeWidth=2.6, interpolate="step-after").encode(x=x, y=y, color=color),
        ]
    shades = marks.band_layers(_bands(sides), domain, "seconds from the fix")
    rules = marks.mark_layers([Mark(0.0, "fix", marks.GREEN)], domain)
    return marks.finished([*shades, alt.layer(*layers), *rules], 260)  # one legend for the layers of one layer


def _bands(sides: Sequence[Side]) -> list[Band]:
    """Phases that lie alike around the fix in every run; a shade that is true of some of the lines only misleads."""
    found = [
        {
            Band(phase.name, round(phase.start_s - fix_s, 1), round(phase.end_s - fix_s, 1))
            for phase in side.curves.phases
        }
        for side in sides
        for fix_s in [side.curves.t_fix_s or 0.0]
    ]
    return sorted(set.intersection(*found), key=lambda band: band.start_s)


def _medians(grid: Array, series: Mapping[str, Array], sides: Sequence[Side]) -> list[dict[str, Any]]:
    found = []
    for variant in dict.fromkeys(side.variant for side in sides):
        mine = [side for side in sides if side.variant == variant]
        if not modes_agree(mine):
            continue
        curves = np.array([series[side.label] for side in mine])
        whole = np.isfinite(curves).all(axis=0)
        low, middle, high = np.quantile(curves[:, whole], _SHARES, axis=0)
        found += [
            {"t": round(float(t), 2), "v": _short(m), "low": _short(a), "high": _short(b), "variant": variant}
            for t, a, m, b in zip(grid[whole], low, middle, high, strict=True)
        ]
    return found


def _recovered(survival: Sequence[Mapping[str, Any]], colors: Mapping[str, str]) -> Figure:
    steps, ticks = [], []
    end_s = max([1.0, *(t for curve in survival for t in [*curve["times_s"], *curve["censored_s"]])])
    for curve in survival:
        steps.append({"t": 0.0, "v": 0.0, "low": 0.0, "high": 0.0, "variant": curve["variant"]})
        for t, still, low, high in zip(
            curve["times_s"], curve["unrecovered"], curve["low"], curve["high"], strict=True
        ):
            share = 1.0 - still
            bounds = (share if high is None else 1.0 - high, share if low is None else 1.0 - low)
            row = {"t": t, "v": share, "low": bounds[0], "high": bounds[1], "variant": curve["variant"]}
            steps.append(row)
        steps.append({**steps[-1], "t": end_s})
        ticks += [{"t": t, "v": 1.0 - curve["unrecovered"][-1], "variant": curve["variant"]} for t in
                  curve["censored_s"]]  # fmt: skip
    x = alt.X("t:Q", title="seconds from the fix", scale=alt.Scale(domain=[0.0, end_s], nice=False))
    y = alt.Y("v:Q", title="share of runs recovered", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"))
    color, chart = _color(colors), alt.Chart(marks.inline(steps))
    layers = [
        chart.mark_area(opacity=0.13, interpolate="step-after").encode(x=x, y="low:Q", y2="high:Q", color=color),
        chart.mark_line(strokeWidth=2.2, interpolate="step-after", clip=False).encode(x=x, y=y, color=color),
        alt.Chart(marks.inline(ticks)).mark_tick(thickness=2, size=12, orient="vertical").encode(x=x, y=y, color=color),
    ]
    return Figure(
        "recovered",
        "Time to recover",
        "The share of runs that had recovered by then (Kaplan-Meier, with 95 % intervals); a tick is a run that had "
        "not when its load ended.",
        marks.finished([alt.layer(*layers)], 200),
    )


def _multiples(
    sides: Sequence[Side], colors: Mapping[str, str], pick: str, y_title: str, *, log: bool = False
) -> dict[str, Any]:
    grid, series = aligned(sides, pick)
    if log:  # less than one item is none, and a logarithm has no place for none
        series = {name: np.where(values >= 1.0, values, np.nan) for name, values in series.items()}
    columns = min(_COLUMNS_MOST, len(colors))
    lines = alt.Chart().mark_line(interpolate="step-after", clip=True, strokeWidth=1.1).encode(
        x=alt.X(
            "t:Q", title="seconds from the fix", scale=alt.Scale(domain=[float(grid[0]), float(grid[-1])]),
            axis=alt.Axis(tickCount=5),
        ),
        y=alt.Y(
            "v:Q", title=y_title, scale=alt.Scale(type="log") if log else alt.Scale(zero=True),
            axis=alt.Axis(tickCount=4),
        ),
        color=_color(colors, legend=False),
        detail="run:N",
    )  # fmt: skip
    fix = alt.Chart().transform_aggregate(n="count()", groupby=["variant"])  # one rule a panel, not one a point
    rule = fix.mark_rule(color=marks.GREEN).encode(x=alt.datum(0.0))
    width = max(120, marks.WIDTH // columns - 26)
    chart = (
        alt.layer(lines, rule, data=marks.inline(_rows(grid, series, sides, _PANEL_SHARE)))
        .properties(width=width, height=_PANEL_HEIGHT if len(colors) > 2 else 160)
        .facet(facet=alt.Facet("variant:N", title=None, sort=list(colors)), columns=columns)
    )
    return marks.dressed(chart)


def _rows(grid: Array, series: Mapping[str, Array], sides: Sequence[Side], share: float = 1.0) -> list[dict[str, Any]]:
    """Curves as records, thinned so that a page of many runs stays small."""
    names = {side.label: (side.variant, side.label.removeprefix(side.variant).strip()) for side in sides}
    most = round(share * max(60, min(1200, marks.POINTS_MOST // max(1, len(series)))))
    return [
        {"t": row["t"], "v": row["v"], "variant": names[row["series"]][0], "run": names[row["series"]][1]}
        for row in marks.records(grid, series, most)
    ]


def _color(colors: Mapping[str, str], *, legend: bool = True) -> Any:
    shown = alt.Legend(title=None, orient="top", symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1, columns=6)
    return alt.Color(
        "variant:N",
        scale=alt.Scale(domain=list(colors), range=list(colors.values())),
        legend=shown if legend and len(colors) > 1 else None,
    )


def _short(value: float) -> float:
    return float(f"{value:.4g}")
