"""Row files copied over a connection that loses, repeats and reorders: whole, or a beginning of the whole."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.load import shipping
from harness.load.shipping import CHUNK_BYTES, RESEND_S, WINDOW_BYTES, Landing, Shipper, goods_of
from harness.record.rows import RowWriter, read_rows

NAME = "load-1-gauge.rows"
NAMES = {"component": ["load-1"], "gauge": ["started"]}


class Line:
    """A connection in a test's hands: what was sent waits here until the test delivers it, twice, late, or never."""

    def __init__(self, there: Path, here: Path, expected: tuple[str, ...] = (NAME,)) -> None:
        there.mkdir(exist_ok=True)
        here.mkdir(exist_ok=True)
        self.there, self.here = there, here
        self.sent: list[dict[str, Any]] = []
        self.shipper = Shipper(there, self.sent.append)
        self.landing = Landing(here, expected)

    def deliver(self, piece: dict[str, Any], now_s: float, *, answered: bool = True) -> None:
        has = self.landing.take(piece["file"], piece["offset"], piece["data"])
        if answered:
            self.shipper.got(piece["file"], has, now_s)

    def close(self) -> None:
        self.shipper.close()
        self.landing.close()

    def under_way(self) -> int:
        """Bytes sent and not known to have arrived."""
        return sum(going.sent - going.had for going in self.shipper._going.values())

    def to_the_end(self) -> None:
        """A line that has become good: everything arrives."""
        for turn in itertools.count(1):
            now_s = 1_000.0 + turn * RESEND_S
            self.shipper.pump(now_s)
            waiting, self.sent[:] = list(self.sent), []
            for piece in waiting:
                self.deliver(piece, now_s)
            if self.shipper.is_done():
                return
            assert turn < 1_000


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path / "there", tmp_path / "here")
    yield made
    made.close()


def write(path: Path, rows: int, *, close: bool = True) -> RowWriter:
    writer = RowWriter(path, "gauge", "load-1-gauge", 17, NAMES)
    for number in range(rows):
        writer.add(number, 0, 0, float(number))
    writer.close() if close else writer.flush()
    return writer


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_the_line_does_the_copy_is_a_beginning_and_in_the_end_the_whole(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch, ExitStack() as open_files:
        patch.setattr(shipping, "CHUNK_BYTES", 64)
        patch.setattr(shipping, "WINDOW_BYTES", 200)
        line = Line(Path(place) / "there", Path(place) / "here")
        open_files.callback(line.close)
        written = open_files.enter_context(write(line.there / NAME, 0, close=False))
        for _ in range(data.draw(st.integers(0, 60))):
            written.add(7, 0, 0, 7.0)
        whole = line.there / NAME
        lost = []
        for turn in range(data.draw(st.integers(0, 12))):
            now_s = turn * 0.4
            if data.draw(st.booleans()):
                written.add(turn, 0, 0, 1.0)
                written.flush()
            line.shipper.pump(now_s)
            assert line.under_way() <= 200
            for _ in range(data.draw(st.integers(0, 4))):
                if line.sent:
                    piece = line.sent[data.draw(st.integers(0, len(line.sent) - 1))]
                    what = data.draw(st.sampled_from(["deliver", "twice", "lose", "lose the answer"]))
                    if what != "twice":
                        line.sent.remove(piece)
                    if what == "lose":
                        lost.append(piece)
                    else:
                        line.deliver(piece, now_s, answered=what != "lose the answer")
            copy = line.here / NAME
            if copy.exists():
                assert whole.read_bytes().startswith(copy.read_bytes())
        written.close()
        if (line.here / NAME).exists() and (line.here / NAME).stat().st_size > 200:
            assert not read_rows(line.here / NAME).complete
        line.to_the_end()
        assert (line.here / NAME).read_bytes() == whole.read_bytes()
        assert line.landing.differences(line.shipper.manifest()) == []
        assert read_rows(line.here / NAME).complete
        for piece in lost:  # what was thought lost comes after all
            line.deliver(piece, 9_999.0)
        assert (line.here / NAME).read_bytes() == whole.read_bytes()


def test_what_is_under_way_never_exceeds_the_window_however_much_there_is(line: Line) -> None:
    write(line.there / NAME, 100_000)  # 2 MB
    for now_s in (0.0, 0.1, 0.2):
        line.shipper.pump(now_s)
        assert line.under_way() == WINDOW_BYTES
    assert [len(piece["data"]) for piece in line.sent] == [CHUNK_BYTES] * (WINDOW_BYTES // CHUNK_BYTES)
    assert [piece["seq"] for piece in line.sent] == list(range(len(line.sent)))


def test_without_progress_everything_since_the_last_answer_is_sent_again_and_not_before(line: Line) -> None:
    write(line.there / NAME, 10_000)
    line.shipper.pump(5.0)
    first = [(piece["offset"], len(piece["data"])) for piece in line.sent]
    line.sent.clear()
    line.shipper.pump(5.0 + RESEND_S - 0.001)
    assert line.sent == []
    line.shipper.pump(5.0 + RESEND_S)
    assert [(piece["offset"], len(piece["data"])) for piece in line.sent] == first


def test_patience_counts_from_the_first_byte_under_way_not_from_a_quiet_spell(line: Line) -> None:
    writer = write(line.there / NAME, 10, close=False)
    line.shipper.pump(0.0)
    line.deliver(line.sent.pop(), 0.0)
    writer.add(1, 0, 0, 1.0)
    writer.flush()
    line.shipper.pump(50.0)
    line.sent.clear()
    line.shipper.pump(50.0 + RESEND_S / 2)
    assert line.sent == []
    writer.close()


def test_a_chunk_too_early_is_left_and_one_that_overlaps_is_taken_from_where_the_copy_ends(line: Line) -> None:
    take = line.landing.take
    assert take(NAME, 3, b"defg") == 0
    assert take(NAME, 0, b"abc") == 3
    assert take(NAME, 1, b"bcde") == 5
    assert take(NAME, 0, b"ab") == 5
    assert take(NAME, -1, b"zzzzzzzz") == 5
    line.landing.close()
    assert (line.here / NAME).read_bytes() == b"abcde"


def test_only_the_worker_s_own_files_are_taken(line: Line, tmp_path: Path) -> None:
    for name in ("load-2-gauge.rows", "../../etc/x.rows", "", "load-1-gauge.rows/"):
        with pytest.raises(ValueError, match="no row file of this worker"):
            line.landing.take(name, 0, b"x")
    assert list(line.here.iterdir()) == []


def test_a_copy_that_differs_is_told_in_words(line: Line) -> None:
    write(line.there / NAME, 3)
    goods = goods_of(line.there / NAME)
    manifest = {NAME: list(goods)}
    assert line.landing.differences(manifest) == [f"{NAME}: 0 of {goods.size} bytes arrived"]
    line.landing.take(NAME, 0, b"x" * goods.size)
    assert line.landing.differences(manifest) == [f"{NAME}: what arrived is not what was sent"]
    assert line.landing.differences({}) == [f"{NAME}: the worker tells of no such file"]
    extra = {**manifest, "other.rows": [1, ""]}
    assert "other.rows: 0 of 1 bytes arrived" in line.landing.differences(extra)
