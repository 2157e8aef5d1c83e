"""A gate as Markdown: verdict first, then what failed, then what these runs could not say; the rest is folded away.

Two places take it, and both cut hard: a step summary over 1 MiB is dropped whole by GitHub, and a comment on a pull
request over 65,536 characters is refused. So the text is built to a limit: what failed comes first, rows that do not
fit are counted in a sentence, and nothing is ever cut in the middle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.units import show_s

COMMENT_BYTES = 65_536 - 1_536  # of a pull request's comment, with room for what a bot adds around it
SUMMARY_BYTES = 1024 * 1024 - 4096  # of a step's summary on GitHub
_MARKS = {"pass": "✅", "fail": "❌", "unsure": "❓"}
_HEAD = ("| | criterion | wanted | because |", "|---|---|---|---|")
_CELL = 400  # characters of one reason


def markdown(gate: Mapping[str, Any], limit_bytes: int = COMMENT_BYTES) -> str:
    """The whole text, at most `limit_bytes` of UTF-8."""
    mark = _MARKS[gate["verdict"]]
    top = [f"### {mark} {escape(gate['experiment'])}: {escape(gate['sentence'])}", "", *_runs(gate), ""]
    top += [f"> {escape(note)}" for note in gate["notes"][:20]]
    end = ["", f"<sub>blackstart {escape(gate['suite'])}, engine {escape(gate['engine'])}. {_ENGINES}</sub>", ""]
    left = limit_bytes - _size([*top, *end]) - 600
    bad = [one for one in gate["criteria"] if one["verdict"] == "fail"]
    bad += [one for one in gate["criteria"] if one["verdict"] == "unsure"]
    good = [one for one in gate["criteria"] if one["verdict"] == "pass"]
    shown, left = _table(bad, left)
    folded, _ = _table(good, left)
    if folded:
        title = f"<summary>{len(good)} held</summary>"
        folded = ["", "<details>" if bad else "<details open>", title, "", *folded, "", "</details>"]
    return "\n".join([*top, *shown, *folded, *end])


_ENGINES = "A criterion holds when it holds in every run; ❓ is neither a pass nor a fail."


def _table(criteria: Sequence[Mapping[str, Any]], left: int) -> tuple[list[str], int]:
    """As many rows as fit into `left` bytes, and how many bytes are left; what did not fit is counted."""
    if not criteria:
        return [], left
    lines, left = list(_HEAD), left - _size(_HEAD)
    for number, one in enumerate(criteria):
        row = _row(one)
        if left - _size([row]) < 0:
            lines.append(
                f"\n{len(criteria) - number} more did not fit here; they are in the job's JUnit and JSON files."
            )
            return lines, 0
        lines.append(row)
        left -= _size([row])
    return lines, left


def _row(one: Mapping[str, Any]) -> str:
    why = str(one["why"])
    why = why if len(why) <= _CELL else f"{why[: _CELL - 1]}…"
    cells = (f"{one['subject']}: {one['measure']}", one["wanted"], why)
    return f"| {_MARKS[one['verdict']]} | {' | '.join(escape(cell) for cell in cells)} |"


def _runs(gate: Mapping[str, Any]) -> list[str]:
    """One line per variant: how many recovered, and after how long."""
    found = ["| variant | runs | recovered | time to recover | attempts per operation |", "|---|---|---|---|---|"]
    for variant, runs in by_variant(gate).items():
        valid = [run for run in runs if run["valid"]]
        times = numbers(runs, "time_to_recover_s")
        ratios = numbers(runs, "amplification.overall")
        invalid = len(runs) - len(valid)
        cells = (
            variant,
            f"{len(runs)}" + (f" ({invalid} invalid)" if invalid else ""),
            f"{sum(bool(run['recovered']) for run in valid)} of {len(valid)}",
            _span([show_s(times[0]), show_s(times[-1])]) if times else "-",
            _span([f"{ratios[0]:.3g}", f"{ratios[-1]:.3g}"]) if ratios else "-",
        )
        found.append(f"| {' | '.join(escape(cell) for cell in cells)} |")
    return found


def by_variant(gate: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """The runs of each variant, in the order of the gate."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for run in gate["runs"]:
        found.setdefault(run["variant"], []).append(run)
    return found


def numbers(runs: Iterable[Mapping[str, Any]], key: str) -> list[float]:
    """A followed value of the valid runs that have it, sorted."""
    values = (run["values"].get(key) for run in runs if run["valid"])
    return sorted(float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool))


def _span(ends: Sequence[str]) -> str:
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def _size(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def escape(value: object) -> str:
    """A text that is one cell of a table and nothing else: no markup, no mention, no line break."""
    text = " ".join(str(value).split()).encode("utf-8", "replace").decode()
    return text.translate(_SAFE)


_SAFE = str.maketrans(
    {
        **{mark: f"&#{ord(mark)};" for mark in "|@#"},
        **{mark: f"\\{mark}" for mark in "\\`*_[]~"},
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
    }
)
