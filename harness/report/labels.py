"""Words in one row of a chart, placed so that none covers another.

Vega sets a label where it is told to; two moments a second apart then print their words over each other. So widths are
counted by hand, from the average letter of our font: a word stands right of its moment, else left of it, else it is
left out, and a table elsewhere must have it.

Leaves out: rows above each other (a lane has its rows already), and the exact widths of letters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from harness.report.marks import WIDTH

LETTER_PX, LETTER_BOLD_PX = 5.6, 6.4  # at 10 points
_NEAR_PX = 14  # symbols closer than this share one label
_APART_PX = 6


class Word(NamedTuple):
    """A label and the moments it belongs to: it stands right of the last of them, or left of the first."""

    from_s: float
    to_s: float
    text: str


def shared(labels: Sequence[tuple[float, str]], domain: tuple[float, float]) -> list[Word]:
    """One word for actions that follow each other closely."""
    words: list[Word] = []
    for at_s, text in labels:
        if words and (at_s - words[-1].to_s) * WIDTH <= _NEAR_PX * (domain[1] - domain[0]):
            words[-1] = Word(words[-1].from_s, at_s, f"{words[-1].text}, {text}")
        else:
            words.append(Word(at_s, at_s, text))
    return words


def placed(
    wanted: Iterable[tuple[Word, str, int]],
    symbols_s: Iterable[float],
    rules_s: Iterable[float],
    domain: tuple[float, float],
    letter_px: float,
) -> list[tuple[Word, str, int, bool]]:
    """Those labels of one row that fit: right of their moment, else left of it, else not at all.

    No label covers another or a symbol; one crosses a rule only if it finds no other place.
    """
    scale = WIDTH / (domain[1] - domain[0])
    symbols, rules = ([(at_s - domain[0]) * scale for at_s in times] for times in (symbols_s, rules_s))
    taken: list[tuple[float, float]] = []
    found = []
    for word, ink, dx in wanted:
        from_px, to_px = ((at_s - domain[0]) * scale for at_s in (word.from_s, word.to_s))
        long_px = letter_px * len(word.text)
        right, left = (to_px + dx, to_px + dx + long_px), (from_px - dx - long_px, from_px - dx)
        free = [
            (span, flip)
            for span, flip in ((right, False), (left, True))
            if span[0] >= 0
            and span[1] <= WIDTH
            and all(span[1] + _APART_PX <= a or b + _APART_PX <= span[0] for a, b in taken)
            and not any(span[0] < px < span[1] for px in symbols)
        ]
        free.sort(key=lambda place: any(place[0][0] < px < place[0][1] for px in rules))
        if free:
            span, flip = free[0]
            taken.append(span)
            found.append((word, ink, -dx if flip else dx, flip))
    return found
