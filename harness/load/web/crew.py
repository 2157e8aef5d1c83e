"""`blackstart web --processes N`: Locust's master has the page, and its workers make the load.

The tab loses nothing by it, because it never asked the load process for numbers: rows are counted from the run's
folder, where each worker writes its own, and journal and gauges are there as well. So a master with a page differs from
any other (`harness.load.workers`) in three things only: it learns of each run when Start is pressed, tells the tab when
that begins, and does not end with it.

A worker that died stays away. The run it died in is kept and not valid; the next one begins with those that are left,
and the manifest of each run says who took part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import gevent

from harness.errors import HarnessError
from harness.load.clock import RunClock
from harness.load.find_run import Found
from harness.load.session import Session
from harness.load.workers import Crew
from harness.record.folder import RunFolder


class Page(Protocol):
    """What the crew asks of whoever has the page and speaks with the orchestrator."""

    playing: bool

    def await_folder(self) -> RunFolder:
        """Wait for the folder of the run that Start begins."""

    def show(self, folder: RunFolder, now_s: Callable[[], float]) -> None:
        """Tell the tab that the run began."""

    def finish(self, error: str = "") -> None:
        """Tell the tab and the orchestrator that it is over."""


def session(found: Found, worker: int, workers: int, first: int | None, _: list[str] | None) -> Session:
    """The experiment's load is all of it, whatever classes the page has."""
    return Session(found, worker, workers, None, first)


class PageCrew(Crew):
    """The workers of a master that has the page."""

    def __init__(self, environment: Any, page: Page) -> None:
        super().__init__(environment, None, session)
        self._page = page
        self._were_all_there = False

    @property
    def forsaken(self) -> bool:
        """Whether all workers are gone for good."""
        return self._were_all_there and not self.runner.worker_count

    def await_run(self) -> None:
        """Wait until the region is ready."""
        self._page.playing = True
        self._found = Found(self._page.await_folder(), True)

    def least(self) -> int:
        """All, the first time; then whoever is left."""
        return 0 if self._were_all_there else int(self.environment.parsed_options.expect_workers)

    def begun(self, clock: RunClock) -> None:
        """All workers were told of zero."""
        self._were_all_there = True
        self._page.show(self.found.folder, clock.now_s)

    def ended(self, error: HarnessError | None) -> None:
        """The page stays."""
        self._page.playing = self._found is not None
        if self._found is not None:
            self._found = None
            gevent.spawn(self._close, error, stopped=self._ending)

    def _close(self, error: HarnessError | None, *, stopped: bool) -> None:
        self._page.finish("" if error is None or stopped else str(error))
        self._page.playing = False
        if not stopped:
            self.runner.stop()
