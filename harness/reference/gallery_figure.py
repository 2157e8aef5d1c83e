"""The picture of an experiment in the gallery: one small panel a variant, on common axes, lined up at the fix.

Eight variants in one panel are a tangle, and an average of runs that recovered with runs that did not is a curve of
nothing. So each variant has a panel, each run its own thin line, and all panels one scale: offered in grey, attempts in
orange, goodput in blue. Recovery is where the blue line meets the grey one again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import numpy as np
import vl_convert

from harness.reference.gallery_runs import Shown
from harness.reference.small_png import small
from harness.report import marks
from harness.report.charts import smooth

POINTS: Final = 150  # of one line
BYTES_MOST: Final = 60_000  # every version of a picture stays in the repository
SCALES: Final = (1.6, 1.4, 1.2)  # the sharpest that is small enough
_SERIES: Final = {"offered": "#9a9a9a", "attempts": marks.ORANGE, "goodput": marks.BLUE}
_COLUMNS_MOST: Final = 4
_WIDTH: Final = 820
_HEIGHT: Final = 130
_CAP: Final = 4.0  # times the most that was offered: retries beyond it leave the panel, or nothing else could be seen


def png(shown: Sequence[Shown]) -> bytes:
    """The picture, as PNG."""
    drawn = (small(vl_convert.vegalite_to_png(specification(shown), scale=scale)) for scale in SCALES)
    return next((found for found in drawn if len(found) < BYTES_MOST), b"") or small(
        vl_convert.vegalite_to_png(specification(shown), scale=1.0)
    )


def specification(shown: Sequence[Shown]) -> dict[str, Any]:
    """The picture, as Vega-Lite."""
    variants = list(dict.fromkeys(run.variant for run in shown))
    rows = [row for run in shown for row in _rows(run)]
    most = _CAP * max(float(np.max(smooth(run.curves.offered, _second(run)))) for run in shown)
    columns = len(variants) if len(variants) <= _COLUMNS_MOST else 3 if len(variants) in (5, 6, 9) else _COLUMNS_MOST
    domain = [min(row["t"] for row in rows), max(row["t"] for row in rows)]
    top = min(most, max(row["v"] for row in rows))
    lines = (
        alt.Chart()
        .mark_line(interpolate="step-after", clip=True, strokeWidth=1.0)
        .encode(
            x=alt.X(
                "t:Q", title=None, scale=alt.Scale(domain=domain, nice=False),
                axis=alt.Axis(tickCount=5, labelExpr="datum.value + ' s'"),
            ),
            y=alt.Y("v:Q", title=None, scale=alt.Scale(domain=[0, top], nice=True), axis=alt.Axis(tickCount=4)),
            color=alt.Color(
                "series:N",
                scale=alt.Scale(domain=list(_SERIES), range=list(_SERIES.values())),
                legend=alt.Legend(title="per second", orient="top", symbolType="stroke", symbolStrokeWidth=3),
            ),
            detail="seed:N",
        )
    )  # fmt: skip
    fix = alt.Chart().transform_aggregate(n="count()", groupby=["variant"])  # one rule a panel, not one a point
    rule = fix.mark_rule(color=marks.GREEN, strokeWidth=1.4).encode(x=alt.datum(0.0))
    chart = (
        alt.layer(lines, rule, data=marks.inline(rows))
        .properties(width=_WIDTH // columns - 34, height=_HEIGHT)
        .facet(facet=alt.Facet("variant:N", title=None, sort=variants), columns=columns)
    )
    return marks.dressed(chart)


def _second(run: Shown) -> int:
    """Windows in one second."""
    return max(1, round(1.0 / run.curves.width_s))


def _rows(run: Shown) -> list[dict[str, Any]]:
    """The three lines of a run as records, in seconds from its fix."""
    t_s = run.curves.t_s - (run.curves.t_fix_s or 0.0)
    load = run.curves.t_s < run.curves.load_end_s  # the drain carries no load and asks no question
    series = {name: smooth(getattr(run.curves, name), _second(run))[load] for name in _SERIES}
    return [
        {"t": row["t"], "v": row["v"], "series": row["series"], "variant": run.variant, "seed": run.seed}
        for row in marks.records(t_s[load], series, POINTS)
        if row["v"] is not None
    ]
