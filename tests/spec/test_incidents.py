"""The library of outages: every file is complete, both of its endings are stated, and a few are played."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.analyse.evidence import gather
from harness.cli import run_words
from harness.cli.incidents import chosen
from harness.errors import SpecError
from harness.plan import fingerprint
from harness.record.folder import RunFolder
from harness.report.published import replay_of
from harness.spec import ExperimentFile, load_experiment, parse_experiment

FOLDER = Path(__file__).parents[2] / "experiments/incidents"
FILES = sorted(FOLDER.glob("*.yaml"))
AS_IT_HAPPENED, LESSON = "as_it_happened", "with_the_lesson"
REPLAY = "aws_2025_10_20"
SILENT = """title: t
load: {kv_reads: {arrivals: {rate: 1/s}}}
timeline:
  - {at: outage.start, do: kv.errors, with: {share: 1, for: 1s}}
  - {at: outage.end, do: kv.drop_queue, fix: true}
"""
TOLD = f"""{SILENT}incident:
  {{name: n, who: w, date: "2011", trigger: t, sustaining: s, ended: e, lesson: l, sources: [here]}}
"""


def test_the_library_holds_a_dozen_outages_and_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_words(["incidents", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(FILES) >= 12
    assert {one["name"] for one in found} == {path.stem for path in FILES}
    assert [one["date"] for one in found] == sorted((one["date"] for one in found), reverse=True)


@pytest.fixture(scope="module")
def files() -> dict[str, ExperimentFile]:
    """The library, read once."""
    return {path.stem: load_experiment(path) for path in FILES}


@pytest.mark.parametrize("name", [path.stem for path in FILES])
def test_every_outage_tells_its_story_and_states_both_endings(name: str, files: dict[str, ExperimentFile]) -> None:
    file = files[name]
    assert file.incident is not None
    if name == REPLAY:  # has one lesson for each of its parts, and ends, for operators do what they did
        assert file.variants[0] == AS_IT_HAPPENED
        assert file.incident.published
        return
    assert file.variants[:2] == (AS_IT_HAPPENED, LESSON)
    assert {line.variant for line in file.expect} >= {AS_IT_HAPPENED, LESSON}
    stays = [line for line in file.expect if line.variant == AS_IT_HAPPENED and line.measure == "recovered"]
    assert stays or file.incident.unsure, "it stays down, or the file says why that cannot be told"


def test_no_outage_is_another_one_under_a_new_name(files: dict[str, ExperimentFile]) -> None:
    assert len({fingerprint(file.variant(AS_IT_HAPPENED)) for file in files.values()}) == len(FILES)
    told = [file.incident for file in files.values() if file.incident is not None]
    assert len({one.trigger for one in told}) == len({one.sustaining for one in told}) == len(FILES)


def test_one_outage_is_told_with_its_sources_and_two_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_words(["incidents", "aws_ebs_2011"]) == 0
    text = capsys.readouterr().out
    assert "https://aws.amazon.com/message/65648/" in text
    commands = [line.strip() for line in text.splitlines() if line.strip().startswith("blackstart ")]
    assert [command.split()[1] for command in commands] == ["compare", "run"]
    assert all("aws_ebs_2011.yaml" in command for command in commands)


def test_the_list_says_what_set_each_off_and_what_kept_it_going(
    capsys: pytest.CaptureFixture[str], files: dict[str, ExperimentFile]
) -> None:
    assert run_words(["incidents"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for one in (file.incident for file in files.values()):
        assert one is not None
        assert one.name in text
        assert one.trigger in text
        assert one.sustaining in text


def test_an_unknown_outage_is_answered_with_the_near_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_words(["incidents", "gogle_2025"]) == 2
    assert "did you mean 'google_2025'?" in capsys.readouterr().err


def test_a_file_in_the_library_without_an_incident_is_refused(tmp_path: Path) -> None:
    (tmp_path / "quiet.yaml").write_text(SILENT)
    with pytest.raises(SpecError, match=r"quiet\.yaml: no `incident`"):
        chosen(folder=tmp_path)


def test_what_a_file_is_modelled_on_changes_nothing_that_is_run() -> None:
    told = parse_experiment(TOLD).variant("base")
    silent = parse_experiment(SILENT).variant("base")
    assert told.incident is not None
    assert told.incident.year == 2011
    assert "incident" in told.written()
    assert "incident" not in silent.written()
    assert fingerprint(told) == fingerprint(silent)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"2011"', '"April"', r"incident\.date"),
        ("lesson: l", "lessons: l", r"incident\.lessons: unknown key; known here: name, who, date"),
        ("sources: [here]", "sources: []", r"incident\.sources"),
    ],
)
def test_an_incident_told_badly_is_refused_at_its_key(old: str, new: str, complaint: str) -> None:
    with pytest.raises(SpecError, match=complaint):
        parse_experiment(TOLD.replace(old, new))


@pytest.mark.long
@pytest.mark.parametrize("name", ["aws_network_2021", "facebook_2021", "google_2025"])
def test_an_outage_stays_and_ends_with_the_lesson(name: str, simulated: Callable[..., RunFolder]) -> None:
    for variant, recovered in ((AS_IT_HAPPENED, False), (LESSON, True)):
        measures = json.loads(simulated(f"incidents/{name}", variant, 1).measures.read_text())
        assert measures["recovered"] is recovered


@pytest.mark.long
def test_the_replay_brings_the_parts_back_in_the_published_order(simulated: Callable[..., RunFolder]) -> None:
    replay = replay_of(simulated(f"incidents/{REPLAY}", AS_IT_HAPPENED, 7))
    assert replay is not None
    assert replay.misplaced == ()
    assert [one.line.id for one in replay.lines if one.close is False] == ["hosts"]  # as docs/replay.md says


def leased_again_min(folder: RunFolder) -> float | None:
    """When all droplets are leased again, in minutes of the event since 23:48 PDT; None for never."""
    found = gather(folder)
    began_s = found.moments.phases[2].start_s
    t_s, leased = found.windows.gauge("compute", "leased")
    lost_s = t_s[leased < 108].max(initial=0.0)
    return None if lost_s > found.moments.load_end_s - 60.0 else float(lost_s - began_s)


@pytest.mark.long
def test_leases_never_come_back_without_the_throttle_and_an_hour_later_without_the_restart(
    simulated: Callable[..., RunFolder],
) -> None:
    as_it_happened, no_throttle, no_restart = (
        leased_again_min(simulated(f"incidents/{REPLAY}", variant, 7))
        for variant in (AS_IT_HAPPENED, "no_throttle", "no_restart")
    )
    assert as_it_happened is not None
    assert no_throttle is None
    assert no_restart is not None
    assert no_restart > as_it_happened + 50.0
