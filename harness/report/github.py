"""A gate on GitHub Actions: annotations at the top of the job, and its summary.

GitHub shows at most 10 annotations of a kind per step and drops the others without a word, so a gate of 500 criteria
that printed 500 lines would show the first ten and hide how many there were. Here the tenth says how many more.
Commands are lines of the log; `%`, line breaks and, in a title, `:` and `,` are escaped, or a reason with a line break
could be a command of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

KIND_MOST = 10  # annotations of one kind per step that GitHub shows
_TITLE, _MESSAGE = 200, 2000  # characters


def notes(gate: Mapping[str, Any]) -> list[str]:
    """Lines for the log: an error per failed criterion, a warning per unsure one, and a notice with the verdict."""
    lines = []
    for kind, verdict, what in (("error", "fail", "failed"), ("warning", "unsure", "could not be answered")):
        lines += _kind(kind, [one for one in gate["criteria"] if one["verdict"] == verdict], what)
    return [*lines, _command("notice", f"blackstart gate: {gate['experiment']}", gate["sentence"])]


def outputs(gate: Mapping[str, Any]) -> str:
    """`name=value` lines for later steps of the job."""
    counts = gate["counts"]
    named = {"verdict": gate["verdict"], "exit_code": gate["exit_code"], "passed": counts["pass"],
             "failed": counts["fail"], "unsure": counts["unsure"]}  # fmt: skip
    return "".join(f"{name}={value}\n" for name, value in named.items())


def _kind(kind: str, criteria: Sequence[Mapping[str, Any]], what: str) -> list[str]:
    shown = criteria if len(criteria) <= KIND_MOST else criteria[: KIND_MOST - 1]
    lines = [_command(kind, one["name"], one["why"]) for one in shown]
    if len(shown) < len(criteria):
        more = len(criteria) - len(shown)
        lines.append(_command(kind, f"{more} more criteria", f"{more} more criteria {what}; the summary has them all"))
    return lines


def _command(kind: str, title: str, message: str) -> str:
    return f"::{kind} title={_property(title[:_TITLE])}::{_data(message[:_MESSAGE])}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
