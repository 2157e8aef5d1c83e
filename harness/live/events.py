"""What a live run tells whoever watches it, as values: the run decides nothing about how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from harness.record.region import RegionMap


class Starting(NamedTuple):
    """The folder is made and the network claimed; processes start next."""

    folder: Path
    region: RegionMap
    processes: tuple[str, ...]


class Began(NamedTuple):
    """Everything is ready; zero is `in_s` seconds ahead."""

    in_s: float


class PhaseBegan(NamedTuple):
    """A phase begins."""

    name: str
    start_s: float
    end_s: float


class Edge(NamedTuple):
    """A line of the timeline was carried out."""

    t_s: float
    what: str
    fix: bool


class Probed(NamedTuple):
    """The outside probe's answer changed."""

    t_s: float
    ok: bool
    detail: str


class Tick(NamedTuple):
    """The gauges of one moment: {(component, gauge): value}."""

    t_s: float
    readings: Mapping[tuple[str, str], float]


class Ending(NamedTuple):
    """The run leaves; `why` is a few words, as in "the plan is done"."""

    why: str


Event: TypeAlias = Starting | Began | PhaseBegan | Edge | Probed | Tick | Ending
Emit: TypeAlias = Callable[[Event], None]
