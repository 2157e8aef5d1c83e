"""What comes and goes, and what is put off: the spells of a `square`, and the entries behind a `pause`.

A square fault is one fault that is injected and healed again and again. If the same fault were injected by another
entry meanwhile, each would end the other, and neither would be what its line says; so that is refused. A pause with
nothing behind it to put off is refused too: it would read like a delay, and be none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from harness.spec.document import Where
from harness.spec.timed import Timed

SPELLS_MAX: Final = 1000


def spells(length_s: float, square: tuple[float, float] | None) -> tuple[tuple[float, float], ...]:
    """When a fault of this length is on, as (start, end) in seconds from its beginning."""
    if square is None:
        return ((0.0, length_s),)
    on_s, off_s = square
    count = min(math.ceil(length_s / (on_s + off_s)), SPELLS_MAX + 1)  # more are refused, and not counted out before
    starts = (k * (on_s + off_s) for k in range(count))
    return tuple((round(at_s, 9), round(min(at_s + on_s, length_s), 9)) for at_s in starts if at_s < length_s - 1e-9)


def check_spells(events: Sequence[Timed], wrong: list[tuple[Where, str]]) -> None:
    """Complain about squares that do not come back, overlap their own kind, or are not of a fault; and idle pauses."""
    for timed in events:
        if timed.square is not None:
            _check_square(timed, timed.square, wrong)
            _check_alone(timed, events, wrong)
        if timed.component == "pause" and not any(
            other.trigger is not None and other.kind != "fault" and other.number > timed.number for other in events
        ):
            text = (
                "a pause puts off what operators do on a `when:` after it in the file, and there is nothing; move it "
                "before such an entry, or remove it (an `at` keeps its moment)"
            )
            wrong.append(((timed.number, "do"), text))


def _check_square(timed: Timed, square: tuple[float, float], wrong: list[tuple[Where, str]]) -> None:
    where = (timed.number, "square")
    length_s = timed.arguments.get("for_s")
    on_s, off_s = square
    if timed.kind != "fault":
        wrong.append((where, f"{timed.what} is done once; only a fault can come and go, so remove `square`"))
    elif length_s is None:
        text = f"{timed.what} comes and goes without end; give the whole length, as in `with: {{for: 20s}}`"
        wrong.append((where, text))
    elif length_s <= on_s + off_s:
        text = f"{timed.what} for {length_s:g} s does not come back after {on_s:g} s on and {off_s:g} s off"
        wrong.append((where, f"{text}; lengthen `for`, or remove `square`"))
    elif length_s / (on_s + off_s) > SPELLS_MAX:
        text = f"{timed.what} would come {math.ceil(length_s / (on_s + off_s)):,} times, over {SPELLS_MAX:,}"
        wrong.append((where, f"{text}; lengthen `on` and `off`"))


def _check_alone(timed: Timed, events: Sequence[Timed], wrong: list[tuple[Where, str]]) -> None:
    ends_s = timed.at_s + timed.arguments.get("for_s", math.inf)
    for other in events:
        same = (other.component, other.verb) == (timed.component, timed.verb) and other.number != timed.number
        if timed.component == "load" or not same or math.isnan(timed.at_s) or math.isnan(other.at_s):
            continue  # surges of several stories may overlap, see `surges.py`; the others are known only in the run
        if other.at_s < ends_s and (other.ends_s > timed.at_s or other.square is not None):
            text = f"{timed.what} comes and goes from {timed.at_s:g} s to {ends_s:g} s, and entry {other.number + 1}"
            wrong.append(
                ((timed.number, "square"), f"{text} injects it meanwhile; let one end before the other begins")
            )
            return
