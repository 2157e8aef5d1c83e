"""What a person sees while a run runs: on a terminal one line that moves, elsewhere a line for each event.

The numbers are those the analysis will count (the same windows, fed the load's rows as they reach the disk), about one
second late: offered, good and attempted operations per second, waiting work, attempts per operation. Everything goes to
stderr, so that results on stdout can be piped. Drawing is bounded (twice a second), because the process that draws is
also the one that must be on time.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from harness.analyse.windows import Progress, Windows
from harness.live.events import Began, Edge, Ending, Event, PhaseBegan, Probed, Starting, Tick
from harness.plan import Plan
from harness.record.tail import Tail
from harness.units import show_s

if TYPE_CHECKING:
    from rich.live import Live

DRAW_EVERY_S = 0.5
SAY_EVERY_S = 5.0  # without a terminal


class Watcher:
    """Counts the load's rows as they come."""

    def __init__(self, plan: Plan) -> None:
        self._windows = Windows(plan.end_s)
        if not plan.experiment.crowds():  # the turns of a closed loop are due when they are, and rows will tell
            self._windows.expect_due(plan.schedule().intended_s)
        self._rows: Path | None = None
        self._tails: dict[Path, Tail] = {}

    def follow(self, folder: Path) -> None:
        """Follow the row files of this run folder."""
        self._rows = folder / "rows"

    def look(self, tick: Tick) -> Progress:
        """Take in what was written since, and give the last whole second."""
        if self._rows is not None:
            for path in self._rows.glob("load-*.rows"):
                self._tails.setdefault(path, Tail(path))
        for tail in self._tails.values():
            rows = tail.read()
            if rows is None or tail.header is None:
                continue
            if tail.header.kind == "operation":
                self._windows.feed_operations(rows)
            elif tail.header.kind == "attempt":
                self._windows.feed_attempts(rows, "load", tail.header.names.get("target", []))
        waiting = sum(value for (_, gauge), value in tick.readings.items() if gauge.startswith("waiting_"))
        return self._windows.latest(tick.t_s, waiting=waiting)


class ProgressLine:
    """Takes a run's events and shows them on `out`. Use as a context manager, so that the terminal is left tidy."""

    def __init__(self, plan: Plan, label: str, out: TextIO | None = None) -> None:
        self._out = sys.stderr if out is None else out
        self._label = label
        self._watcher = Watcher(plan)
        self._phase = "starting"
        self._next_s = -math.inf
        self._live: Live | None = None

    def __enter__(self) -> ProgressLine:
        if self._out.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(file=self._out), auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def emit(self, event: Event) -> None:
        """Show one event."""
        match event:
            case Starting(folder, region, processes):
                self._watcher.follow(folder)
                self._say(f"{self._label}: starting {', '.join(processes)} in 127.{region.net}.0.0/16")
            case Began():
                self._say("everything is ready")
            case PhaseBegan(name, start_s, end_s):
                self._phase = name
                self._say(f"{start_s:7.2f} s  {name} ({show_s(end_s - start_s)})")
            case Edge(t_s, what, fix):
                self._say(f"{t_s:7.2f} s  {what}{'  <- fix' if fix else ''}")
            case Probed(t_s, ok, detail):
                self._say(f"{t_s:7.2f} s  outside probe {'answered' if ok else 'failed'}: {detail}")
            case Ending(why):
                self._say(f"ending: {why}")
            case Tick(t_s):
                if t_s >= max(self._next_s, 0.0):
                    self._next_s = t_s + (DRAW_EVERY_S if self._live is not None else SAY_EVERY_S)
                    self._draw(t_s, self._watcher.look(event))

    def _say(self, text: str) -> None:
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            self._out.write(text + "\n")
            self._out.flush()

    def _draw(self, t_s: float, now: Progress) -> None:
        line = line_of(t_s, self._phase, now)
        if self._live is None:
            self._say(line)
        else:
            from rich.text import Text

            self._live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)


def line_of(t_s: float, phase: str, now: Progress) -> str:
    """The moving line: where the run is, and its last whole second; it fits 80 columns."""
    ratio = "-" if math.isnan(now.amplification) else f"{now.amplification:.2f}"
    return (
        f"{t_s:7.2f} s  {phase:<8} offered {now.offered_per_s:4.0f}/s good {now.goodput_per_s:4.0f}/s "
        f"attempts {now.attempts_per_s:4.0f}/s ({ratio}x) waiting {now.waiting:.0f}"
    )
