"""Children are real processes here, tiny and short: they end when we do, and their death is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from harness.errors import Exit, NotReady, RunError
from harness.live import children
from harness.live.children import ChildDied

REAL_TIME = True
# A child as ours are: it ends at the end of its stdin, and SIGTERM ends it in order.
POLITE = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("up", flush=True)
sys.stdin.read()
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""


async def begun(log: Path, child: children.Child) -> None:
    """Wait until the child has installed its handlers."""

    async def up() -> bool:
        return "up" in await trio.Path(log).read_text()

    await children.until_ready(child, up, 10.0)


async def test_sigterm_is_enough_for_a_polite_child(tmp_path: Path) -> None:
    child = await children.start("kv", children.python("-c", POLITE), tmp_path / "kv.log", {})
    await begun(tmp_path / "kv.log", child)
    assert await children.stop(child) is True
    assert child.how_it_ended() == "exit status 0"


async def test_a_deaf_child_is_killed_after_the_bound(tmp_path: Path) -> None:
    child = await children.start("kv", children.python("-c", DEAF), tmp_path / "kv.log", {})
    await begun(tmp_path / "kv.log", child)
    before = trio.current_time()
    assert await children.stop_all([child], patience_s=0.2) == ["kv"]
    assert child.how_it_ended() == "killed by SIGKILL"
    assert trio.current_time() - before >= 0.2


async def test_stopping_a_child_that_has_ended_is_fine(tmp_path: Path) -> None:
    child = await children.start("kv", children.python("-c", "pass"), tmp_path / "kv.log", {})
    await child.process.wait()
    assert await children.stop(child) is True


async def test_a_death_is_reported_with_the_last_words(tmp_path: Path) -> None:
    code = "import sys; print('could not allocate\\n', file=sys.stderr); sys.exit(3)"
    child = await children.start("kv", children.python("-c", code), tmp_path / "kv.log", {})
    said = r"kv \(process \d+\) ended: exit status 3; its log, .*kv\.log, ends:\n  could not allocate$"
    with pytest.raises(ChildDied, match=said):
        await children.watch(child, lambda status: False)


async def test_an_end_that_was_asked_for_or_allowed_is_no_death(tmp_path: Path) -> None:
    asked = await children.start("kv", children.python("-c", POLITE), tmp_path / "kv.log", {})
    allowed = await children.start("load", children.python("-c", "pass"), tmp_path / "load.log", {})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(children.watch, asked, lambda status: False)
        nursery.start_soon(children.watch, allowed, lambda status: status == 0)
        await begun(tmp_path / "kv.log", asked)
        await children.stop(asked)


async def test_a_child_that_dies_before_it_is_ready_is_told_at_once(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    argv = children.python("-c", "import sys; sys.exit('port 8000 is taken')")
    child = await children.start("kv", argv, tmp_path / "kv.log", {})
    with pytest.raises(NotReady, match=r"kv ended before it was ready: exit status 1; .*\n  port 8000 is taken"):
        await children.until_ready(child, never, 30.0)


async def test_a_child_that_is_never_ready_is_given_up_on(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    child = await children.start("kv", children.python("-c", POLITE), tmp_path / "kv.log", {})
    try:
        with pytest.raises(NotReady, match=r"kv was not ready within 0\.1 s"):
            await children.until_ready(child, never, 0.1)
    finally:
        await children.stop(child)


async def test_a_command_that_is_not_there_is_a_run_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"kv: cannot be started \(/nowhere/python -V\): No such file") as caught:
        await children.start("kv", ["/nowhere/python", "-V"], tmp_path / "kv.log", {})
    assert caught.value.exit_code is Exit.MACHINERY


async def test_children_have_a_session_of_their_own_and_our_environment(tmp_path: Path) -> None:
    code = "import os; print(os.getsid(0) == os.getpid(), os.environ['BLACKSTART_RUN'], os.environ['OMP_NUM_THREADS'])"
    child = await children.start("kv", children.python("-c", code), tmp_path / "kv.log", {"BLACKSTART_RUN": "/a/run"})
    await child.process.wait()
    assert (tmp_path / "kv.log").read_text().split() == ["True", "/a/run", "1"]
    await children.stop(child)


def test_the_end_of_the_parent_ends_the_child_however_it_came(tmp_path: Path) -> None:
    """The parent is killed with SIGKILL, so none of its own code can clean up."""
    code = f"""
import trio
from pathlib import Path
from harness.live import children
async def main():
    child = await children.start("kv", children.python("-c", {POLITE!r}), Path({str(tmp_path / "kv.log")!r}), {{}})
    print(child.pid, flush=True)
    await trio.sleep_forever()
trio.run(main)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":  # ended; nobody here reaps orphans
            return
        trio.run(trio.sleep, 0.02)
    raise AssertionError(f"process {pid} outlived its parent")
