"""Exported tables hold every row of the run, with names for ids, words for codes and null for what did not happen."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from harness.analyse.load_run import load
from harness.analyse.tables import NAMES, SCHEMA, documentation, pieces
from harness.cli import run_words
from harness.errors import SpecError
from harness.flows.wants import Cause, Result
from harness.record.folder import RunFolder
from harness.record.layouts import LAYOUTS, Outcome
from harness.report.export import export
from tests.analyse.planted import Truth, plant

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return plant(tmp_path_factory.mktemp("export"), Truth(refused=((6.0, 10.0),), dropped=3))


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_schema_names_every_column_of_every_layout_in_its_order() -> None:
    assert set(SCHEMA) == set(LAYOUTS) == set(NAMES)
    for kind, layout in LAYOUTS.items():
        assert [column.name for column in SCHEMA[kind]] == [name for name, _ in layout]


def test_the_page_about_the_run_folder_is_written_from_the_schema() -> None:
    page = (ROOT / "docs" / "run_folder.md").read_text()
    assert page.endswith(documentation().rstrip() + "\n")


def test_csv_holds_every_row_with_names_words_and_gaps(run: RunFolder, tmp_path: Path) -> None:
    made, problems = export(run, tmp_path / "out", "csv")
    assert [path.name for path in made] == ["operations.csv", "attempts.csv", "served.csv", "gauges.csv"]
    assert problems == []
    files = {file.kind: file.rows for file in load(run).files}
    tables = {kind: read(tmp_path / "out" / f"{name}.csv") for kind, name in NAMES.items()}
    assert {kind: len(table) for kind, table in tables.items()} == {kind: rows.size for kind, rows in files.items()}
    operations = tables["operation"]
    assert {row["story"] for row in operations} == {"kv_reads"}
    words = {int(outcome): outcome.name.lower() for outcome in Outcome}
    assert Counter(row["outcome"] for row in operations) == Counter(
        words[int(o)] for o in files["operation"]["outcome"]
    )
    dropped = [row for row in operations if row["outcome"] == "dropped"]
    assert len(dropped) == 3
    assert {(row["started_ns"], row["finished_ns"]) for row in dropped} == {("", "")}
    refused = [row for row in tables["attempt"] if row["result"] == Result.REFUSED.name.lower()]
    assert {row["cause"] for row in refused} == {Cause.QUEUE_FULL.name.lower()}
    assert {row["began_ns"] for row in tables["served"] if row["service_ns"] == "0"} == {""}
    assert [int(row["attempt"]) for row in tables["served"]] == files["served"]["attempt"].tolist()
    assert {row["gauge"] for row in tables["gauge"]} == {"waiting_queue", "loop_lag_s", "cpu_share"}


def test_pieces_together_are_the_whole_file(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sum(piece.rows for piece in pieces(load(run), "operation"))
    monkeypatch.setattr("harness.analyse.tables.ROWS", 100)
    parts = [piece.rows for piece in pieces(load(run), "operation")]
    assert len(parts) > 10
    assert sum(parts) == whole


def test_parquet_holds_the_same_as_csv_with_types(run: RunFolder, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    export(run, tmp_path, "csv")
    export(run, tmp_path, "parquet")
    for name in NAMES.values():
        table = parquet.read_table(tmp_path / f"{name}.parquet")
        plain = [
            {key: "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
             for key, value in row.items()}
            for row in table.to_pylist()
        ]  # fmt: skip
        assert plain == read(tmp_path / f"{name}.csv")
        facts = json.loads(table.schema.metadata[b"blackstart"])
        assert (facts["experiment"], facts["seed"]) == ("planted", 1)
    assert str(parquet.read_schema(tmp_path / "operations.parquet").field("op").type) == "uint64"


def test_parquet_without_pyarrow_says_what_to_do(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SpecError, match="install it, or use --format csv"):
        export(run, tmp_path, "parquet")


def test_the_word_writes_into_the_run_folder_and_tells_of_damage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = plant(tmp_path, Truth())
    path = folder.rows / "kv-served.rows"
    path.write_bytes(path.read_bytes()[:-100])
    assert run_words(["export", str(folder.path), "--format", "csv"]) == 0
    found = capsys.readouterr()
    assert found.out.splitlines()[0] == str(folder.path / "export" / "operations.csv")
    assert "no closing count" in found.err
    assert run_words(["export", str(tmp_path / "none"), "--format", "csv"]) == 2
