"""Services forked from one warm process: ours to watch, to end and to be told of, each on its own."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
import trio

from harness.errors import NotReady
from harness.live import children, forked
from harness.live.children import Child, ChildDied
from harness.live.forked import Forked

REAL_TIME = True


def fork(body: str) -> Forked:
    """A child of this process that runs `body`, as one that was left to us."""
    read_end, leash = os.pipe()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-S", "-c", body],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, read_end, 0)],
    )
    os.close(read_end)
    return Forked(pid, leash)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path


async def test_an_exit_status_is_told_to_all_who_wait_and_ask() -> None:
    process = fork("raise SystemExit(3)")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(process.wait)
        nursery.start_soon(process.wait)
    assert (await process.wait(), process.poll()) == (3, 3)
    await process.stdin.aclose()


async def test_a_signal_is_told_as_a_negative_number_and_one_that_is_gone_is_not_signalled() -> None:
    process = fork("import time; time.sleep(60)")
    assert process.poll() is None
    process.terminate()
    assert await process.wait() == -signal.SIGTERM
    process.terminate()
    await process.stdin.aclose()


async def test_the_end_of_the_leash_is_the_end_of_its_stdin() -> None:
    process = fork("import sys; sys.stdin.read(); raise SystemExit(5)")
    await process.stdin.aclose()
    assert await process.wait() == 5


async def test_a_deaf_one_is_killed_with_its_group(run: Path) -> None:
    process = fork(
        "import os, signal, time; os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "open('/proc/self/comm', 'w').write('deaf'); time.sleep(60)"
    )
    child = Child("kv", process, run / "logs" / "kv.log")

    async def deaf() -> bool:
        return await trio.Path(f"/proc/{child.pid}/comm").read_text() == "deaf\n"

    await children.until_ready(child, deaf, 10.0)
    assert await children.stop_all([child], patience_s=0.1) == ["kv"]
    assert child.how_it_ended() == "killed by SIGKILL"


@pytest.mark.parametrize("together", [True, False])
async def test_a_service_that_cannot_start_says_so_in_its_own_log(
    run: Path, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    monkeypatch.setattr(forked, "possible", lambda: together)
    (child,) = await children.start_services(["nosuch"], run, {})
    said = r"nosuch \(process \d+\) ended: exit status 2; its log, .*nosuch\.log, ends:\n  nosuch: .*not a run folder"
    with pytest.raises(ChildDied, match=said):
        await children.watch(child, lambda status: False)
    assert await children.stop(child)
    assert [path.name for path in (run / "logs").iterdir()] == ["nosuch.log"]


async def test_what_cannot_be_forked_is_told_with_the_log(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = run / "python"
    script.write_text("#!/bin/sh\necho 'no memory left' >&2\nexit 9\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(NotReady, match=r"could not be started \(exit status 9\); .*services\.log, ends:\n  no memory"):
        await children.start_services(["dns", "kv"], run, {})


def test_afterwards_this_process_adopts_nobody() -> None:
    assert forked.possible()
    child = os.fork()
    if child == 0:  # its own child outlives it, and is not ours
        grandchild = os.posix_spawn("/bin/true", ["true"], {})
        os._exit(0 if grandchild else 1)
    os.waitpid(child, 0)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
