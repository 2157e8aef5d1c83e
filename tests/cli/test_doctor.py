"""What the doctor says, and about which machine."""

from __future__ import annotations

import json
import resource

import pytest

from harness.cli import doctor, run_words
from harness.cli.doctor import Finding


@pytest.mark.parametrize(
    ("version", "status"), [((3, 10), "bad"), ((3, 11), "good"), ((3, 13), "good"), ((3, 14), "bad")]
)
def test_python_must_be_one_that_is_supported(version: tuple[int, int], status: str) -> None:
    assert doctor.judge_python(version, "CPython").status == status


def test_a_soft_limit_that_can_be_raised_is_good_enough() -> None:
    assert doctor.judge_files(1024, 20000).status == "good"
    assert doctor.judge_files(1024, resource.RLIM_INFINITY).status == "good"
    low = doctor.judge_files(1024, 2048)
    assert (low.status, low.advice) == ("doubt", "allow at least 4096, as with `ulimit -n 4096`")


def test_a_short_listen_backlog_is_doubtful() -> None:
    assert doctor.judge_backlog(4096).status == "good"
    assert doctor.judge_backlog(128).status == "doubt"
    assert doctor.judge_backlog(None).status == "doubt"


@pytest.mark.parametrize(
    ("count", "steal", "busy", "status"),
    [(2, 0.0, 0.1, "good"), (1, 0.0, 0.1, "doubt"), (2, 0.2, 0.1, "doubt"), (2, 0.0, 0.9, "doubt")],
)
def test_processors_are_doubtful_when_they_are_not_ours(count: int, steal: float, busy: float, status: str) -> None:
    assert doctor.judge_processors(count, steal, busy).status == status


def test_json_lists_every_check(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CHECKS", (doctor.python, doctor.clock))
    assert run_words(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(finding["name"], finding["status"]) for finding in found] == [("python", "good"), ("clock", "good")]


def test_something_bad_exits_4_with_the_advice(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = Finding("loopback", "bad", "port 8000 is in use", "stop it")
    monkeypatch.setattr(doctor, "CHECKS", (lambda: bad,))
    assert run_words(["doctor"]) == 4
    assert capsys.readouterr().out == "bad    loopback  port 8000 is in use; stop it\n"
