"""Master and workers without Locust's connection: shares, who may take part, what becomes of each, who hears what."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness.errors import Exit
from harness.load import handshake
from harness.load.find_run import Found
from harness.load.member import KINDS, Member, State
from harness.load.pacer import Arrival, share
from harness.load.recorder import Recorder
from harness.load.session import digest_of
from harness.load.shipping import Shipper
from harness.load.worker import Worker
from harness.load.workers import Crew
from harness.plan import make_plan
from harness.record.folder import RunFolder
from harness.record.layouts import Outcome
from harness.record.rows import RowWriter, read_rows
from harness.schedule import Schedule
from harness.spec.load import parse_experiment

NAMES = {"story": ["kv_reads"], "app": ["kv"], "worker": ["load-0", "load-1"]}


@given(st.integers(0, 300), st.integers(1, 40))
def test_the_shares_of_any_number_of_workers_are_the_schedule_each_operation_once(n: int, workers: int) -> None:
    schedule = [Arrival(op, op % 3, op / 7.0) for op in range(1, n + 1)]
    shares = [schedule[share(k, workers)] for k in range(workers)]
    assert sorted(arrival for each in shares for arrival in each) == schedule
    for k, each in enumerate(shares):
        assert [(arrival.op - 1) % workers for arrival in each] == [k] * len(each)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(("worker", "workers"), [(2, 2), (-1, 2), (0, 0)])
def test_a_worker_beyond_the_last_has_no_share(worker: int, workers: int) -> None:
    with pytest.raises(ValueError, match="numbered from 0"):
        share(worker, workers)


def test_a_schedule_that_differs_in_one_bit_has_another_digest() -> None:
    text = "title: t\ndescription: d\nload: {kv_reads: {arrivals: {rate: 50/s, process: poisson}}}\n" + (
        "phases: {warm_up: 0s, baseline: 1s, outage: 1s, recovery: 2s, drain: 1s}\ntimeline:\n"
        "  - {at: outage.start, do: kv.latency, with: {mean: 30ms, for: 1s}}\n"
        "  - {at: outage.end, do: kv.drop_queue, fix: true}\nvariants: {only: {}}\n"
    )
    plan = make_plan(parse_experiment(text, "t"), "only", 3)
    schedule = plan.schedule()
    moved = schedule.intended_s.copy()
    moved.view("u8")[17] ^= 1
    assert digest_of(schedule) == digest_of(plan.schedule())
    assert digest_of(schedule) != digest_of(Schedule(schedule.op, schedule.story, moved))


def test_a_worker_of_another_version_is_refused_in_words_that_name_both() -> None:
    said = handshake.hello()
    assert handshake.objection(said) is None
    other = {**said, "pid": 77, "versions": {**said["versions"], "blackstart": "0.0.9"}}
    why = handshake.objection(other)
    assert why is not None
    assert f"worker (process 77) runs blackstart 0.0.9 and locust {said['versions']['locust']}" in why
    assert f"the master runs blackstart {harness.__version__} and" in why
    assert "install the same versions" in why
    assert "no known version" in str(handshake.objection({}))


def test_a_clock_is_shared_within_one_boot_and_time_namespace_only() -> None:
    assert handshake.same_clock(handshake.machine(), handshake.machine())
    assert not handshake.same_clock("boot-a time:[1]", "boot-a time:[2]")
    assert not handshake.same_clock("", "")  # unknown is not equal


def test_a_folder_is_here_when_the_same_one_is_behind_the_same_name(tmp_path: Path) -> None:
    mark = handshake.folder_mark(tmp_path)
    assert handshake.is_here(str(tmp_path), mark)
    assert not handshake.is_here(str(tmp_path), [mark[0], mark[1] + 1])  # another host's folder of that name
    assert not handshake.is_here(str(tmp_path / "absent"), mark)


class Told:
    """A runner that keeps what it is to send, and what is to be called when something comes."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[..., None]] = {}
        self.sent: list[tuple[str, Any, str | None]] = []
        self.clients: dict[str, Any] = {}
        self.greenlet = [None]

    def register_message(self, kind: str, handler: Callable[..., None]) -> None:
        self.handlers[kind] = handler

    def send_message(self, kind: str, data: Any = None, client_id: str | None = None) -> None:
        self.sent.append((kind, data, client_id))

    def quit(self) -> None:
        self.sent.append(("quit", None, None))

    def hear(self, kind: str, data: Any = None, node_id: str = "w") -> None:
        """As Locust does: by keyword, with the environment beside the message."""
        self.handlers[kind](environment=None, msg=SimpleNamespace(type=kind, data=data, node_id=node_id))


class Hook:
    """One of Locust's events, but what a listener raises is not swallowed."""

    def __init__(self) -> None:
        self.listeners: list[Callable[..., None]] = []

    def add_listener(self, listener: Callable[..., None]) -> None:
        self.listeners.append(listener)

    def fire(self, **told: Any) -> None:
        assert self.listeners
        for listener in self.listeners:
            listener(**told)


def environment(runner: Told) -> Any:
    options = SimpleNamespace(headless=True, expect_workers=1, expect_workers_max_wait=0)
    names = ("test_start", "test_stopping", "quitting", "heartbeat_received")
    events = SimpleNamespace(**{name: Hook() for name in names})
    return SimpleNamespace(runner=runner, events=events, parsed_options=options, shape_class=None)


def crew(tmp_path: Path) -> tuple[Crew, Told]:
    runner = Told()
    folder = RunFolder.create(tmp_path, "t", "v", 1, "x")
    made = Crew(environment(runner), Found(folder, True), lambda *_: pytest.fail("nothing is prepared here"))
    made.attach()
    return made, runner


def test_the_master_answers_each_hello_and_refuses_as_often_as_it_is_asked(tmp_path: Path) -> None:
    made, runner = crew(tmp_path)
    made.environment.parsed_options.headless = False  # then the others may go on without it
    runner.hear(handshake.HELLO, handshake.hello(), "good")
    runner.hear(handshake.HELLO, {"pid": 5}, "strange")
    runner.hear(handshake.HELLO, {"pid": 5}, "strange")
    assert [(kind, client) for kind, _, client in runner.sent] == [
        (handshake.WELCOME, "good"), (handshake.REFUSED, "strange"), (handshake.REFUSED, "strange"),
    ]  # fmt: skip


def test_a_refused_worker_is_the_end_of_a_run_that_nobody_watches(tmp_path: Path) -> None:
    made, runner = crew(tmp_path)
    runner.hear(handshake.HELLO, {"pid": 5}, "strange")
    assert made.exit_code is Exit.USAGE
    assert made.environment.parsed_options.expect_workers == 0  # Locust's waiting ends, and it starts nothing
    made._on_start(environment=None)
    assert made._job is None


def test_the_master_gives_its_clock_between_hearing_and_answering(tmp_path: Path) -> None:
    _, runner = crew(tmp_path)
    runner.hear(handshake.CLOCK, {"asked_ns": 12})
    ((kind, times, client),) = runner.sent
    assert (kind, client, times["asked_ns"]) == (handshake.CLOCK, "w", 12)
    assert times["received_ns"] <= times["answered_ns"]


def test_every_listener_of_ours_takes_what_locust_calls_it_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locust calls by keyword and only logs what is raised: a wrong name of an argument is a run without its event."""
    monkeypatch.setattr(Worker, "_mind_the_master", lambda _: None)  # it would end this process
    made, runner = crew(tmp_path)
    theirs = Told()
    worker = Worker(environment(theirs), lambda *_: pytest.fail("nothing is prepared here"))
    worker.attach()
    theirs.hear(handshake.WELCOME, {}, "master")
    for part in (made, worker):
        hooks = part.environment.events
        hooks.test_stopping.fire(environment=part.environment)
        hooks.quitting.fire(environment=part.environment)
    made.environment.events.test_start.fire(environment=made.environment)
    made.finish()
    worker.environment.events.heartbeat_received.fire(client_id="c", timestamp=1.0)
    theirs.hear(handshake.END, {}, "master")
    theirs.hear(handshake.GOT, {"file": "x", "offset": 0}, "master")
    theirs.hear(handshake.CLOCK, {"asked_ns": 1, "received_ns": 2, "answered_ns": 3}, "master")
    assert set(theirs.handlers) == {
        handshake.WELCOME, handshake.REFUSED, handshake.CLOCK, handshake.PREPARE, handshake.BEGIN, handshake.GOT,
        handshake.END,
    }  # fmt: skip
    assert set(runner.handlers) == {
        handshake.HELLO, handshake.CLOCK, handshake.PREPARED, handshake.ROWS, handshake.DRAINED, handshake.FAILED,
    }  # fmt: skip


def member(tmp_path: Path, share: int = 4, number: int = 1) -> tuple[Member, RunFolder]:
    folder = RunFolder.create(tmp_path, "t", "v", 1, "x")
    made = Member("w", handshake.hello())
    made.enlist(number, 0)
    made.state = State.PLAYING
    made.prepared = {"share": share, "clock": {"offset_ns": 0}, "same_clock": True}
    return made, folder


def write_rows(folder: RunFolder, ops: list[int], *, close: bool = True) -> None:
    for kind in KINDS:
        writer = RowWriter(folder.rows / f"load-1-{kind}.rows", kind, f"load-1-{kind}", 5, NAMES)
        for op in ops if kind == "operation" else []:
            writer.add(op, 0, 0, 1, 0, 0, 0, -1, Outcome.GOOD, 1)
        writer.flush()
        if close:
            writer.close()
        else:
            writer._file.close()  # type: ignore[union-attr]


def test_a_lost_worker_s_rows_are_kept_and_the_rest_of_its_share_is_missing(tmp_path: Path) -> None:
    lost, folder = member(tmp_path)
    write_rows(folder, [2, 4, 6], close=False)
    lost.lose("its process ended")
    assert lost.settle(folder, cut=False) == []  # told when it was lost
    told = lost.to_json()
    assert (told["state"], told["why"], told["rows"], told["missing"]) == ("lost", "its process ended", 3, 1)
    assert told["scheduled"] is None


def test_a_worker_that_left_no_file_misses_its_whole_share(tmp_path: Path) -> None:
    lost, folder = member(tmp_path)
    lost.lose("it was not heard for 10 s")
    lost.settle(folder, cut=False)
    assert (lost.rows, lost.missing) == (0, 4)


def test_a_worker_that_ended_too_early_is_short_though_its_files_are_closed(tmp_path: Path) -> None:
    short, folder = member(tmp_path)
    write_rows(folder, [2, 4])
    short.home({"summary": {"scheduled": 2, "started": 2, "dropped": 0}, "files": {}, "clock": None})
    words = ["load-1 ended before its time: 2 of the 4 operations of its share are missing"]
    assert short.settle(folder, cut=False) == words
    assert short.settle(folder, cut=True) == []  # told to: what it had scheduled is there


def test_a_worker_whose_copies_are_not_whole_is_lost_though_it_says_it_is_drained(tmp_path: Path) -> None:
    far, folder = member(tmp_path)
    there = RunFolder.create(tmp_path, "t", "v", 1, "far")
    write_rows(there, [2, 4, 6, 8])
    far.land(folder.rows)
    pieces: list[dict[str, Any]] = []
    shipper = Shipper(there.rows, pieces.append)
    shipper.pump(0.0)
    assert far.landing is not None
    for piece in pieces[:-1]:
        far.landing.take(piece["file"], piece["offset"], piece["data"])
    far.home({"summary": {"scheduled": 4}, "files": shipper.manifest(), "clock": None})
    assert (far.state, far.why) == (State.LOST, f"load-1-operation.rows: 0 of {len(pieces[-1]['data'])} bytes arrived")
    far.landing.take(pieces[-1]["file"], 0, pieces[-1]["data"])
    far.home({"summary": {"scheduled": 4}, "files": shipper.manifest(), "clock": None})
    assert far.state is State.DRAINED
    assert far.settle(folder, cut=False) == []
    assert read_rows(folder.rows / "load-1-operation.rows").complete
    assert folder.read_json(folder.path / "load-1.json") == {"scheduled": 4}
    shipper.close()


def test_what_a_worker_could_not_do_ends_the_master_with_its_code_and_name(tmp_path: Path) -> None:
    broken, _ = member(tmp_path)
    broken.fail("load.kv_reads: no such story", Exit.USAGE)
    error = broken.error()
    assert (str(error), error.exit_code) == ("load-1: load.kv_reads: no such story", Exit.USAGE)


@pytest.mark.parametrize(("alone", "component", "orbit"), [(True, "load", "waiting_orbit"), (False, "load-1", "orbit")])
def test_of_several_workers_each_has_curves_of_its_own(tmp_path: Path, alone: bool, component: str, orbit: str) -> None:
    """One name for two workers would be one curve that jumps between them."""
    folder = RunFolder.create(tmp_path, "t", "v", 1, "x")
    recorder = Recorder(folder, 1, 5, ["s"], ["a"], ["t"], ["waiting_orbit", "started"], alone)
    recorder.gauges(7, {"waiting_orbit": 2.0, "started": 3.0})
    recorder.close({})
    found = read_rows(folder.rows / "load-1-gauge.rows")
    assert found.names == {"component": [component], "gauge": [orbit, "started"]}
    assert found.rows["value"].tolist() == [2.0, 3.0]


def test_a_process_that_is_gone_or_not_reaped_does_not_run() -> None:
    from harness.load.workers import _runs

    assert _runs(os.getpid())
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # ended, and nobody asked: what Locust does with its workers
    assert not _runs(child)
    os.waitpid(child, 0)
    assert not _runs(child)
