"""The report: offline, honest about gaps, and safe with what users supply."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

from harness.compare import compare
from harness.errors import RecordError
from harness.record.folder import RunFolder
from harness.report import write_comparison, write_report
from harness.report.charts import smooth
from harness.report.marks import records
from harness.report.page import flatten, show
from harness.report.run_page import events
from harness.report.words import headline, verdict_sentence


def test_a_gap_is_drawn_as_a_gap():
    t_s = np.arange(5) * 0.25
    rows = records(t_s, {"p99": np.array([1.0, np.nan, np.nan, 2.0, 3.0])})
    assert [row["v"] for row in rows] == [1.0, None, 2.0, 3.0]


def test_thinning_a_long_series_keeps_its_spikes():
    values = np.zeros(100_000)
    values[77_777] = 5.0
    rows = records(np.arange(values.size) * 0.25, {"attempts": values})
    assert len(rows) <= 1201
    assert max(row["v"] for row in rows) == 5.0


def test_a_smoothed_curve_shows_nothing_before_it_happened():
    step = np.array([0.0, 0.0, 4.0, 4.0, 4.0])
    assert smooth(step, 2).tolist() == [0.0, 0.0, 2.0, 4.0, 4.0]


def test_smoothing_leaves_out_what_is_undefined():
    assert smooth(np.array([np.nan, 2.0, np.nan, np.nan]), 2)[1:3].tolist() == [2.0, 2.0]
    assert np.isnan(smooth(np.array([np.nan, 2.0, np.nan, np.nan]), 2)[[0, 3]]).all()


def test_nested_measures_become_dotted_keys_in_order():
    assert list(flatten({"a": {"b": 1, "c": {}}, "d": [1, 2]})) == [("a.b", 1), ("a.c", {}), ("d", [1, 2])]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        (12345, "12,345"),
        (0.123456, "0.1235"),
        (2.0, "2"),
        (31000.4, "31,000"),
        ([], "none"),
    ],
)
def test_a_measure_is_shown_with_no_more_digits_than_it_deserves(value, text):
    assert show(value) == text


@pytest.mark.parametrize(
    "verdict", ["recovered", "never_failed", "metastable", "draining", "degraded", "overloaded", "invalid"]
)
def test_every_verdict_has_a_sentence_even_when_nothing_else_is_known(verdict):
    sentence = verdict_sentence({"verdict": verdict})
    assert sentence.endswith(".")
    assert "None" not in sentence
    assert "nan" not in sentence
    assert len(headline({"verdict": verdict})) == 5


def test_the_page_of_a_run_needs_no_network_and_links_only_to_its_own_files(simulated):
    folder = simulated("dns_race", "naive")
    page = write_report(folder)
    text = page.read_text()
    text_without_scripts = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    fetched = re.findall(r'(?:src|href)="([^"#]+)"', text_without_scripts)
    assert fetched
    assert all(
        (folder.path / link).is_file() or link.startswith("data:") for link in fetched if "experiment.yaml" not in link
    )
    assert page.stat().st_size < 3_000_000
    slugs = re.findall(r'id="chart-([a-z-]+)"', text)
    assert {"recovery", "layers", "backlog", "queue-delay", "waste"} <= set(slugs)
    for slug in slugs:
        assert (folder.charts / f"{slug}.svg").read_text().startswith("<svg")
        assert (folder.charts / f"{slug}.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_says_the_verdict_the_reason_and_how_to_repeat_the_run(simulated):
    folder = simulated("dns_race", "naive")
    text = write_report(folder).read_text()
    assert "<b>metastable</b>" in text
    assert "the waiting work did not fall" in text
    file = folder.read_json(folder.plan)["file"]
    assert file.endswith("experiments/dns_race.yaml")
    assert f"blackstart simulate {file} --variant naive --seed 7" in text
    assert "stale apply" in text
    assert 'id="figure-cascade"' in text
    assert "after dns, on which it depends" in text
    assert all(f"<h2>{heading}</h2>" in text for heading in ("Throttling", "Cascade", "Sectors", "Audit", "Validity"))
    assert "<h2>Status page</h2>" not in text, "this region has none"


def test_what_a_component_says_again_and_again_is_told_thrice():
    journal = [{"t_s": float(n), "who": "balancer", "kind": "zone_removed"} for n in range(9)]
    shown, left_out = events([*journal, {"t_s": 9.0, "who": "orchestrator", "kind": "fix"}])
    assert ([row["t_s"] for row in shown], left_out) == ([0.0, 1.0, 2.0, 9.0], 6)


def test_what_an_experiment_file_says_cannot_break_out_of_the_page(simulated, tmp_path):
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    source = simulated("slow_dependency", "d0_4")
    shutil.copytree(source.path, tmp_path / "evil")
    folder = RunFolder(tmp_path / "evil")
    plan = json.loads(folder.plan.read_text())
    plan["spec"]["title"] = plan["spec"]["description"] = evil
    folder.plan.write_text(json.dumps(plan))
    with folder.journal.open("a") as journal:
        journal.write(json.dumps({"t_s": 1.0, "who": "kv", "kind": "action", "text": evil}) + "\n")
    text = write_report(folder).read_text()
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in text


def test_a_run_without_a_journal_has_a_page_and_measures_of_nothing_have_none(simulated, tmp_path):
    source = simulated("slow_dependency", "d0_4")
    shutil.copytree(source.path, tmp_path / "bare")
    folder = RunFolder(tmp_path / "bare")
    folder.journal.unlink()
    assert "<b>recovered</b>" in write_report(folder).read_text()
    folder.write_json(folder.measures, {})
    with pytest.raises(RecordError, match="not measures that this version writes"):
        write_report(folder)


def test_a_comparison_keeps_one_line_per_run_aligned_at_the_fix(simulated, tmp_path):
    folders = [simulated("dns_race", "naive"), simulated("dns_race", "budget")]
    for folder in folders:
        write_report(folder)
    comparison = compare(folders)
    assert [one["variant"] for one in comparison["ranking"]] == ["budget", "naive"]
    out = tmp_path / "compare"
    out.mkdir()
    text = write_comparison(folders, out, comparison).read_text()
    assert comparison["sentences"][0] in text
    assert text.count("</a></td><td>metastable</td>") == 1
    assert text.count("</a></td><td>recovered</td>") == 1
    cells = re.findall(r'<td class="num">([^<]*)</td>', text)
    assert not any("min" in cell for cell in cells), "a rate was shown as a time"
    drawn = {path.stem for path in (out / "charts").glob("*.svg")}
    assert drawn == {"goodput", "recovered", "attempts", "amplification", "waiting"}
    for link in re.findall(r'<a href="([^"]+report\.html)"', text):
        assert (out / link).resolve().is_file()
