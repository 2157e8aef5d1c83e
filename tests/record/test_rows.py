"""Row files: what was written is what is read, and how the file ended is told."""

from __future__ import annotations

import json
import resource
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import Exit, RecordError
from harness.record.layouts import ATTEMPT, GAUGE, LAYOUTS, MAGIC, OPERATION, SERVED, TRAILER
from harness.record.rows import RowFile, RowWriter, read_rows

TRAILER_BYTES = len(TRAILER) + 8
NAMES = {"component": ["dns", "kv"], "gauge": ["waiting_queue"]}


def write_gauges(path: Path, count: int, *, close: bool = True) -> RowWriter:
    writer = RowWriter(path, "gauge", "orchestrator", 17, NAMES)
    for number in range(count):
        writer.add(number, 1, 0, number / 2)
    if close:
        writer.close()
    else:
        writer.flush()
    return writer


def test_a_disk_that_fills_costs_no_whole_row_and_shifts_none(tmp_path: Path) -> None:
    """The system takes a part of a block before it refuses the rest; that part must not be written twice or lost."""
    path = tmp_path / "gauges.rows"
    writer = write_gauges(path, 2, close=False)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 30, before[1]))  # room for a row and a half
    try:
        for number in range(2, 6):
            writer.add(number, 1, 0, number / 2)
        with pytest.raises(OSError, match="too large"):
            writer.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert read_rows(path).rows["t_ns"].tolist() == [0, 1, 2]
    writer.close()
    found = read_rows(path)
    assert found.rows["t_ns"].tolist() == [0, 1, 2, 3, 4, 5]
    assert found.complete


def values(layout: tuple[tuple[str, str], ...]) -> st.SearchStrategy[tuple[float, ...]]:
    """One row of a layout: integers over the whole range of each column, floats that compare equal to themselves."""
    ranges = {"<u1": (0, 2**8 - 1), "<u2": (0, 2**16 - 1), "<u8": (0, 2**64 - 1), "<i8": (-(2**63), 2**63 - 1)}
    return st.tuples(
        *(
            st.integers(*ranges[code]) if code in ranges else st.floats(allow_nan=False, allow_infinity=True)
            for _, code in layout
        )
    )


@pytest.mark.parametrize("kind", LAYOUTS)
def test_every_row_written_is_read_back_exactly(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    @settings(max_examples=25, deadline=None)
    @given(st.lists(values(LAYOUTS[kind]), max_size=6))
    def check(rows: list[tuple[float, ...]]) -> None:
        path = tmp_path_factory.mktemp("rows") / "x.rows"
        with RowWriter(path, kind, "me", -1, {}) as writer:
            for row in rows:
                writer.add(*row)
        found = read_rows(path)
        assert [tuple(row) for row in found.rows.tolist()] == rows
        assert (found.kind, found.writer, found.complete, found.torn_bytes) == (kind, "me", True, 0)

    check()


def test_the_header_says_kind_writer_zero_and_names(tmp_path: Path) -> None:
    write_gauges(tmp_path / "gauges.rows", 3)
    found = read_rows(tmp_path / "gauges.rows")
    assert (found.kind, found.writer, found.zero_monotonic_ns, found.names) == ("gauge", "orchestrator", 17, NAMES)


def test_the_file_is_laid_out_as_documented(tmp_path: Path) -> None:
    """Read without our reader: magic, length, JSON, little-endian records, trailer with the count."""
    path = tmp_path / "gauges.rows"
    write_gauges(path, 2)
    raw = path.read_bytes()
    assert raw.startswith(b"BSROWS01")
    (length,) = struct.unpack_from("<I", raw, 8)
    header = json.loads(raw[12 : 12 + length])
    assert set(header) == {"kind", "writer", "dtype", "zero_monotonic_ns", "names"}
    assert header["dtype"] == [["t_ns", "<i8"], ["component", "<u2"], ["gauge", "<u2"], ["value", "<f8"]]
    body = raw[12 + length :]
    assert [struct.unpack_from("<qHHd", body, 20 * k) for k in range(2)] == [(0, 1, 0, 0.0), (1, 1, 0, 0.5)]
    assert body[40:] == b"BSEND" + struct.pack("<Q", 2)


def test_layouts_are_the_documented_columns() -> None:
    assert [name for name, _ in OPERATION] == [
        "op", "story", "app", "worker", "intended_ns", "started_ns", "finished_ns", "deadline_ns", "outcome",
        "attempts",
    ]  # fmt: skip
    assert [name for name, _ in ATTEMPT] == [
        "op", "layer", "parent", "attempt", "n", "target", "sent_ns", "ended_ns", "result", "status", "cause",
    ]  # fmt: skip
    assert [name for name, _ in SERVED] == [
        "attempt", "component", "arrived_ns", "began_ns", "ended_ns", "service_ns", "abandoned",
    ]  # fmt: skip
    assert [name for name, _ in GAUGE] == ["t_ns", "component", "gauge", "value"]


def test_an_empty_file_is_complete(tmp_path: Path) -> None:
    write_gauges(tmp_path / "x.rows", 0)
    found = read_rows(tmp_path / "x.rows")
    assert (found.rows.size, found.complete) == (0, True)


def test_without_its_trailer_a_file_is_whole_but_not_complete(tmp_path: Path) -> None:
    writer = write_gauges(tmp_path / "x.rows", 5, close=False)
    found = read_rows(tmp_path / "x.rows")
    writer.close()
    assert (found.rows["t_ns"].tolist(), found.complete, found.torn_bytes) == ([0, 1, 2, 3, 4], False, 0)


def test_a_file_cut_anywhere_keeps_every_whole_row_before_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "x.rows"
    write_gauges(path, 4)
    raw = path.read_bytes()
    body = len(raw) - 4 * 20 - TRAILER_BYTES
    for cut in range(body, len(raw)):
        path.write_bytes(raw[:cut])
        found = read_rows(path)
        whole = min((cut - body) // 20, 4)
        assert found.rows["t_ns"].tolist()[:whole] == list(range(whole)), cut
        assert found.rows.size == whole, cut
        assert found.torn_bytes == cut - body - 20 * whole, cut
        assert not found.complete, cut


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 11, 12, 20, 60])
def test_a_file_cut_inside_its_header_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x.rows"
    write_gauges(path, 4)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(RecordError, match=r"x\.rows: ") as caught:
        read_rows(path)
    assert caught.value.exit_code is Exit.USAGE


def test_a_trailer_with_another_count_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "x.rows"
    write_gauges(path, 3)
    raw = path.read_bytes()
    path.write_bytes(raw[:-8] + struct.pack("<Q", 4))
    found = read_rows(path)
    assert (found.rows.size, found.complete, found.torn_bytes) == (3, False, TRAILER_BYTES)


def test_rows_after_a_trailer_make_the_file_incomplete(tmp_path: Path) -> None:
    path = tmp_path / "x.rows"
    write_gauges(path, 3)
    with path.open("ab") as file:
        file.write(bytes(20))
    assert not read_rows(path).complete


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a row file"),
        (b"hello world, this is no row file", "not a row file"),
        (MAGIC + struct.pack("<I", 2) + b"{}", "header of this row file is damaged"),
        (MAGIC + struct.pack("<I", 5) + b"nojsn", "header of this row file is damaged"),
        (MAGIC + struct.pack("<I", 4) + b"\xff\xfe\xff\xfe", "header of this row file is damaged"),
        (MAGIC + struct.pack("<I", 16) + b'{"dtype": [[1]]}', "header of this row file is damaged"),
        (MAGIC + struct.pack("<I", 2**32 - 1) + b'{"dtype": []}', "header of this row file is damaged"),
        (MAGIC + struct.pack("<I", 13) + b'{"dtype": []}', "header of this row file is damaged"),
        (MAGIC + struct.pack("<I", 24) + b'{"dtype": [["t","<i8"]]}', "header of this row file is damaged"),
        (MAGIC + struct.pack("<I", 2) + b"[]", "header of this row file is damaged"),
    ],
    ids=["empty", "text", "no columns", "no json", "no utf8", "odd column", "endless", "width 0", "no kind", "a list"],
)
def test_what_is_no_row_file_is_refused_with_what_to_do(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "x.rows"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=said):
        read_rows(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"none\.rows: cannot be read: No such file"):
        read_rows(tmp_path / "none.rows")
    with pytest.raises(RecordError, match="cannot be read: Is a directory"):
        read_rows(tmp_path)


def test_rows_reach_the_disk_in_blocks_and_on_flush(tmp_path: Path) -> None:
    path = tmp_path / "x.rows"
    writer = RowWriter(path, "gauge", "w", 0)
    header = path.stat().st_size
    for _ in range(3276):  # 65,520 bytes: one row short of a block
        writer.add(1, 0, 0, 0.0)
    assert path.stat().st_size == header
    writer.add(1, 0, 0, 0.0)
    assert path.stat().st_size == header + 3277 * 20
    writer.add(1, 0, 0, 0.0)
    writer.flush()
    assert path.stat().st_size == header + 3278 * 20
    writer.close()


def test_closing_twice_writes_one_trailer(tmp_path: Path) -> None:
    writer = write_gauges(tmp_path / "x.rows", 2)
    size = (tmp_path / "x.rows").stat().st_size
    writer.close()
    writer.flush()
    assert (tmp_path / "x.rows").stat().st_size == size


def test_a_value_that_does_not_fit_its_column_is_refused_not_wrapped(tmp_path: Path) -> None:
    writer = RowWriter(tmp_path / "x.rows", "gauge", "w", 0)
    with pytest.raises(struct.error):
        writer.add(0, 2**16, 0, 0.0)
    writer.add(0, 1, 0, 0.0)
    writer.close()
    found = read_rows(tmp_path / "x.rows")
    assert (found.rows.size, found.complete) == (1, True)


def test_rows_are_numpy_records_with_named_columns(tmp_path: Path) -> None:
    write_gauges(tmp_path / "x.rows", 4)
    rows = read_rows(tmp_path / "x.rows").rows
    assert rows.dtype == np.dtype([("t_ns", "<i8"), ("component", "<u2"), ("gauge", "<u2"), ("value", "<f8")])
    assert rows["value"].sum() == 3.0


def test_a_file_has_its_whole_header_from_the_moment_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.rows"
    named: list[RowFile] = []
    replace = Path.replace

    def watched(old: Path, new: Path) -> Path:
        assert not path.exists()
        replace(old, new)
        named.append(read_rows(path))
        return new

    monkeypatch.setattr(Path, "replace", watched)
    RowWriter(path, "gauge", "w", 5, {"gauge": ["a"]}).close()
    assert [(file.names, file.rows.size) for file in named] == [({"gauge": ["a"]}, 0)]
    assert [found.name for found in tmp_path.iterdir()] == ["x.rows"]
