"""The post-event summary: one story in two forms, told from the run, safe with what users supply."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.analyse.deeds import notes
from harness.cli import run_words
from harness.errors import RecordError
from harness.record.folder import RunFolder
from harness.report import write_post_event, write_report
from harness.report.other_runs import Other, beside, changes
from harness.report.retelling import actions

Simulate = Callable[..., RunFolder]


def lines(text: str, heading: str) -> str:
    """One section of the Markdown."""
    return text.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_the_summary_tells_causes_in_order_and_what_would_have_helped(simulated: Simulate) -> None:
    naive, budget = simulated("dns_race", "naive"), simulated("dns_race", "budget")
    markdown, page = write_post_event(naive, [budget])
    text = markdown.read_text()
    happened = lines(text, "What happened, and why")
    told = [
        "fault: dns.stall_enactor", "stale apply", "active plan deleted", "the fault is felt", "after dns, on which",
        "this is the fix", "after mobile_banking, which calls it",
    ]  # fmt: skip
    places = [happened.index(words) for words in told]
    assert places == sorted(places)
    assert "**banking**: mobile_banking:" in lines(text, "What customers saw")
    assert "took effect twice" in lines(text, "What became of their data")
    done = lines(text, "What was done")
    assert "dns.restore (write the newest plan by hand and set the automation going again); this is the fix" in done
    helped = lines(text, "What would have helped")
    assert "Helped: **budget** (seed 7) recovered" in helped
    assert "client.retry_budget: none → kind token_bucket, ratio 0.1, burst 100" in helped
    html = page.read_text()
    for words in told:
        assert words in html
    assert page.stat().st_size < 3_000_000


def test_the_summary_needs_no_network_and_links_only_to_its_own_files(simulated: Simulate) -> None:
    folder = simulated("dns_race", "naive")
    write_report(folder)
    markdown, page = write_post_event(folder)
    without_scripts = re.sub(r"<script.*?</script>", "", page.read_text(), flags=re.DOTALL)
    links = re.findall(r'(?:src|href)="([^"#]+)"', without_scripts) + re.findall(r"\]\(([^)]+)\)", markdown.read_text())
    assert links
    assert all((folder.path / link).is_file() for link in links)


def test_runs_beside_it_are_found_and_a_run_of_another_experiment_is_refused(simulated: Simulate) -> None:
    naive, budget = simulated("dns_race", "naive"), simulated("dns_race", "budget")
    assert budget.path.name in [found.path.name for found in beside(naive)]
    with pytest.raises(RecordError, match="a run of slow_dependency, not of dns_race"):
        write_post_event(naive, [simulated("slow_dependency", "d0_4")])


def test_what_a_variant_changed_is_told_once_and_deeds_apart() -> None:
    client, told = {"attempts": 3, "backoff": None}, {"what": "compute.shed", "at_s": 4.0}
    mine = {"spec": {"client": client, "region": {"app": {"client": client}, "kv": {"slots": 5}}}, "timeline": []}
    other = {"attempts": 3, "backoff": {"kind": "exponential", "base": "50ms"}}
    theirs = {"spec": {"client": other, "region": {"app": {"client": other}, "kv": {"slots": 7}}}, "timeline": [told]}
    assert changes(mine, theirs) == (
        "client.backoff: none → kind exponential, base 50ms",
        "region.kv.slots: 5 → 7",
        "also done: compute.shed at 4 s",
    )
    assert changes(mine, mine) == ()
    assert changes(theirs, mine)[-1] == "not done: compute.shed at 4 s"


def other(changed: tuple[str, ...], *, helped: bool, worse: bool) -> Other:
    return Other("other", 7, "degraded", "did not recover (degraded)", changed, (2, 0.0, 1.0), helped, worse)


def test_a_deed_without_which_it_ended_worse_was_worth_doing() -> None:
    left_out = ("not done: compute.throttle_intake when its condition holds",)
    lesson = "So this was worth doing: compute.throttle_intake when its condition holds"
    assert other(left_out, helped=False, worse=True).lesson == lesson
    assert other(left_out, helped=False, worse=False).lesson == ""
    assert other((*left_out, "region.kv.slots: 5 → 7"), helped=False, worse=True).lesson == "", "it may be the other"


def test_what_users_wrote_cannot_break_out_of_either_form(simulated: Simulate, tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script> | **bold** [link](http://x)"
    shutil.copytree(simulated("slow_dependency", "d0_4").path, tmp_path / "evil")
    folder = RunFolder(tmp_path / "evil")
    plan = json.loads(folder.plan.read_text())
    plan["spec"]["title"] = plan["spec"]["description"] = evil
    folder.plan.write_text(json.dumps(plan))
    with folder.journal.open("a") as journal:
        journal.write(json.dumps({"t_s": 1.0, "who": "orchestrator", "kind": "action", "what": evil}) + "\n")
        journal.write(json.dumps({"t_s": 2.0, "who": "kv", "kind": "status_post", "state": "red", "text": evil}) + "\n")
    markdown, page = write_post_event(folder)
    assert "<script>alert" not in page.read_text()
    text = markdown.read_text()
    assert "<script>" not in text
    assert "**bold**" not in text
    assert "[link](" not in text


def test_a_run_without_a_journal_is_summed_up_and_says_so(simulated: Simulate, tmp_path: Path) -> None:
    shutil.copytree(simulated("slow_dependency", "d0_4").path, tmp_path / "bare")
    folder = RunFolder(tmp_path / "bare")
    folder.journal.unlink()
    text = write_post_event(folder)[0].read_text()
    assert "The journal has gaps" in text
    assert "Not known: no run of another variant lies beside this one." in text


def test_report_writes_the_summary_from_the_command_line(
    simulated: Simulate, capsys: pytest.CaptureFixture[str]
) -> None:
    naive, budget = simulated("dns_race", "naive").path, simulated("dns_race", "budget").path
    assert run_words(["report", str(naive), str(budget), "--post-event"]) == 0
    assert capsys.readouterr().out.split() == [str(naive / "post-event.md"), str(naive / "post-event.html")]
    assert run_words(["report", str(naive / "nowhere"), "--post-event"]) != 0


def test_what_a_live_component_was_told_is_told_once_and_the_fix_is_known_by_its_id() -> None:
    journal: list[dict[str, Any]] = [
        {"t_s": 30.006, "who": "dns", "kind": "action", "action": "restore", "params": {}, "result": None},
        {"t_s": 30.007, "who": "orchestrator", "kind": "action", "id": "2-dns-restore", "what": "dns.restore",
         "component": "dns", "name": "restore"},
        {"t_s": 30.008, "who": "orchestrator", "kind": "fix", "id": "2-dns-restore", "what": "dns.restore"},
    ]  # fmt: skip
    (done,) = actions(journal)
    assert (done.who, done.t_s) == ("dns", 30.007)
    assert done.text.endswith("this is the fix, the trigger is gone")
    assert notes(journal, "dns") == {}
