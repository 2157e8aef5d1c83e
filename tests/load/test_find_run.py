"""Which run a load process belongs to: the one named, else the newest that somebody serves."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import RecordError, RunError
from harness.load.find_run import find_run, is_held
from harness.record.region import LOCK_PORT, lay_out

NETS = (241, 242)


@pytest.fixture
def held() -> Iterator[dict[int, socket.socket]]:
    """Both networks, held as an orchestrator holds its own."""
    locks = {}
    for net in NETS:
        locks[net] = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        locks[net].bind((f"127.{net}.0.1", LOCK_PORT))
        locks[net].listen(1)
    yield locks
    for lock in locks.values():
        lock.close()


def served(root: Path, name: str, net: int, age_s: float) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text("{}")
    lay_out(net, {"dns": 1, "kv": 2}).save(folder / "region.json")
    os.utime(folder / "region.json", (1e9 - age_s, 1e9 - age_s))
    return folder


def test_a_named_run_wins(tmp_path: Path, held: object) -> None:
    served(tmp_path, "served", 241, 0.0)
    named = served(tmp_path / "elsewhere", "named", 242, 9.0)
    found = find_run({"BLACKSTART_RUN": str(named)}, tmp_path)
    assert (found.folder.path, found.orchestrated) == (named, True)


def test_a_name_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such run folder"):
        find_run({"BLACKSTART_RUN": str(tmp_path / "nothing")}, tmp_path)


def test_the_newest_region_that_is_still_served_is_taken(tmp_path: Path, held: dict[int, socket.socket]) -> None:
    old, new = served(tmp_path, "a", 241, 60.0), served(tmp_path, "b", 242, 5.0)
    found = find_run({}, tmp_path)
    assert (found.folder.path, found.orchestrated) == (new, False)
    held[242].close()  # its orchestrator has gone, in whatever way
    assert find_run({}, tmp_path).folder.path == old
    held[241].close()
    with pytest.raises(RunError, match=r"2 regions were served before, none is now.*blackstart serve EXPERIMENT"):
        find_run({}, tmp_path)


def test_a_damaged_region_map_is_passed_over(tmp_path: Path, held: object) -> None:
    good = served(tmp_path, "a", 241, 60.0)
    (served(tmp_path, "b", 242, 5.0) / "region.json").write_text("{")
    assert find_run({}, tmp_path).folder.path == good


def test_asking_does_not_disturb_the_holder(held: dict[int, socket.socket]) -> None:
    for _ in range(5):
        assert is_held(241)
    held[241].close()
    assert not is_held(241)
    assert not is_held(241)
