"""The journal: whole entries of several processes, in order of time, torn ends left out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import RecordError
from harness.record.journal import Journal, read_journal


def test_entries_come_back_in_order_of_time_whoever_wrote_them(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    one, two = Journal(path, "orchestrator"), Journal(path, "dns")
    one.write(2.0, "fix", id="2-dns-restore")
    two.write(1.0, "apply", generation=4)
    one.write(0.5, "phase", name="baseline")
    one.close()
    two.close()
    assert read_journal(path) == [
        {"t_s": 0.5, "who": "orchestrator", "kind": "phase", "name": "baseline"},
        {"t_s": 1.0, "who": "dns", "kind": "apply", "generation": 4},
        {"t_s": 2.0, "who": "orchestrator", "kind": "fix", "id": "2-dns-restore"},
    ]


def test_entries_of_one_moment_keep_the_order_of_writing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", "w")
    for number in range(20):
        journal.write(1.0, "note", number=number)
    journal.close()
    assert [entry["number"] for entry in read_journal(tmp_path / "j")] == list(range(20))


def test_an_entry_is_on_disk_as_soon_as_it_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", "w")
    journal.write(1.0000004, "note")
    assert read_journal(tmp_path / "j") == [{"t_s": 1.0, "who": "w", "kind": "note"}]
    journal.close()


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = Journal(path, "w")
    journal.write(1.0, "note")
    journal.write(2.0, "note")
    journal.close()
    raw = path.read_bytes()
    whole = raw.index(b"\n") + 1
    for cut in range(whole, len(raw)):
        path.write_bytes(raw[:cut])
        assert [entry["t_s"] for entry in read_journal(path)] == [1.0], cut


@pytest.mark.parametrize(
    "line", ["no json\n", "{torn\n", "[1, 2]\n", '"text"\n', '{"kind": "note"}\n', '{"t_s": "x"}\n']
)
def test_a_damaged_line_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "j"
    path.write_text('{"t_s": 1.0, "who": "w", "kind": "note"}\n' + line + '{"t_s": 2.0, "who": "w", "kind": "note"}\n')
    with pytest.raises(RecordError, match=r"j:2: "):
        read_journal(path)


@pytest.mark.parametrize("line", [b"no json", b"{torn", b"[1, 2]", b'{"kind": "note"}', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_line_costs_no_other_when_its_reader_takes_note(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "j"
    path.write_bytes(b'{"t_s": 2.0, "kind": "fix"}\n' + line + b'\n{"t_s": 1.0, "kind": "inject"}\n')
    damaged: list[str] = []
    assert [entry["kind"] for entry in read_journal(path, damaged)] == ["inject", "fix"]
    assert len(damaged) == 1
    assert damaged[0].startswith(f"{path}:2: not ")


def test_a_journal_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b"\xff\xfe\n")
    with pytest.raises(RecordError, match="j"):
        read_journal(tmp_path / "j")


def test_a_missing_journal_is_refused_and_an_empty_one_is_empty(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be read: No such file"):
        read_journal(tmp_path / "none")
    (tmp_path / "j").write_text("")
    assert read_journal(tmp_path / "j") == []


def test_line_breaks_inside_values_do_not_break_entries(tmp_path: Path) -> None:
    text = "one\ntwo\u2028three\x0bfour\x85"
    journal = Journal(tmp_path / "j", "w")
    journal.write(1.0, "note", text=text)
    journal.close()
    assert read_journal(tmp_path / "j")[0]["text"] == text


WRITE_MANY = """
import sys
from pathlib import Path
from harness.record.journal import Journal
path, who = Path(sys.argv[1]), sys.argv[2]
journal = Journal(path, who)
for number in range(300):
    journal.write(number, "note", filler=who * 50)
journal.close()
"""


def test_entries_of_processes_writing_at_once_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "j"
    writers = [subprocess.Popen([sys.executable, "-c", WRITE_MANY, str(path), who]) for who in ("a", "b", "c")]
    assert [writer.wait(timeout=30) for writer in writers] == [0, 0, 0]
    lines = path.read_text().splitlines()
    assert len(lines) == 900
    for line in lines:
        entry = json.loads(line)
        assert entry["filler"] == entry["who"] * 50
