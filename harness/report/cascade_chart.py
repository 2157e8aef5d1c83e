"""The cascade drawn: one lane per component, in the order of dependencies, on the run's time axis.

Five curves over each other show that things went wrong; lanes show what went wrong after what. Each lane has, from top
to bottom: the operators' actions, its trigger, its trouble (pale while the trigger lasts, full once it is gone: that is
the sustaining effect), what it refused or failed, and the drain from its peak; below stand its own notes.

A label that would run into another is left out (`labels.py`); the table below the chart has it. Leaves out: how much
waited when, which the backlog figure shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from harness.report import marks
from harness.report.labels import LETTER_BOLD_PX, LETTER_PX, Word, placed, shared
from harness.report.marks import Band, Figure, Mark, inline

LANE_PX = 62
_ROW_PX, _TOP_PX = 13, 8  # each moment's word has a row above the first lane
_PALE = "#f4cf86"
# What a lane has: (name in the legend, colour, top and bottom of the bar in px below the lane's top).
_TRIGGER = ("trigger", marks.RED, 16, 22)
_DIRECT = ("trouble while the trigger lasts", _PALE, 24, 35)
_SUSTAINED = ("sustaining effect", marks.ORANGE, 24, 35)
_REFUSING = ("refuses or fails work", marks.PURPLE, 36, 39)
_DRAIN = ("drain from the peak", marks.GREEN, 41, 43)
_PARTS = (_TRIGGER, _DIRECT, _SUSTAINED, _REFUSING, _DRAIN)

Lanes = Sequence[Mapping[str, Any]]


def cascade_figure(lanes: Lanes, end_s: float, bands: Sequence[Band], moments: Sequence[Mark]) -> Figure | None:
    """The chart of `measures["cascade"]` over [0, end_s] seconds; None when no component did anything."""
    if not lanes:
        return None
    top = _TOP_PX + _ROW_PX * len(moments)
    height = top + LANE_PX * len(lanes)
    domain = (0.0, end_s)
    rules = [moment.at_s for moment in moments]
    x_title = "seconds from the run's zero"
    layers = [
        *marks.band_layers(bands, domain, x_title),
        *_separators(lanes, top),
        *_bars(lanes, top, height),
        *_actions(lanes, top, domain, rules),
        *_notes(lanes, top, domain, rules),
        *marks.mark_layers(moments, domain),
    ]
    spec = marks.finished(layers, height)
    spec["padding"] = {"left": 22, "right": 5, "top": 5, "bottom": 5}  # a browser's letters may be wider than ours
    return Figure(
        "cascade",
        "What fell after what",
        "One lane for each component that did something. Its trigger is a fault put on it; its trouble (work waiting "
        "over the line, queue delay over its callers' timeout, or refusals) is pale while the trigger, or the trouble "
        "of what it depends on, lasts, and full once that is gone: the sustaining effect. Diamonds are operators' "
        "actions, grey strokes its own notes; green runs from the peak of waiting work to drained.",
        spec,
    )


def _separators(lanes: Lanes, first: int) -> list[Any]:
    """Lines between lanes, and the components' names at the left."""
    rows = [{"y": first + LANE_PX * n, "name": str(lane["component"])} for n, lane in enumerate(lanes)]
    chart = alt.Chart(inline(rows))
    return [
        chart.mark_rule(color="#bbbbbb", strokeWidth=1).encode(y=_y("y")),
        chart.mark_text(
            align="right", baseline="middle", dx=-8, dy=29, fontSize=12, fontWeight="bold", color=marks.INK
        ).encode(x=alt.value(0), y=_y("y"), text="name:N"),
    ]


def _bars(lanes: Lanes, first: int, height: int) -> list[Any]:
    rows = []
    for n, lane in enumerate(lanes):
        top = first + LANE_PX * n
        drained = [] if lane["drained_s"] is None else [(lane["peak_at_s"], lane["drained_s"], "")]
        for part, spans in (
            (_TRIGGER, lane["triggers"]),
            (_DIRECT, lane["trouble"]),
            (_SUSTAINED, lane["sustained"]),
            (_REFUSING, lane["refusing"]),
            (_DRAIN, drained),
        ):
            name, _, upper, lower = part
            for start_s, end_s, *what in spans:
                rows.append({
                    "t": start_s, "end": end_s, "y": top + upper, "y2": top + lower, "part": name,
                    "lane": str(lane["component"]), "what": str(what[0]) if what and what[0] else name,
                })  # fmt: skip
    color = alt.Color(
        "part:N",
        scale=alt.Scale(domain=[part[0] for part in _PARTS], range=[part[1] for part in _PARTS]),
        legend=alt.Legend(title=None, orient="top", symbolType="square", labelLimit=300, columns=5, columnPadding=22),
    )
    bars = alt.Chart(inline(rows)).mark_rect(clip=True)
    return [
        bars.encode(
            x="t:Q",
            x2="end:Q",
            y=_y("y", height),
            y2="y2:Q",
            color=color,
            tooltip=[
                alt.Tooltip("lane:N", title="component"),
                alt.Tooltip("what:N", title="what"),
                alt.Tooltip("t:Q", title="from (s)", format=".2f"),
                alt.Tooltip("end:Q", title="to (s)", format=".2f"),
            ],
        )
    ]


def _actions(lanes: Lanes, first: int, domain: tuple[float, float], rules: Sequence[float]) -> list[Any]:
    """Diamonds with the actions' names in the top row, and the names of triggers beside them where there is room."""
    points, words = [], []
    for n, lane in enumerate(lanes):
        top = first + LANE_PX * n
        labels = [
            (at_s, f"{_plain(name)}{' (runbook)' if fired else ''}") for at_s, name, fired in sorted(lane["actions"])
        ]
        points += [{"t": at_s, "y": top + 8, "label": text, "lane": str(lane["component"])} for at_s, text in labels]
        faults = {_plain(str(what).partition(".")[2]): start_s for start_s, _, what in reversed(lane["triggers"])}
        wanted = [
            *((word, marks.AS_WORDS[marks.BLUE], 7) for word in shared(labels, domain)),
            *((Word(start_s, start_s, text), marks.AS_WORDS[marks.RED], 2) for text, start_s in faults.items()),
        ]
        for word, ink, dx, flip in placed(wanted, [at_s for at_s, _ in labels], rules, domain, LETTER_BOLD_PX):
            words.append(_text(word, top + 8, ink, dx, flip=flip))
    diamonds = alt.Chart(inline(points)).mark_point(shape="diamond", size=64, filled=True, opacity=1, color=marks.BLUE)
    return [
        diamonds.encode(
            x="t:Q",
            y=_y("y"),
            tooltip=[
                alt.Tooltip("lane:N", title="component"),
                alt.Tooltip("label:N", title="action"),
                alt.Tooltip("t:Q", title="at (s)", format=".2f"),
            ],
        ),
        *_texts(words, bold=True),
    ]


def _notes(lanes: Lanes, first: int, domain: tuple[float, float], rules: Sequence[float]) -> list[Any]:
    """Grey strokes in the lower row, and the kind at the first of each where there is room."""
    strokes, words = [], []
    for n, lane in enumerate(lanes):
        top = first + LANE_PX * n
        wanted = []
        for note in lane["notes"]:
            kind = _plain(note["kind"])
            label = kind if note["count"] == 1 else f"{kind} x{note['count']}"
            strokes += [
                {"t": at_s, "y": top + 46, "y2": top + 60, "label": label, "lane": str(lane["component"])}
                for at_s in note["at_s"]
            ]
            wanted.append((Word(note["at_s"][0], note["at_s"][0], label), "#555555", 3))
        taken = [at_s for note in lane["notes"] for at_s in note["at_s"]]
        for word, ink, dx, flip in placed(wanted, taken, rules, domain, LETTER_PX):
            words.append(_text(word, top + 53, ink, dx, flip=flip))
    return [
        alt.Chart(inline(strokes))
        .mark_rule(color="#999999", strokeWidth=1)
        .encode(
            x="t:Q",
            y=_y("y"),
            y2="y2:Q",
            tooltip=[
                alt.Tooltip("lane:N", title="component"),
                alt.Tooltip("label:N", title="note"),
                alt.Tooltip("t:Q", title="at (s)", format=".2f"),
            ],
        ),
        *_texts(words, bold=False),
    ]


def _text(word: Word, y_px: int, ink: str, dx: int, *, flip: bool) -> dict[str, Any]:
    at_s = word.from_s if flip else word.to_s
    return {"t": at_s, "y": y_px, "label": word.text, "ink": ink, "dx": dx, "flip": flip}


def _texts(words: list[dict[str, Any]], *, bold: bool) -> list[Any]:
    """Labels, in one layer for each way of standing beside their moment."""
    layers = []
    for look in sorted({(word["ink"], word["dx"], word["flip"]) for word in words}):
        ink, dx, flip = look
        chart = alt.Chart(inline([word for word in words if (word["ink"], word["dx"], word["flip"]) == look]))
        layers.append(
            chart.mark_text(
                align="right" if flip else "left", baseline="middle", dx=dx, fontSize=10,
                fontWeight="bold" if bold else "normal", color=ink,
            ).encode(x="t:Q", y=_y("y"), text="label:N")
        )  # fmt: skip
    return layers


def _y(field: str, height: int | None = None) -> Any:
    """A place in pixels from the top: the scale is the identity, so that lanes are as high as they were counted."""
    scale = alt.Scale(domain=[height, 0], nice=False, zero=False) if height is not None else alt.Undefined
    return alt.Y(f"{field}:Q", axis=None, scale=scale)


def _plain(name: object) -> str:
    return str(name).replace("_", " ")
