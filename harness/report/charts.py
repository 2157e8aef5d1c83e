"""The charts of one run: what users got, what clients sent, what waited, and what was refused.

Each figure answers one question, in the order a person asks them: did goodput come back; was the system kept busy by
retries; what is still waiting; how late are the answers; who refused whom. Curves come from our own rows in zero-filled
windows (`harness.analyse.curves`), never from the load generator's statistics, which invert a stall.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.analyse.drawing import Curves
from harness.report import marks
from harness.report.marks import Array, Band, Figure, Mark, time_chart


def smooth(values: Array, width: int) -> Array:
    """Mean over the last `width` windows, undefined points left out: nothing shows before it happened."""
    finite = np.isfinite(values)
    kernel = np.ones(width)
    total = np.convolve(np.where(finite, values, 0.0), kernel)[: values.size]
    count = np.convolve(finite.astype(float), kernel)[: values.size]
    with np.errstate(invalid="ignore", divide="ignore"):
        averaged: Array = np.where(count > 0, total / count, np.nan)
    return averaged


def moments(curves: Curves) -> list[Mark]:
    """The rules to draw: first effect of the fault, and the fix."""
    found = []
    if curves.t_fault_s is not None:
        found.append(Mark(curves.t_fault_s, "fault felt", marks.RED))
    if curves.t_fix_s is not None:
        found.append(Mark(curves.t_fix_s, "fix", marks.GREEN))
    if curves.t_recovered_s is not None:
        found.append(Mark(curves.t_recovered_s, "steady again", marks.BLUE))
    return found


def bands(curves: Curves) -> list[Band]:
    """The phases to shade."""
    return [Band(phase.name, phase.start_s, phase.end_s) for phase in curves.phases]


def run_figures(curves: Curves, capacity_per_s: float | None, attempt_timeout_s: float | None) -> dict[str, Figure]:
    """Every figure of a run page by slug; figures whose data the run does not have are left out."""
    drawn: dict[str, Figure] = {}
    per_window = max(1, round(1.0 / curves.width_s))  # one second

    def add(
        slug: str,
        title: str,
        caption: str,
        series: Mapping[str, Array],
        y_title: str,
        *,
        colors: tuple[str, ...] = marks.CYCLE,
        log: bool = False,
        limit: tuple[float, str] | None = None,
    ) -> None:
        if not any(np.isfinite(values).any() for values in series.values()):
            return
        spec = time_chart(
            curves.t_s,
            series,
            y_title=y_title,
            bands=bands(curves),
            marks=moments(curves),
            colors=colors,
            log=log,
            limit=limit,
        )
        drawn[slug] = Figure(slug, title, caption, spec)

    add(
        "recovery",
        "Offered, attempts and goodput",
        "Operations users wanted, attempts their clients sent, and operations that met their deadline, each per second "
        "(mean of the last second).",
        {
            "offered": smooth(curves.offered, per_window),
            "attempts": smooth(curves.attempts, per_window),
            "goodput": smooth(curves.goodput, per_window),
        },
        "per second",
        colors=(marks.INK, marks.ORANGE, marks.BLUE),
    )
    add(
        "amplification",
        "Amplification",
        "Attempts for each operation due, as the users' clients send them: 1 is no retry at all.",
        {"attempts per operation": np.where(curves.t_s < curves.load_end_s, curves.amplification, np.nan)},
        "attempts per operation",
    )
    add(
        "layers",
        "Attempts by layer",
        "Attempts per second on each edge of the call graph; retries at one layer multiply those at the next.",
        {edge: smooth(values, per_window) for edge, values in curves.attempts_by_layer.items() if values.any()},
        "attempts per second",
        limit=None if capacity_per_s is None else (capacity_per_s, f"modelled capacity {capacity_per_s:.4g}/s"),
    )
    add(
        "backlog",
        "Waiting work by component",
        "Work accepted but not done: server queues, calls between attempts, outboxes.",
        {name: values for name, values in curves.backlog.items() if np.nanmax(values, initial=0.0) > 0},
        "items waiting",
    )
    add(
        "queue-delay",
        "Queue delay by component",
        "How long requests waited before service. Over the caller's timeout, all work is for callers who have gone.",
        {name: 1e3 * values for name, values in curves.queue_delay_s.items() if np.nanmax(values, initial=0.0) > 0},
        "ms",
        limit=None if attempt_timeout_s is None else (1e3 * attempt_timeout_s, "client timeout"),
    )
    add(
        "latency",
        "Latency of good operations",
        "From the intended start, so a stall shows as long as it was; windows without a good operation are gaps.",
        {"p50": 1e3 * curves.p50_s, "p95": 1e3 * curves.p95_s, "p99": 1e3 * curves.p99_s},
        "ms",
        colors=(marks.BLUE, marks.ORANGE, marks.RED),
        log=True,
    )
    refused = {"by servers": curves.throttled_server, "by clients": curves.throttled_client}
    add(
        "throttled",
        "Throttled attempts",
        "Refused on purpose, by servers (429, 503) and by client-side limiters, counted apart.",
        {name: smooth(values, per_window) for name, values in refused.items() if values.any()},
        "per second",
        colors=(marks.RED, marks.PURPLE),
    )
    add(
        "waste",
        "Wasted service time",
        "Share of each component's busy time spent on attempts whose caller had already given up.",
        {
            name: 100 * smooth(values, per_window)
            for name, values in curves.wasted_share.items()
            if np.isfinite(values).any()
        },
        "% of busy time",
    )
    return drawn
