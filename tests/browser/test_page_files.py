"""What the files of the page promise without a browser: readable colours, no markup from strings, nothing fetched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import Environment

STATIC = Path(__file__).parents[2] / "harness/load/web/static"
SCRIPTS = sorted(STATIC.glob("*.js"))
TOKENS = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", (STATIC / "recovery.css").read_text()
    )
}
TEXT = ("ink", "soft", "accent", "good", "bad", "note")  # on the page and on its panels
# Lines of charts, and borders of buttons.
LINES = ("ink", "blue", "orange", "green", "red", "purple", "sky", "yellow", "edge")
SHADES = ("bg", "shade-baseline", "shade-outage", "shade-recovery", "shade-other")


def luminance(color: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    shares = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_black_on_white_has_the_contrast_that_the_standard_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("name", TEXT)
@pytest.mark.parametrize("ground", ["bg", "panel"])
def test_text_has_the_contrast_of_wcag_aa(name: str, ground: str, scheme: int) -> None:
    assert contrast(TOKENS[name][scheme], TOKENS[ground][scheme]) >= 4.5


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_a_primary_button_and_labels_in_a_chart_can_be_read(scheme: int) -> None:
    assert contrast(TOKENS["on-accent"][scheme], TOKENS["accent"][scheme]) >= 4.5
    for shade in SHADES:
        assert contrast(TOKENS["soft"][scheme], TOKENS[shade][scheme]) >= 4.5


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("name", LINES)
def test_lines_of_charts_stand_out_from_every_shade_behind_them(name: str, scheme: int) -> None:
    for shade in SHADES:
        assert contrast(TOKENS[name][scheme], TOKENS[shade][scheme]) >= 3.0


def test_the_page_has_no_handler_in_its_markup_and_fetches_nothing_from_afar() -> None:
    page = (STATIC / "page.html.j2").read_text()
    assert not re.search(r"\son\w+\s*=", page)
    assert not re.search(r"https?://", page)
    assert re.findall(r"<script(?![^>]*src=)", page) == []
    ours = {"static/vega.js", *(f"static/{path.name}" for path in STATIC.iterdir())}
    assert set(re.findall(r'(?:src|href)="(static/[^"]+)"', page)) <= ours


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_makes_markup_from_a_string(path: Path) -> None:
    """What users supply is set as text. `innerHTML` and its kin would be the one place where it is not."""
    text = path.read_text()
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert word not in text
    assert not re.search(r"https?://", text)


def test_what_a_template_is_given_is_escaped() -> None:
    template = Environment(autoescape=True).from_string((STATIC / "page.html.j2").read_text())
    page = template.render(token='"><script>', title="</title><script>alert(1)</script>")
    assert page.count("<script") == 2  # its own two
    assert "<script>alert" not in page
