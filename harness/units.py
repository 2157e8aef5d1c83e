"""Quantities as people write them: "500ms" and "200/s", kept as seconds and per-second floats inside.

A bare number for a duration is refused, because 500 means seconds to one reader and milliseconds to the next;
that mistake is silent and changes a verdict. Not here: dates, and units of bytes or money.
"""

from __future__ import annotations

import math
import re
import sys

_DURATION_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_RATE_PER_S = {"s": 1.0, "m": 1.0 / 60.0, "min": 1.0 / 60.0, "h": 1.0 / 3600.0}
_NUMBER = r"([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
_DURATION = re.compile(rf"^\s*{_NUMBER}\s*([a-z]+)\s*$")
_RATE = re.compile(rf"^\s*{_NUMBER}\s*/\s*([a-z]+)\s*$")
_PERCENT = re.compile(rf"^\s*{_NUMBER}\s*%\s*$")


def duration_s(text: object) -> float:
    """Seconds in a duration such as "500ms", "2s", "1.5min" or "0s".

    Raises ValueError with what was found and what is allowed; bare numbers other than 0 are refused.
    """
    if isinstance(text, int | float) and not isinstance(text, bool) and text == 0:
        return 0.0
    match = _DURATION.match(text) if isinstance(text, str) else None
    if match is None or match[2] not in _DURATION_S:
        raise ValueError(
            f"{text!r} is not a duration; write a number with one of {', '.join(_DURATION_S)}, as in '500ms'"
        )
    return float(match[1]) * _DURATION_S[match[2]]


def rate_per_s(text: object) -> float:
    """Events per second in a rate such as "200/s" or "30/min". Raises ValueError as `duration_s` does."""
    match = _RATE.match(text) if isinstance(text, str) else None
    if match is None or match[2] not in _RATE_PER_S:
        raise ValueError(f"{text!r} is not a rate; write a number per {', '.join(_RATE_PER_S)}, as in '200/s'")
    return float(match[1]) * _RATE_PER_S[match[2]]


def fraction(text: object) -> float:
    """A share such as "95%" or 0.95, as a float. Raises ValueError as `duration_s` does."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        if isinstance(text, int) and abs(text) > sys.float_info.max:
            return math.inf if text > 0 else -math.inf
        return float(text)
    match = _PERCENT.match(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is not a share; write a percentage as in '95%' or a number as in 0.95")
    return float(match[1]) / 100.0


def show_s(seconds: float | None) -> str:
    """A duration for people: three significant digits in the unit that fits ("20 ms", "1.5 s", "2 min 5 s")."""
    if seconds is None or math.isnan(seconds):
        return "-"
    if abs(seconds) < 1.0:
        seconds = float(f"{seconds:.3g}")  # rounded first, so that 999.9 ms is a second
    size = abs(seconds)
    if size == 0:
        return "0 s"
    if size < 1e-3:
        return f"{seconds * 1e6:.3g} us"
    if size < 1.0:
        return f"{seconds * 1e3:.3g} ms"
    if size < 120.0:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(size), 60)
    return f"{'-' if seconds < 0 else ''}{minutes} min {rest} s"
