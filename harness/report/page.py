"""The page around the charts: one HTML file that works offline, prints well and escapes what users supplied.

A page that fetches its chart library from elsewhere is blank in the room where it matters. Here the library comes from
an installed package and is written into the page once; every chart also stands in it as drawn SVG, which scripts
replace by an interactive one, so the page reads without them. The same drawings are saved as SVG and PNG files.

All text from experiment files and journals goes through Jinja's escaping; JSON inside a script element has its `<`
replaced, so that no title can close the element. Leaves out: what is shown (`run_page.py`, `comparison_page.py`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from harness.errors import RunError
from harness.report.marks import Figure

_PNG_SCALE = 2.0
_PATHS = re.compile(r' d="[^"]*"')


@cache
def templates() -> Environment:
    """Our templates; everything put into one is escaped for HTML, or by the filter `md` for Markdown."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(default_for_string=True, default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["md"] = markdown
    return environment


def markdown(value: object) -> Markup:
    """One value as a piece of a Markdown line: no markup of its own, and no HTML."""
    text = " ".join(str(value).split())
    text = re.sub(r"([\\`*\[\]#|~])", r"\\\1", text)
    text = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\_", text)
    return Markup(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))  # noqa: S704 - escaped here


@cache
def _bundle() -> Markup:
    """Vega, Vega-Lite and Vega-Embed as one script, safe inside a script element."""
    bundle: Any = vl_convert.javascript_bundle  # its snippet is optional, whatever its stub says
    return Markup(bundle().replace("</script", "<\\/script"))  # noqa: S704 - our own package's code


def _rounded(path: re.Match[str]) -> str:
    """A path with coordinates to a tenth of a pixel: a third of the size, and nothing to be seen."""
    return re.sub(r"(\.\d)\d+", r"\1", path[0])


def save_charts(figures: Sequence[Figure], directory: Path) -> dict[str, Markup]:
    """Draw every figure as `<slug>.svg` and `<slug>.png` in `directory`; the drawings by slug, for the page."""
    drawn = {}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for figure in figures:
            svg = _PATHS.sub(_rounded, vl_convert.vegalite_to_svg(figure.spec))
            (directory / f"{figure.slug}.svg").write_text(svg)
            (directory / f"{figure.slug}.png").write_bytes(vl_convert.svg_to_png(svg, scale=_PNG_SCALE))
            drawn[figure.slug] = Markup(svg)  # noqa: S704 - drawn by us; texts in it are escaped by the drawer
    except OSError as error:
        raise RunError(
            f"{directory}: charts cannot be written: {error.strerror}; free some space, then run `blackstart report`"
        ) from error
    return drawn


def render(template: str, figures: Sequence[Figure], charts: Path, out: Path, **context: Any) -> Path:
    """Render `template` with its figures to `out`, and the figures' files into `charts`; returns `out`."""
    specs = json.dumps({figure.slug: figure.spec for figure in figures}, separators=(",", ":")).replace("<", "\\u003c")
    text = (
        templates()
        .get_template(template)
        .render(
            svgs=save_charts(figures, charts),
            specs_json=Markup(specs),  # noqa: S704 - every "<" was replaced above
            bundle=_bundle(),
            **context,
        )
    )
    try:
        out.write_text(text)
    except OSError as error:
        raise RunError(f"{out}: the report cannot be written: {error.strerror}") from error
    return out


def flatten(value: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """A nested mapping as dotted keys and leaves, in order; lists are leaves."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from flatten(inner, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


def show(value: object) -> str:
    """A measure for people: up to four significant digits, words for what is not a number."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float() if math.isfinite(value) and abs(value) < 1e15 and value == round(value):
            return f"{value:,.0f}"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
        case list() | tuple():
            return "; ".join(show(item) for item in value) or "none"
        case _:
            return str(value)
