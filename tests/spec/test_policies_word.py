"""`blackstart policies`: one list in three forms."""

from __future__ import annotations

import json

import pytest

from harness.cli.policies import chosen, page, policies, shown_default
from harness.errors import SpecError
from harness.policies import catalogue
from harness.policies.entry import REQUIRED, choice, count, flag, rate, seconds
from harness.spec.policy import read_policy


def test_every_entry_is_listed_in_every_form(capsys: pytest.CaptureFixture[str]) -> None:
    entries = catalogue.entries()
    assert {"client", "server"} == {entry.side for entry in entries}
    policies()
    table = capsys.readouterr().out
    policies(as_json=True)
    as_json = json.loads(capsys.readouterr().out)
    policies(markdown=True)
    markdown = capsys.readouterr().out
    assert len(as_json) == len(entries)
    for entry in entries:
        assert f"  {entry.kind}" in table
        assert f"\n### `{entry.kind}`\n" in markdown
        assert any(found["kind"] == entry.kind and found["rule"] == entry.rule for found in as_json)


def test_a_side_and_a_slot_can_be_asked_for() -> None:
    assert {entry.slot for entry in chosen("server", None)} <= set(catalogue.SLOTS["server"])
    assert {entry.slot for entry in chosen(None, "retry_budget")} == {"retry_budget"}


def test_an_unknown_slot_or_side_is_refused_with_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"no slot 'retry_budgets'; .* did you mean 'retry_budget'\?"):
        chosen(None, "retry_budgets")
    with pytest.raises(SpecError, match=r"no side 'sever'; sides are client, server; did you mean 'server'\?"):
        chosen("sever", None)


def test_defaults_are_shown_as_a_file_would_write_them() -> None:
    params = [
        seconds("a", 0.05, ""),
        seconds("b", 2.0, ""),
        rate("c", 20.0, ""),
        count("d", 7, ""),
        flag("e", True, ""),
        choice("f", "x", ("x", "y"), ""),
        seconds("g", REQUIRED, ""),
    ]
    assert [shown_default(param) for param in params] == ["50ms", "2s", "20/s", "7", "true", "x", "required"]


def test_every_default_shown_is_accepted_by_an_experiment_file() -> None:
    """What the page says can be written: each entry with all its defaults spelled out, required ones at their bound."""
    entries = catalogue.entries()
    assert len(entries) >= 20
    for entry in entries:
        written = {"kind": entry.kind}
        for param in entry.params:
            if param.default is not REQUIRED:
                shown = shown_default(param)
                written[param.name] = shown if param.unit in ("s", "per_s", "choice") else param.default  # type: ignore[assignment]
        if any(param.default is REQUIRED for param in entry.params) or entry.kind == "none":
            continue
        policy = read_policy(entry.side, entry.slot, written)
        assert policy is not None
        bare = read_policy(entry.side, entry.slot, entry.kind)
        assert bare is not None
        assert policy.filled() == bare.filled()


def test_the_page_escapes_bars_in_tables() -> None:
    entry = catalogue.entries()[0]._replace(params=(seconds("a", 1.0, "this | that"),))
    assert "this \\| that" in page([entry])
