"""A replay beside what was published, as rows of a table: for a page and for the command line.

What is compared is in `harness.analyse.published`. Moments are shown as minutes of the event since its fault (T+157).
"""

from __future__ import annotations

from harness.analyse import evidence
from harness.analyse.published import Compared, Replay, compare
from harness.record.folder import RunFolder

HEADINGS = ("part", "published", "after", "ours", "after", "ratio", "fitted knob")


def replay_of(folder: RunFolder) -> Replay | None:
    """The comparison of a run; None when its experiment says nothing of what was published. Raises RecordError."""
    return compare(evidence.gather(folder))


def rows(replay: Replay) -> list[tuple[str, ...]]:
    """One row for each line, as `HEADINGS` has them."""
    return [_row(one) for one in replay.lines]


def order(replay: Replay) -> str:
    """A sentence about the order in which the parts came back."""
    if not replay.misplaced:
        return "The parts came back in the order that was published."
    return f"Out of the published order: {', '.join(replay.misplaced)}."


def _row(one: Compared) -> tuple[str, ...]:
    line = one.line
    if one.until_s is None:
        return (line.what, _moment(line.until_s), _minutes(one.theirs_s), "-", "-", "-", one.why)
    ratio = "-" if one.ratio is None else f"{one.ratio:.2f}"
    mark = "" if one.close else " (not within 20 %)"
    fitted = line.fitted or "none"
    ours = (_moment(one.until_s), _minutes(one.ours_s))
    return (line.what, _moment(line.until_s), _minutes(one.theirs_s), *ours, ratio + mark, fitted)


def _moment(event_s: float) -> str:
    return f"T+{event_s / 60.0:.0f}"


def _minutes(event_s: float | None) -> str:
    return "-" if event_s is None else f"{event_s / 60.0:.0f} min"
