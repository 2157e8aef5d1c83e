"""How many users a shape wants, as functions of the time; without Locust, so that they can be asked anything.

A shape is the share of `--users` that are to be there `t_s` seconds from the start:

    ramp       straight up over `--shape-period`, and all from then on
    step       the same in `--shape-steps` equal steps, the first of which is there at once
    diurnal    `--shape-night` at midnight, where a day of `--shape-period` begins, and all at noon; a cosine
    spike      all; at half of `--shape-period` nobody for `HERD_AWAY_S`, and then all at once: a herd that comes back
    by_phase   what `--shape-phases` says for the phase the run is in, all in phases it does not name

Locust asks about once a second, and not before the users it asked for last are there. So a list of stages that is
walked through loses those that are shorter than a spawn, and stages here are not walked through; and the spawn rate
given with each answer brings everybody within `SPAWN_S`, whatever was asked for on the command line.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any, Final

from harness.errors import SpecError
from harness.load.find_run import find_run
from harness.load.phases import Phases

SPAWN_S: Final = 0.5
HERD_AWAY_S: Final = 3.0
BY_PHASE: Final = "by_phase"
_PHASES: Final = "baseline=1,outage=1,recovery=1,drain=0"


def ramp(options: Any, t_s: float) -> float:
    """Share of users of a ramp."""
    return min(1.0, t_s / float(options.shape_period))


def step(options: Any, t_s: float) -> float:
    """Share of users of a ramp in steps."""
    steps = int(options.shape_steps)
    return min(steps, 1 + math.floor(steps * t_s / float(options.shape_period))) / steps


def diurnal(options: Any, t_s: float) -> float:
    """Share of users awake."""
    night = float(options.shape_night)
    return night + (1.0 - night) * (1.0 - math.cos(2.0 * math.pi * t_s / float(options.shape_period))) / 2.0


def spike(options: Any, t_s: float) -> float:
    """All, nobody, all."""
    away_s = float(options.shape_period) / 2.0
    return 0.0 if away_s <= t_s < away_s + HERD_AWAY_S else 1.0


SHARES: Final[dict[str, Callable[[Any, float], float]]] = {
    "ramp": ramp, "step": step, "diurnal": diurnal, "spike": spike,
}  # fmt: skip
KINDS: Final = (*SHARES, BY_PHASE)


def add_options(parser: Any, **_: Any) -> None:
    """The shapes' options, for Locust's command line and page."""
    group = parser.add_argument_group("shape of the load")
    group.add_argument("--shape", choices=KINDS, default=KINDS[0], help="the shape that `Shape` has")
    group.add_argument("--shape-period", type=float, default=30.0, help="seconds that a ramp, a day or a spike takes")
    group.add_argument("--shape-steps", type=int, default=5, help="how many steps a step shape has")
    group.add_argument("--shape-night", type=float, default=0.2, help="share of users awake at midnight")
    group.add_argument("--shape-phases", default=_PHASES, help="share of users by phase, 1 for those not named")


class Shaping:
    """One shape: of a `kind`, or of the one that `--shape` names."""

    def __init__(self, kind: str | None = None) -> None:
        self._kind = kind
        self._phases: Phases | None = None

    def tick(self, options: Any, t_s: float) -> tuple[int, float] | None:
        """Users, and how many a second to add or take away; None when the run time is over.

        Raises SpecError for options that make no shape (Locust's page enforces none of them), and what `find_run` does.
        """
        if options.run_time and t_s >= options.run_time:
            return None
        most = int(options.num_users or 1)
        return round(self._share(options, t_s) * most), max(1.0, most / SPAWN_S)

    def _share(self, options: Any, t_s: float) -> float:
        kind = self._kind or options.shape
        if kind == BY_PHASE:
            if self._phases is None:
                self._phases = Phases(find_run(os.environ).folder)
            return _shares(options.shape_phases).get(self._phases.now(t_s), 1.0)
        if kind not in SHARES:
            raise SpecError(f"--shape is {kind!r}; it is one of {', '.join(KINDS)}")
        try:
            share = SHARES[kind](options, t_s)
        except (ValueError, ZeroDivisionError, TypeError) as error:
            raise SpecError(f"the shape {kind} cannot be made of its options ({error}); see --help for them") from error
        if not 0.0 <= share <= 1.0:
            raise SpecError(f"the shape {kind} wants {share:.0%} of the users; see --help for its options")
        return share


def _shares(text: str) -> dict[str, float]:
    """Shares by phase, from "baseline=0.5,outage=1"."""
    try:
        return {name.strip(): float(share) for name, _, share in (part.partition("=") for part in text.split(","))}
    except ValueError:
        raise SpecError(f"--shape-phases is {text!r}; write shares by phase, as in {_PHASES}") from None
