"""What `apps` lists is what plan, audit and impact read."""

from __future__ import annotations

import json

import pytest

from harness.cli import run_words
from harness.spec.region import APPS
from harness.spec.vocabulary import STORIES


def test_every_operation_of_every_app_is_listed_as_it_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_words(["apps", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    targets = {story.target for story in STORIES.values() if story.wishes}
    assert [one["app"] for one in found] == [app for app in APPS if app in targets]
    for one in found:
        for story in one["stories"]:
            entry = STORIES[story["story"]]
            assert (one["sector"], story["needs"]) == (entry.sector, list(entry.needs))
            listed = {row.pop("operation"): row for row in story["operations"]}
            assert {name: row.pop("share") for name, row in listed.items()} == entry.operations
            assert listed == {name: entry.wishes[name]._asdict() for name in entry.operations}


def test_people_are_told_worth_effect_and_fallback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_words(["apps", "mobile_banking"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "mobile_banking banking; depends on kv" in text
    assert "70 % of operations, criticality 0, £0.40, leaves one record in transfers" in text
    assert "when it fails: kept in an outbox" in text
    assert "idempotency_keys true" in text


def test_an_unknown_app_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_words(["apps", "mobile_bankin"]) == 2
    assert "did you mean 'mobile_banking'?" in capsys.readouterr().err
