"""The first reason to leave wins."""

from __future__ import annotations

import os
import signal

import trio

from harness.errors import Exit, NotReady, RunError
from harness.live.way_out import DONE, SIGNALS, WayOut


async def test_the_first_reason_wins_and_ends_every_task() -> None:
    out = WayOut()

    async def fails() -> None:
        await trio.sleep(1.0)
        raise NotReady("kv was not ready within 30 s")

    async def fails_because_of_it() -> None:
        await trio.sleep(1.0 + 1e-3)
        raise RunError("kv: nobody answers")

    with out.scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(out.guard, fails)
            nursery.start_soon(out.guard, fails_because_of_it)
            nursery.start_soon(trio.sleep_forever)
    out.leave(DONE)
    assert trio.current_time() == 1.0
    assert out.state == ("failed", Exit.MACHINERY, "kv was not ready within 30 s")


async def test_signals_have_their_exit_codes_and_later_ones_change_nothing() -> None:
    out = WayOut()
    with trio.open_signal_receiver(*SIGNALS) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(out.on_signals, signals)
            with out.scope:
                os.kill(os.getpid(), signal.SIGTERM)
                await trio.sleep_forever()
            os.kill(os.getpid(), signal.SIGINT)
            await trio.testing.wait_all_tasks_blocked(0.01)
            nursery.cancel_scope.cancel()
    assert out.state is not None
    assert (out.state.state, out.state.exit_code) == ("terminated", Exit.TERMINATED)


async def test_a_full_disk_is_told_as_one() -> None:
    out = WayOut()

    async def write() -> None:
        raise OSError(28, "No space left on device", "runs/x/gauges.rows")

    with out.scope:
        await out.guard(write)
    assert out.state is not None
    assert out.state.exit_code is Exit.MACHINERY
    assert out.state.message == (
        "runs/x/gauges.rows: No space left on device; see that the disk has room and may be written"
    )


async def test_an_error_inside_a_nursery_of_the_task_is_a_reason_like_any_other() -> None:
    """A nursery raises its children's errors as a group, which no plain `except` catches."""
    out = WayOut()

    async def fails() -> None:
        await trio.sleep(0.1)
        raise OSError(28, "No space left on device", "runs/x/gauges.rows")

    async def task() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails)
            nursery.start_soon(trio.sleep_forever)

    with out.scope:
        await out.guard(task)
    assert out.state is not None
    assert out.state.message.startswith("runs/x/gauges.rows: No space left on device; ")
