"""`time_scale`: an event of many hours, told in its own times and run in minutes.

    time_scale: 1min to 1s                           a minute of the event is a second of the run
    phases: {outage: event 157min}                   157 s
    timeline: [{at: outage.start + event 266min, ...}]
    region: {dns: {negative_ttl: event 15min}}       15 s
    load: {pages: {arrivals: {rate: event 240/h}}}   4/s

Scaling everything would be simple and wrong: a client's timeout of 500 ms belongs to the program that is being tested,
and a timeout of 8 ms is another program. Scaling nothing but the phases is as wrong: a cache of 15 minutes would
outlive a whole run. So the file says of each value whose it is. What is written with the word `event` is a time, or a
rate, of the event and is scaled; every other value is the run's own and is taken as it stands. By custom:

    of the event     phases, moments of the timeline, delays of operators, TTLs, leases, lives of hosts, rates of the
                     load, and what stands for the speed of a part that was slow for hours
    of the run       timeouts, deadlines and back-offs of clients, service times of stores and interfaces

A variant may patch `time_scale` like any other key. Without the key a second of the event is a second.

A scale has an end. Rates of the event grow with it, to what one load process can start in time; its lengths shrink, to
where two moments cannot be kept apart, or a phase is over before one call in it has had time to fail. A larger scale is
refused, with the largest that would do. Leaves out: lengths written in code, such as how long an instance lives.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from harness import units
from harness.spec.document import Where
from harness.units import show_s

if TYPE_CHECKING:
    from harness.spec.experiment import Experiment

# What one load process starts in time on one core (docs/workers.md), and how late it may be in a valid run.
GENERATOR_PER_S: Final = 2_000.0
GENERATOR_LATE_S: Final = 0.01
SCALE_MAX: Final = 1e6
# Keys that tell about the experiment; the word `event` in them is only a word.
_TOLD: Final = ("title", "description", "incident", "time_scale", "expect")
_NUMBER: Final = r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?"
_QUANTITY: Final = re.compile(rf"(?<![\w.])event\s+({_NUMBER})\s*(/?)\s*([a-z]+)(?![\w.])")
_SCALE: Final = re.compile(r"^\s*(\S+)\s+to\s+(\S+)\s*$")
_FORM: Final = "write how long of the event is how long of the run, as in '1min to 1s'"


class Quantity(NamedTuple):
    """One value of the event: seconds, or a rate per second, of the event's own time."""

    path: Where
    value: float
    rate: bool


def read_scale(text: object) -> float:
    """Seconds of the event in one second of the run. Raises ValueError with what is allowed."""
    found = _SCALE.match(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{text!r} is not a scale; {_FORM}")
    try:
        event_s, run_s = (units.duration_s(part) for part in found.groups())
    except ValueError as error:
        raise ValueError(f"{text!r} is not a scale ({error}); {_FORM}") from None
    if event_s <= 0 or run_s <= 0 or not 1.0 <= event_s / run_s <= SCALE_MAX:
        raise ValueError(
            f"{text!r} is out of bounds; a run is as long as its event or up to {SCALE_MAX:,.0f} times shorter"
        )
    return event_s / run_s


def scaled(raw: Mapping[str, Any]) -> dict[str, Any]:
    """An experiment with its event's times in those of the run. A scale that is none is left for the model to name."""
    try:
        ratio = read_scale(raw["time_scale"]) if raw.get("time_scale") is not None else 1.0
    except ValueError:
        ratio = 1.0
    result = {key: value if key in _TOLD else _walked(value, ratio) for key, value in raw.items()}
    _whole_seconds(raw, result)
    return result


def _whole_seconds(raw: Mapping[str, Any], result: dict[str, Any]) -> None:
    """DNS carries whole seconds: the event's TTLs become the nearest, and at least one."""
    region, written = result.get("region"), raw.get("region")
    if not isinstance(region, Mapping) or not isinstance(written, Mapping) or not isinstance(region.get("dns"), dict):
        return
    for key in ("ttl", "negative_ttl"):
        found = [one for one in _found(written["dns"].get(key), ()) if not one.rate]
        if found:
            region["dns"][key] = f"{max(1.0, float(round(units.duration_s(region['dns'][key]))))!r}s"


def quantities(raw: Mapping[str, Any]) -> list[Quantity]:
    """Every value of the event in an experiment that is not scaled yet."""
    return [found for key, value in raw.items() if key not in _TOLD for found in _found(value, (key,))]


def too_large(raw: Mapping[str, Any], experiment: Experiment) -> str:
    """Why the scale of an experiment cannot be kept, with the largest that can; "" when it can.

    `raw` is the experiment before, and `experiment` after it was scaled.
    """
    text = raw.get("time_scale")
    found = quantities(raw)
    if text is None or not found:
        return ""
    ratio = read_scale(text)
    largest, why = min(_bounds(found, experiment, ratio), default=(math.inf, ""))
    if ratio <= largest * (1.0 + 1e-9):
        return ""
    keeps = math.floor(largest * 1e3) / 1e3
    most = f"{keeps / 60.0:.4g}min to 1s" if keeps >= 120 else f"{keeps:g}s to 1s"
    best = f"the largest that can be kept is {most!r}" if keeps >= 1.0 else "not even '1s to 1s' can be kept"
    return f"{text!r} cannot be kept: {why}; {best}"


def _bounds(found: list[Quantity], experiment: Experiment, ratio: float) -> Iterator[tuple[float, str]]:
    """(largest scale, why it ends there), one for each bound."""
    own_per_s = sum(load.rate_per_s for load in experiment.load.values())
    arrivals = [one for one in found if one.rate and one.path[:1] == ("load",) and one.path[2:] == ("arrivals", "rate")]
    event_per_s = sum(one.value for one in arrivals)
    if event_per_s > 0:
        left_per_s = max(GENERATOR_PER_S - (own_per_s - event_per_s * ratio), 0.0)
        yield (
            left_per_s / event_per_s,
            f"it asks for {own_per_s:,.0f} operations a second, and a load process can start {GENERATOR_PER_S:,.0f}",
        )
    lengths = [one for one in found if not one.rate and one.value > 0 and one.path[0] in ("phases", "timeline")]
    if lengths:
        shortest = min(lengths, key=lambda one: one.value)
        yield (
            shortest.value / GENERATOR_LATE_S,
            f"{_dotted(shortest.path)} ({show_s(shortest.value)} of the event) would be shorter than the "
            f"{show_s(GENERATOR_LATE_S)} by which operations may be late",
        )
    phases = [one for one in lengths if one.path in (("phases", "outage"), ("phases", "recovery"))]
    if phases:
        timeout_s = max(load.client.timeout_s for load in experiment.load.values())
        shortest = min(phases, key=lambda one: one.value)
        yield (
            shortest.value / timeout_s,
            f"{_dotted(shortest.path)} ({show_s(shortest.value)} of the event) would be over before a call has had its "
            f"{show_s(timeout_s)}",
        )


def _walked(value: Any, ratio: float) -> Any:
    match value:
        case str():
            return _QUANTITY.sub(lambda match: _in_the_run(match, ratio), value)
        case Mapping():
            return {key: _walked(part, ratio) for key, part in value.items()}
        case list() | tuple():
            return [_walked(part, ratio) for part in value]
        case _:
            return value


def _found(value: Any, path: Where) -> Iterator[Quantity]:
    match value:
        case str():
            for match in _QUANTITY.finditer(value):
                number = _of_the_event(match)
                if number is not None:
                    yield Quantity(path, number, bool(match[2]))
        case Mapping():
            for key, part in value.items():
                yield from _found(part, (*path, key))
        case list() | tuple():
            for index, part in enumerate(value):
                yield from _found(part, (*path, index))
        case _:
            pass


def _of_the_event(match: re.Match[str]) -> float | None:
    """Its number, SI; None when the unit is none."""
    try:
        if match[2]:
            return units.rate_per_s(f"{match[1]}/{match[3]}")
        return units.duration_s(f"{match[1]}{match[3]}")
    except ValueError:
        return None


def _in_the_run(match: re.Match[str], ratio: float) -> str:
    """A text in the run's own time; what cannot be read stays, and is refused where it stands."""
    number = _of_the_event(match)
    if number is None:
        return match[0]
    return f"{round(number * ratio, 12)!r}/s" if match[2] else f"{round(number / ratio, 9)!r}s"


def _dotted(path: Where) -> str:
    return ".".join(map(str, path))
