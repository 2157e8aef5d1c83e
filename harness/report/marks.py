"""How every chart of ours is drawn: colours, phases shaded, events marked, one grammar for page, SVG and PNG.

A curve without its phases is a riddle, and two charts with their own colours for "goodput" are two riddles. So the
parts that all charts share stand here once: a palette that colour-blind readers can tell apart (Okabe and Ito), the
shading of phases, the rules of fault and fix, and the line grammar in which series are data, never hand-drawn layers.

Leaves out: what is drawn (`charts.py`) and the page around it (`page.py`).
Source of the palette: Okabe and Ito, "Color Universal Design", 2008.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

INK, BLUE, ORANGE, GREEN, RED, SKY, PURPLE, YELLOW = (
    "#333333", "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#B8A900",
)  # fmt: skip
# Lines may be light; words of the same meaning are darker, to be read on every shade (4.5 to 1, WCAG AA).
AS_WORDS = {GREEN: "#00573f", RED: "#8f3300", BLUE: "#00507d"}
CYCLE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, INK)
_PHASE_SHADE = {
    "warm_up": "#f2f2f2",
    "baseline": "#ffffff",
    "outage": "#fbe3d6",
    "recovery": "#e3f1ea",
    "drain": "#f2f2f2",
}
WIDTH, _HEIGHT = 760, 220
POINTS_MOST = 4800  # of one chart; a page of ten components then stays under 3 MB


def inline(values: list[dict[str, Any]]) -> Any:
    make: Any = alt.Data
    return make(values=values)


class Mark(NamedTuple):
    """A moment worth a vertical rule: seconds on the chart's time axis and a word."""

    at_s: float
    label: str
    color: str


class Band(NamedTuple):
    """A phase to shade."""

    name: str
    start_s: float
    end_s: float


class Figure(NamedTuple):
    """One finished chart: the slug names its files, the caption says in words what to look for."""

    slug: str
    title: str
    caption: str
    spec: dict[str, Any]  # Vega-Lite


def records(t_s: Array, series: Mapping[str, Array], most: int = 1200) -> list[dict[str, Any]]:
    """Series as Vega-Lite records. Long series keep each bucket's extremes, so spikes stay; an undefined point after a
    defined one is kept as null, which breaks the line: a gap is drawn as a gap."""
    rows: list[dict[str, Any]] = []
    for name, values in series.items():
        finite = np.isfinite(values)
        keep = np.flatnonzero(finite)
        if keep.size > most:
            buckets = np.array_split(keep, most // 2)
            keep = np.unique([[b[np.argmin(values[b])], b[np.argmax(values[b])]] for b in buckets])
        ends = np.flatnonzero(~finite[1:] & finite[:-1]) + 1
        for i in np.sort(np.concatenate([keep, ends])):
            value = float(f"{values[i]:.5g}") if finite[i] else None
            rows.append({"t": round(float(t_s[i]), 3), "v": value, "series": name})
    return rows


def time_chart(
    t_s: Array,
    series: Mapping[str, Array],
    *,
    y_title: str,
    bands: Sequence[Band] = (),
    marks: Sequence[Mark] = (),
    colors: Sequence[str] = CYCLE,
    x_title: str = "seconds from the run's zero",
    log: bool = False,
    limit: tuple[float, str] | None = None,
    height: int = _HEIGHT,
) -> dict[str, Any]:
    """A line chart over time: `series` name -> values at `t_s`; `limit` draws a dashed level with a label."""
    data = records(t_s, series, max(240, min(1200, POINTS_MOST // max(1, len(series)))))
    if log:
        data = [row for row in data if row["v"] is None or row["v"] > 0]
    domain = [float(t_s[0]), float(t_s[-1])] if t_s.size else [0.0, 1.0]
    x = alt.X("t:Q", title=x_title, scale=alt.Scale(domain=domain, nice=False))
    layers = band_layers(bands, domain, x_title)
    names = list(series)
    color = alt.Color(
        "series:N",
        scale=alt.Scale(domain=names, range=list(colors[: len(names)])),
        legend=alt.Legend(title=None, orient="top", symbolType="stroke", symbolStrokeWidth=3)
        if len(names) > 1
        else None,
    )
    lines = alt.Chart(inline(data)).mark_line(interpolate="step-after", strokeWidth=1.6, clip=True)
    layers.append(
        lines.encode(
            x=x,
            y=alt.Y("v:Q", title=y_title, scale=alt.Scale(type="log") if log else alt.Scale(zero=True, nice=True)),
            color=color,
            tooltip=[
                alt.Tooltip("series:N", title="series"),
                alt.Tooltip("t:Q", title="at (s)", format=".2f"),
                alt.Tooltip("v:Q", title=y_title, format=".4~g"),
            ],
        )
    )
    if limit is not None:
        level = alt.Chart(inline([{"v": limit[0], "label": limit[1]}]))
        layers.append(level.mark_rule(strokeDash=[5, 4], color="#777777").encode(y="v:Q"))
        layers.append(
            level.mark_text(align="left", baseline="top", dx=4, dy=3, fontSize=10, color="#666666").encode(
                x=alt.value(0), y="v:Q", text="label:N"
            )
        )
    return finished([*layers, *mark_layers(marks, domain)], height)


def band_layers(bands: Sequence[Band], domain: Sequence[float], x_title: str) -> list[Any]:
    """Shades of the phases, and their names above the chart where there is room."""
    if not bands:
        return []
    shade = alt.Chart(inline([band._asdict() for band in bands])).mark_rect(opacity=0.9)
    roomy = [
        {"start_s": band.start_s, "name": band.name.replace("_", " ")}
        for band in bands
        if (band.end_s - band.start_s) * WIDTH > 7 * len(band.name) * (domain[1] - domain[0])
    ]
    return [
        shade.encode(
            x=alt.X("start_s:Q", title=x_title, scale=alt.Scale(domain=list(domain), nice=False)),
            x2="end_s:Q",
            color=alt.Color(
                "name:N",
                scale=alt.Scale(domain=list(_PHASE_SHADE), range=list(_PHASE_SHADE.values())),
                legend=None,
            ),
        ),
        alt.Chart(inline(roomy))
        .mark_text(align="left", baseline="bottom", dx=2, dy=-3, fontSize=10, color="#666666")
        .encode(x="start_s:Q", y=alt.value(0), text="name:N"),
    ]


def mark_layers(marks: Sequence[Mark], domain: Sequence[float]) -> list[Any]:
    """Rules at moments, each with its word, one below the other."""
    layers: list[Any] = []
    shown = [mark for mark in marks if domain[0] <= mark.at_s <= domain[1]]
    for number, mark in enumerate(shown):
        moment = alt.Chart(inline([{"t": mark.at_s, "label": mark.label}]))
        layers.append(moment.mark_rule(color=mark.color, strokeWidth=1.5).encode(x="t:Q"))
        layers.append(
            moment.mark_text(
                align="left",
                baseline="top",
                dx=4,
                dy=4 + 13 * number,
                fontSize=11,
                fontWeight="bold",
                color=AS_WORDS.get(mark.color, mark.color),
            ).encode(x="t:Q", y=alt.value(0), text="label:N")
        )
    return layers


def finished(layers: Sequence[Any], height: int) -> dict[str, Any]:
    """Layers over each other, as Vega-Lite."""
    return dressed(alt.layer(*layers).resolve_scale(color="independent").properties(width=WIDTH, height=height))


def dressed(chart: Any) -> dict[str, Any]:
    """A whole chart in our fonts and colours, as Vega-Lite."""
    spec: dict[str, Any] = (
        chart.configure(background="white", font="system-ui, sans-serif")
        .configure_axis(gridColor="#e8e8e8", labelColor="#333333", titleColor="#333333", titleFontWeight="normal")
        .configure_view(stroke="#cccccc")
        .configure_header(labelFontSize=12, labelFontWeight="bold")
        .to_dict(validate=False)
    )
    return spec
