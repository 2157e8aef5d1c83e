"""What a gate looks like to a CI system: by the rules each of them published, also with 500 criteria."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from harness.cli import run_words
from harness.report import gate_text, github, junit, trends
from tests.gate.planted_lines import IN_TIME, VERDICT, recovers, runs

NASTY = 'a <b> & "c" | d\n::error::e 100% `f` @g \x07\ud800 é,h:i \\'


def gate(criteria: int = 6, text: str = "found 83.2 (seed 1; 1 of 3 runs)", name: str = "time_to_recover_s") -> Any:
    """A gate of so many criteria, by turns failed, unsure and held."""
    answers = ["fail", "unsure", "pass"]
    found = [
        {"name": f"budget: {name} <= {i}s", "subject": "budget", "measure": name, "wanted": f"<= {i}s",
         "verdict": answers[i % 3], "found": 83.2, "why": text,
         "runs": [{"seed": 1, "folder": "runs/x", "found": 83.2, "verdict": answers[i % 3], "why": text}]}
        for i in range(criteria)
    ]  # fmt: skip
    counts = {answer: sum(one["verdict"] == answer for one in found) for answer in ("pass", "fail", "unsure")}
    values = {"time_to_recover_s": 41.23456, "amplification.overall": 1.5, "wasted_work_ratio": None,
              "backlog.peak": 1234.5, "goodput_deficit.recovery_ops": 0}  # fmt: skip
    run = {"label": "budget s1", "variant": "budget", "seed": 1, "valid": True, "verdict": "recovered",
           "recovered": True, "why_invalid": [], "values": values, "fingerprint": "00ff", "folder": "runs/x",
           "started": "2026-11-23T20:01:26.346Z", "length_s": 44.0}  # fmt: skip
    return {
        "schema_version": 1, "experiment": "dns_race", "engine": "world", "suite": "0.1.0", "verdict": "fail",
        "exit_code": 1, "sentence": "FAIL: 2 of 6 criteria over 2 runs failed", "counts": counts, "criteria": found,
        "runs": [run, {**run, "seed": 2, "label": "budget s2", "values": {**values, "time_to_recover_s": 43.0}}],
        "notes": ["a note"],
    }  # fmt: skip


# -- JUnit: the rules of JUnit.xsd (Ant's format), which is the strictest of the published ones.
INTEGER, DECIMAL = re.compile(r"\d+"), re.compile(r"\d+(\.\d+)?")
RULES: dict[str, dict[str, re.Pattern[str] | None]] = {
    "testsuites": {},
    "testsuite": {"package": None, "id": INTEGER, "name": None, "hostname": re.compile(r".+"), "tests": INTEGER,
                  "failures": INTEGER, "errors": INTEGER, "time": DECIMAL,
                  "timestamp": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}")},
    "properties": {},
    "property": {"name": re.compile(r".+"), "value": None},
    "testcase": {"name": None, "classname": None, "time": DECIMAL},
    "failure": {"type": None, "message": None},
    "error": {"type": None, "message": None},
    "system-out": {},
    "system-err": {},
}  # fmt: skip
CHILDREN = {
    "testsuites": r"(testsuite )*",
    "testsuite": r"properties (testcase )*system-out system-err ",
    "properties": r"(property )*",
    "testcase": r"(error |failure )?",
}


def check_junit(element: ET.Element) -> None:
    """By the schema: known elements, all required attributes and no others, their patterns, children in order."""
    wanted = RULES[element.tag]
    assert set(element.attrib) == set(wanted), element.tag
    for name, pattern in wanted.items():
        assert pattern is None or pattern.fullmatch(element.attrib[name]), (element.tag, name, element.attrib[name])
    order = "".join(f"{child.tag} " for child in element)
    assert re.fullmatch(CHILDREN.get(element.tag, ""), order), (element.tag, order)
    for child in element:
        check_junit(child)


@pytest.mark.parametrize("made", [gate(), gate(0), gate(500), gate(6, NASTY, NASTY)])
def test_junit_is_valid_by_its_schema_and_counts_what_it_holds(made: Any) -> None:
    root = ET.fromstring(junit.junit(made))
    check_junit(root)
    suite = root[0]
    assert int(suite.attrib["tests"]) == len(suite.findall("testcase")) == len(made["criteria"])
    assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure")) == made["counts"]["fail"]
    assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error")) == made["counts"]["unsure"]
    assert (suite.attrib["timestamp"], suite.attrib["time"]) == ("2026-11-23T20:01:26", "88.000")


def test_the_check_of_the_schema_sees_what_is_wrong() -> None:
    for spoilt in ("<testsuites><testcase/></testsuites>", "<testsuites a='b'/>"):
        with pytest.raises(AssertionError):
            check_junit(ET.fromstring(spoilt))


# -- GitHub: 10 annotations of a kind per step, 1 MiB of summary, 65,536 characters of a comment.
COMMAND = re.compile(r"::(error|warning|notice) title=([^:,\r\n]*)::([^\r\n]*)")


@pytest.mark.parametrize("made", [gate(), gate(500), gate(500, NASTY, NASTY), gate(0)])
def test_annotations_stay_within_ten_of_a_kind_and_count_the_rest(made: Any) -> None:
    lines = github.notes(made)
    kinds = [found[1] for line in lines if (found := COMMAND.fullmatch(line))]
    assert len(kinds) == len(lines)
    for kind, verdict in (("error", "fail"), ("warning", "unsure")):
        count = made["counts"][verdict]
        assert kinds.count(kind) == min(10, count)
        if count > 10:
            assert f"{count - 9} more criteria" in [line for line in lines if line.startswith(f"::{kind}")][-1]
    assert kinds.count("notice") == 1


def test_commands_are_escaped_as_the_runner_wants_it() -> None:
    (line, *_) = github.notes(gate(1, "a%b\r\nc:d,e", "f:g,h"))
    assert line == "::error title=budget%3A f%3Ag%2Ch <= 0s::a%25b%0D%0Ac:d,e"


@pytest.mark.parametrize("limit", [gate_text.COMMENT_BYTES, gate_text.SUMMARY_BYTES, 9000])
@pytest.mark.parametrize("text", ["found 1", NASTY * 40])
def test_markdown_stays_within_its_limit_and_says_what_it_left_out(limit: int, text: str) -> None:
    made = gate(500, text)
    written = gate_text.markdown(made, limit)
    assert len(written.encode()) <= limit
    assert written.startswith("### ❌ dns\\_race: FAIL")
    rows = [line for line in written.splitlines() if re.match(r"\| [✅❌❓] ", line)]
    left_out = sum(int(number) for number in re.findall(r"^(\d+) more did not fit", written, re.MULTILINE))
    assert len(rows) + left_out == 500
    marks = [row[2] for row in rows]
    assert marks == sorted(marks, key="❌❓✅".index)
    assert written.count("<details") == written.count("</details>")


def test_nothing_in_a_cell_is_markup() -> None:
    cell = gate_text.escape("a|b <script> [x](y) `z` @me\nnew *bold* #1")
    assert cell == r"a&#124;b &lt;script&gt; \[x\](y) \`z\` &#64;me new \*bold\* &#35;1"


# -- Numbers over time.
def test_gitlab_metrics_parse_as_openmetrics_with_stable_names() -> None:
    text = trends.open_metrics(gate(500, NASTY))
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["recovery_ttr_seconds"].unit == "seconds"
    (sample,) = families["recovery_ttr_seconds"].samples
    assert (sample.value, sample.labels) == (42.1, {"scenario": "dns_race", "engine": "world", "config": "budget"})
    assert families["recovery_wasted_work_ratio"].samples == []
    assert {s.labels["answer"]: s.value for s in families["recovery_criteria"].samples} == {
        "pass": 166, "fail": 167, "unsure": 167,
    }  # fmt: skip
    assert trends.open_metrics(gate(500, NASTY)) == text


def test_the_json_forms_hold_medians_with_their_range() -> None:
    bench = {one["name"]: one for one in json.loads(trends.benchmark_action(gate()))}
    assert bench["dns_race/budget ttr"] == {
        "name": "dns_race/budget ttr", "unit": "seconds", "value": 42.1, "range": "± 0.883",
        "extra": "n=2 seeds=1, 2 engine=world",
    }  # fmt: skip
    bencher = json.loads(trends.bencher(gate()))
    assert bencher["dns_race/budget"]["ttr"] == {"value": 42.1, "lower_value": 41.2, "upper_value": 43.0}


def test_the_word_writes_every_form_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder,) = runs(tmp_path, [VERDICT, IN_TIME], recovers(after_s=6.0))
    summary, output = tmp_path / "summary", tmp_path / "output"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    out = tmp_path / "out"
    files = [f"--{name}={out / name}" for name in ("junit", "gitlab", "markdown", "benchmark", "bencher")]
    assert run_words(["gate", str(folder.path), "--github", "--json", *files]) == 1
    found = capsys.readouterr()
    made = json.loads(found.out)
    assert found.err.startswith("::error title=budget%3A time_to_recover_s <= 5s::found 6.0")
    check_junit(ET.fromstring((out / "junit").read_text()))
    assert list(text_string_to_metric_families((out / "gitlab").read_text()))
    assert (out / "markdown").read_text() == gate_text.markdown(made)
    assert summary.read_text() == "before\n" + gate_text.markdown(made)
    assert output.read_text() == "verdict=fail\nexit_code=1\npassed=1\nfailed=1\nunsure=0\n"
    assert json.loads((out / "benchmark").read_text())
    assert json.loads((out / "bencher").read_text())
