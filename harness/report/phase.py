"""The phase diagram: the chance of recovery over two settings, the boundary, and what theory expects.

A table of forty by forty chances shows nothing; a picture shows where recovery stops and how sharply. Colour is the
chance of recovery (blue: always, orange: never), white where no run was made. The black line is where the chance passes
one half, with bars from the last cell that surely recovers to the first that surely does not; the dashed line is the
expectation of theory, where there is one for the experiment. Two smaller maps show the median time to recover, of the
runs that did, and the median attempts per operation.

The three stand side by side in one figure, drawn by the grammar of all our charts (`marks.py`), as SVG and PNG.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import altair as alt

from harness.report.marks import BLUE, INK, ORANGE, Figure
from harness.report.page import save_charts

_SIDE, _SMALL = 440, 220
_THEORY = "#b00020"


class Tile(NamedTuple):
    """One cell: its edges and centre on both axes, and what its runs told (None where nothing is defined)."""

    x: float
    x_low: float
    x_high: float
    y: float
    y_low: float
    y_high: float
    runs: int
    chance: float | None
    chance_low: float
    chance_high: float
    time_to_recover_s: float | None
    amplification: float | None
    verdict: str


class Border(NamedTuple):
    """The boundary in one row: where the chance is one half, and the nearest sure cells on either side."""

    y: float
    x: float
    x_low: float
    x_high: float


class Diagram(NamedTuple):
    """All a phase diagram shows. `expected` is the theory's line as (x, y), empty when there is none."""

    title: str
    x_title: str
    y_title: str
    tiles: Sequence[Tile]
    borders: Sequence[Border]
    expected: Sequence[tuple[float, float]]
    x_log: bool = False
    y_log: bool = False


def edges(centres: Sequence[float], *, log: bool) -> list[tuple[float, float]]:
    """The edges of cells around ascending centres: half-way to the neighbours, as far out at the ends."""
    if len(centres) == 1:
        only = centres[0]
        return [(only / 1.1, only * 1.1) if log and only > 0 else (only - 0.5, only + 0.5)]
    between = [(a * b) ** 0.5 if log else (a + b) / 2 for a, b in pairwise(centres)]
    first = centres[0] ** 2 / between[0] if log else 2 * centres[0] - between[0]
    last = centres[-1] ** 2 / between[-1] if log else 2 * centres[-1] - between[-1]
    cuts = [first, *between, last]
    return list(pairwise(cuts))


def phase_figure(diagram: Diagram) -> Figure:
    """The diagram as one figure."""
    runs = sorted({tile.runs for tile in diagram.tiles})
    seeds = f"{runs[0]}" if len(runs) == 1 else f"{runs[0]} to {runs[-1]}" if runs else "no"
    caption = (
        f"Chance of recovery over {len(diagram.tiles)} cells with {seeds} runs each; black: where it passes one half, "
        "with bars to the nearest cells that are sure."
    )
    if diagram.expected:
        caption += " Dashed: the expectation of the fluid model."
    small = alt.vconcat(_times(diagram), _ratios(diagram), spacing=18).resolve_scale(color="independent")
    spec: dict[str, Any] = (
        alt.hconcat(_chances(diagram), small, spacing=30)
        .resolve_scale(color="independent")
        .properties(title=alt.TitleParams(diagram.title, anchor="start", fontSize=15))
        .configure(background="white", font="system-ui, sans-serif")
        .configure_axis(grid=False, labelColor=INK, titleColor=INK, titleFontWeight="normal")
        .configure_view(stroke="#cccccc")
        .to_dict(validate=False)
    )
    return Figure("phase", diagram.title, caption, spec)


def write_phase(diagram: Diagram, directory: Path) -> list[Path]:
    """Draw `phase.svg` and `phase.png` into a directory. Raises RunError when they cannot be written."""
    save_charts([phase_figure(diagram)], directory)
    return [directory / "phase.svg", directory / "phase.png"]


def _data(values: list[dict[str, Any]]) -> Any:
    make: Any = alt.Data
    return make(values=values)


def _axis(diagram: Diagram, which: str, channel: Any, field: str) -> Any:
    titles, logs = {"x": diagram.x_title, "y": diagram.y_title}, {"x": diagram.x_log, "y": diagram.y_log}
    lows = [getattr(tile, f"{which}_low") for tile in diagram.tiles]
    highs = [getattr(tile, f"{which}_high") for tile in diagram.tiles]
    domain = [min(lows, default=0.0), max(highs, default=1.0)]
    scale = alt.Scale(type="log" if logs[which] else "linear", domain=domain, nice=False, zero=False)
    return channel(f"{field}:Q", title=titles[which], scale=scale)


def _map(diagram: Diagram, color: Any, field: str, size: int) -> Any:
    shown = [tile._asdict() for tile in diagram.tiles if getattr(tile, field) is not None]
    tooltip = [
        alt.Tooltip("x:Q", title=diagram.x_title, format=".4~g"),
        alt.Tooltip("y:Q", title=diagram.y_title, format=".4~g"),
        *(alt.Tooltip(f"{name}:Q", format=".3~g") for name in ("runs", "chance", "chance_low", "chance_high")),
        *(alt.Tooltip(f"{name}:Q", format=".4~g") for name in ("time_to_recover_s", "amplification")),
        alt.Tooltip("verdict:N"),
    ]
    return (
        alt.Chart(_data(shown))
        .mark_rect(clip=True)
        .encode(
            x=_axis(diagram, "x", alt.X, "x_low"),
            x2="x_high:Q",
            y=_axis(diagram, "y", alt.Y, "y_low"),
            y2="y_high:Q",
            color=color,
            tooltip=tooltip,
        )
        .properties(width=size, height=size)
    )


def _chances(diagram: Diagram) -> Any:
    scale = alt.Scale(domain=[0.0, 0.5, 1.0], range=[ORANGE, "#f5f0e0", BLUE])
    legend = alt.Legend(title="chance of recovery", orient="top", format=".0%", gradientLength=_SIDE // 2)
    layers = [_map(diagram, alt.Color("chance:Q", scale=scale, legend=legend), "chance", _SIDE)]
    if diagram.borders:
        border = alt.Chart(_data([one._asdict() for one in sorted(diagram.borders)]))
        y = _axis(diagram, "y", alt.Y, "y")
        layers += [
            border.mark_rule(color=INK, opacity=0.55, clip=True).encode(
                x=_axis(diagram, "x", alt.X, "x_low"), x2="x_high:Q", y=y
            ),
            border.mark_line(color=INK, strokeWidth=2, clip=True, point=alt.OverlayMarkDef(size=18, color=INK)).encode(
                x=_axis(diagram, "x", alt.X, "x"), y=y, order="y:Q"
            ),
        ]
    if diagram.expected:
        line = alt.Chart(_data([{"x": x, "y": y} for x, y in sorted(diagram.expected, key=lambda point: point[1])]))
        stroke: dict[str, Any] = {"color": _THEORY, "strokeDash": [6, 4], "strokeWidth": 2, "clip": True}
        layers.append(
            line.mark_line(point={"color": _THEORY, "size": 14}, **stroke).encode(
                x=_axis(diagram, "x", alt.X, "x"), y=_axis(diagram, "y", alt.Y, "y"), order="y:Q"
            )
        )
    return alt.layer(*layers)


def _times(diagram: Diagram) -> Any:
    legend = alt.Legend(title=["median time", "to recover (s)"], orient="right")
    color = alt.Color("time_to_recover_s:Q", scale=alt.Scale(scheme="viridis"), legend=legend)
    return _map(diagram, color, "time_to_recover_s", _SMALL)


def _ratios(diagram: Diagram) -> Any:
    legend = alt.Legend(title=["median attempts", "per operation"], orient="right")
    color = alt.Color("amplification:Q", scale=alt.Scale(scheme="magma", reverse=True), legend=legend)
    return _map(diagram, color, "amplification", _SMALL)
