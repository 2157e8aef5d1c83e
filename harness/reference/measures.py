"""`docs/reference/measures.md`: every key of measures.json, with its unit and its meaning."""

from __future__ import annotations

from typing import Final

from harness.reference.keys import cell
from harness.reference.measure_texts import TEXTS
from harness.spec.vocabulary import MEASURES

_INTRO: Final = """# Measures

Made by `make reference` from `harness/reference/measure_texts.py`, which a test compares with what runs write.

`measures.json` of a [run folder](../run_folder.md) holds every number about one run. Keys are nested in the file and
dotted here; `*` stands for a name. Undefined is not zero: a value that has no meaning in a run is `null`, and `reasons`
says why under the same key. Times are seconds from the run's zero, lengths of time seconds, and a key says so: `_s` is
seconds, `_per_s` a rate, `_ratio` and `share` lie between 0 and 1, `_ops` counts operations.

A criterion (`expect` in the [experiment file](file_format.md#expect)) may name the keys marked with a tick; it may
leave out the ending `_s`, `_ratio` or `_per_s`.
"""


def page() -> str:
    """The page, Markdown."""
    lines = [_INTRO.rstrip()]
    for section, texts in TEXTS.items():
        lines += ["", f"## {section}", "", "| key | unit | in criteria | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{key}` | {unit(key)} | {'✓' if key in MEASURES else ''} | {cell(text)} |"
            for key, text in texts.items()
        ]
    return "\n".join(lines) + "\n"


def unit(key: str) -> str:
    """The unit that a key's ending promises; "" for counts, words and lists."""
    last = key.rpartition(".")[2]
    if last.endswith("_per_s"):
        return "per second"
    if last.endswith(("_s", "_s_max")):
        return "s"
    if last.endswith("_ratio") or key.startswith("goodput_share") or last in ("drain_efficiency", "utilisation"):
        return "share"
    if last.endswith("_ops"):
        return "operations"
    return "£" if "value_lost" in key or "by_sector" in key or last == "per_minute" else ""
