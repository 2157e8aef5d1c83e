"""Reports as a reader opens them: one file, no network, every chart drawn, at a desk, on a phone and on paper."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.compare import compare
from harness.record.folder import RunFolder
from harness.report import write_comparison, write_report

pytestmark = pytest.mark.long
SIZE_MAX = 3 * 1024 * 1024  # of one page
DRAWN = """[...document.querySelectorAll('figure')].map(figure => [
  figure.querySelector('[id^=chart-]')?.id ?? figure.id,
  [...figure.querySelectorAll('svg path, svg line, svg rect')]
    .filter(mark => mark.getBBox().width + mark.getBBox().height > 0).length,
])"""


@pytest.fixture
def offline(chromium: Any) -> Iterator[Callable[..., tuple[Any, list[str]]]]:
    """Opens a file without a network; what it asked for and what it complained of."""
    contexts = []

    def open_(path: Path, **options: Any) -> tuple[Any, list[str]]:
        context = chromium.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
        page.goto(path.resolve().as_uri())
        page.wait_for_function(
            "document.querySelectorAll('figure svg').length >= document.querySelectorAll('figure').length"
        )
        return page, said

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def pages(simulated: Callable[..., RunFolder], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run, and a comparison of two variants."""
    folders = [simulated("slow_dependency", variant, seed) for variant in ("d0_4", "d2") for seed in (1, 2)]
    run = write_report(folders[-1])
    out = tmp_path_factory.mktemp("comparison")
    return {"run": run, "comparison": write_comparison(folders, out, compare(folders))}


@pytest.mark.parametrize("name", ["run", "comparison"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_chart_is_drawn_without_a_network_or_a_complaint(
    name: str, width: int, scheme: str, pages: dict[str, Path], offline: Callable[..., tuple[Any, list[str]]]
) -> None:
    path = pages[name]
    assert path.stat().st_size < SIZE_MAX
    page, said = offline(path, viewport={"width": width, "height": 900}, color_scheme=scheme)
    drawn = page.evaluate(DRAWN)
    assert len(drawn) >= 3
    assert [figure for figure, marks in drawn if marks < 3] == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, "it scrolls sideways"
    assert said == []
    letters_px = page.evaluate(
        "[...document.querySelectorAll('figure svg text')].map(text => text.getBoundingClientRect().height)"
    )
    assert min(height for height in letters_px if height) >= 7.0


def test_the_first_screen_has_the_verdict_the_numbers_and_the_one_figure(
    pages: dict[str, Path], offline: Callable[..., tuple[Any, list[str]]]
) -> None:
    page, _ = offline(pages["run"], viewport={"width": 1280, "height": 900})
    for selector in ("section.verdict", "dl.numbers, .numbers", "figure svg"):
        box = page.locator(selector).first.bounding_box()
        assert box["y"] + box["height"] < 900, selector
    assert page.locator(".numbers > div").count() == 5


def test_the_sections_come_in_their_order(
    pages: dict[str, Path], offline: Callable[..., tuple[Any, list[str]]]
) -> None:
    page, _ = offline(pages["run"], viewport={"width": 1280, "height": 900})
    headings = page.locator("h2").all_inner_texts()
    wanted = [
        "Throttling", "Retry storm", "Backlog recovery", "Cascade", "Sectors", "Audit", "Validity",
        "How to repeat this run",
    ]  # fmt: skip
    assert [heading for heading in headings if heading in wanted] == wanted


def test_every_link_leads_to_a_file_that_is_there(
    pages: dict[str, Path], offline: Callable[..., tuple[Any, list[str]]]
) -> None:
    page, _ = offline(pages["run"], viewport={"width": 1280, "height": 900})
    links = page.evaluate("[...document.querySelectorAll('a[href]')].map(link => link.getAttribute('href'))")
    assert "rows/kv-served.rows" in links
    assert [link for link in links if not (pages["run"].parent / link).is_file()] == []


def test_on_paper_no_figure_is_cut_in_two(
    pages: dict[str, Path], offline: Callable[..., tuple[Any, list[str]]]
) -> None:
    page, _ = offline(pages["run"], viewport={"width": 1280, "height": 900})
    page.emulate_media(media="print")
    breaks = page.evaluate("[...document.querySelectorAll('figure')].map(f => getComputedStyle(f).breakInside)")
    assert set(breaks) == {"avoid"}
    page.set_viewport_size({"width": 718, "height": 1000})  # A4 less ordinary margins
    cut = "[...document.querySelectorAll('.wide, pre')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
    assert page.evaluate(cut) == 0
    assert page.locator("details").evaluate("e => getComputedStyle(e).display") == "none"
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4"))) <= 9
