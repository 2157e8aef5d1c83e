"""The guard that keeps the garbage collector out of measurements."""

from __future__ import annotations

import gc

import pytest

from harness.memory import MemoryGuard


@pytest.fixture
def guard():
    made = MemoryGuard(grow_bytes=32 << 20)
    yield made
    made.release()


def test_cycles_are_left_alone_until_the_process_has_grown_by_the_bound(guard):
    assert not gc.isenabled()
    assert not guard.look()
    held = []
    for _ in range(48):
        ring: list[object] = [bytearray(1 << 20)]
        ring.append(ring)
        held.append(id(ring))
        del ring
    assert guard.look()
    assert guard.collections == 1
    assert not guard.look(), "the bound counts from what was left after the collection"


def test_releasing_gives_the_collector_back():
    MemoryGuard().release()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
