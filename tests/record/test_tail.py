"""Row files read while they grow."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.record.rows import RowWriter
from harness.record.tail import Tail


def gauge_file(path: Path, count: int) -> bytes:
    with RowWriter(path, "gauge", "load-0", 0, {"gauge": ["a"]}) as writer:
        for number in range(count):
            writer.add(number, 0, 0, float(number))
    return path.read_bytes()


def test_a_file_that_is_not_there_yet_has_no_rows(tmp_path: Path) -> None:
    assert Tail(tmp_path / "x.rows").read() is None


def test_the_header_names_what_the_rows_mean(tmp_path: Path) -> None:
    gauge_file(tmp_path / "x.rows", 1)
    tail = Tail(tmp_path / "x.rows")
    tail.read()
    assert tail.header is not None
    assert (tail.header.kind, tail.header.writer, tail.header.names) == ("gauge", "load-0", {"gauge": ["a"]})


@given(data=st.data(), count=st.integers(0, 30))
def test_however_it_is_torn_each_row_is_read_once_and_the_count_never(
    data: st.DataObject, count: int, tmp_path_factory: object
) -> None:
    folder: Path = tmp_path_factory.mktemp("tail")  # type: ignore[attr-defined]
    whole = gauge_file(folder / "whole.rows", count)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    growing, found = folder / "growing.rows", []
    tail = Tail(growing)
    for cut in [*cuts, len(whole)]:
        growing.write_bytes(whole[:cut])
        rows = tail.read()
        found += [] if rows is None else rows["t_ns"].tolist()
    assert found == list(range(count))
