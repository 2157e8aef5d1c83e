"""Async tests here run on trio in virtual time: the clock jumps whenever every task sleeps, so times are exact.

A module with `REAL_TIME = True` (its tests start processes) runs on the real clock instead.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from harness.live.clock import RunClock
from harness.live.log import RunLog
from harness.record.journal import read_journal


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    assert "locust" not in sys.modules, "trio cannot run where locust was imported: import locust in a subprocess only"
    names = pyfuncitem._fixtureinfo.argnames
    body = partial(pyfuncitem.obj, **{name: pyfuncitem.funcargs[name] for name in names})
    real = getattr(pyfuncitem.module, "REAL_TIME", False)
    trio.run(body, clock=None if real else trio.testing.MockClock(autojump_threshold=0))
    return True


def virtual_ns() -> int:
    """Trio's virtual time as a clock reading."""
    return round(trio.current_time() * 1e9)


@pytest.fixture
def clock() -> RunClock:
    """A run's clock in virtual time, with zero at its beginning."""
    made = RunClock(virtual_ns)
    made.set_zero(0)
    return made


class Logged:
    """A run's log whose entries a test can read."""

    def __init__(self, path: Path, clock: RunClock) -> None:
        self.path = path
        self.log = RunLog(path, clock)

    def entries(self, *fields: str) -> list[tuple[object, ...]]:
        """(t_s, kind, fields...) of everything written so far."""
        return [(e["t_s"], e["kind"], *(e.get(field) for field in fields)) for e in read_journal(self.path)]


@pytest.fixture
def logged(tmp_path: Path, clock: RunClock) -> Iterator[Logged]:
    made = Logged(tmp_path / "journal.jsonl", clock)
    yield made
    made.log.close()
