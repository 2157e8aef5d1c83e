"""The phase diagram: tiles that cover the plane, a boundary with its bars, and files on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import RunError
from harness.report.phase import Border, Diagram, Tile, edges, phase_figure, write_phase


def tile(x: float, y: float, chance: float | None) -> Tile:
    ttr_s = 2.0 if chance else None
    return Tile(x, x - 0.5, x + 0.5, y, y - 5.0, y + 5.0, 5, chance, 0.1, 0.9, ttr_s, 1.5, "recovered")


PLAIN = Diagram(
    "where it <recovers>", "outage (s)", "load", [tile(1, 10, 1.0), tile(2, 10, 0.4), tile(1, 20, None)],
    [Border(10.0, 1.8, 1.0, 2.0)], [(1.7, 10.0), (1.2, 20.0)],
)  # fmt: skip


def values(spec: object) -> list[dict[str, Any]]:
    """All inline data of a Vega-Lite specification."""
    found = []
    if isinstance(spec, dict):
        found += spec.get("values", []) if isinstance(spec.get("values"), list) else []
        for part in spec.values():
            found += values(part)
    elif isinstance(spec, list):
        for part in spec:
            found += values(part)
    return [one for one in found if isinstance(one, dict)]


@pytest.mark.parametrize(
    ("centres", "log", "expected"),
    [
        ([1.0, 2.0, 4.0], False, [(0.5, 1.5), (1.5, 3.0), (3.0, 5.0)]),
        ([1.0, 4.0, 16.0], True, [(0.5, 2.0), (2.0, 8.0), (8.0, 32.0)]),
        ([3.0], False, [(2.5, 3.5)]),
    ],
)
def test_tiles_meet_half_way(centres: list[float], log: bool, expected: list[tuple[float, float]]) -> None:
    assert edges(centres, log=log) == expected


def test_cells_without_a_valid_run_are_left_white() -> None:
    figure = phase_figure(PLAIN)
    drawn = [one for one in values(figure.spec) if "chance" in one]
    assert {(one["x"], one["y"]) for one in drawn if one["chance"] is not None} == {(1, 10), (2, 10)}
    assert "3 cells with 5 runs each" in figure.caption
    assert "fluid model" in figure.caption


def test_a_diagram_without_theory_does_not_speak_of_it() -> None:
    figure = phase_figure(PLAIN._replace(expected=[]))
    assert "fluid" not in figure.caption


def test_a_diagram_is_written_as_svg_and_png(tmp_path: Path) -> None:
    svg, png = write_phase(PLAIN, tmp_path / "charts")
    assert "where it &lt;recovers&gt;" in svg.read_text()
    assert png.read_bytes().startswith(b"\x89PNG")


def test_a_diagram_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "charts").write_text("in the way")
    with pytest.raises(RunError, match="cannot be written"):
        write_phase(PLAIN, tmp_path / "charts")
