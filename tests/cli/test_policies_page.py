"""The page of policies is generated; this keeps it current."""

from __future__ import annotations

from pathlib import Path

from harness.cli import run_words

PAGE = Path(__file__).parents[2] / "docs" / "policies.md"


def test_the_page_of_policies_is_what_the_catalogue_says_now(capsys):
    assert run_words(["policies", "--markdown"]) == 0
    assert capsys.readouterr().out == PAGE.read_text(), "run: blackstart policies --markdown > docs/policies.md"
