"""Every block of the documentation is tested, and these are the tests that take a moment: reading, parsing, looking up.

How a block says what it is: `tests/docs/blocks.py`. What needs runs is in `test_played.py`.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from harness.cli import WORDS, run_words
from tests.docs.blocks import ROOT, Block, blocks, complaint, pages, read
from tests.docs.commands import CHECKED, Command, commands, placed
from tests.docs.commands import complaint as stale
from tests.docs.experiments import checked, merged, saved_as, whole

PAGES = pages()
FOLDERS = "experiments|examples|locustfiles|docs|benchmarks|harness|mock_services|tests"
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())


def shell(page: Path) -> list[Command]:
    """All commands of a page, those of its workflows too."""
    found = []
    for block in blocks(page):
        if block.kind == "unrun":
            continue
        if block.language == "sh":
            found += commands(block.body, block.where)
        if block.kind == "workflow":
            found += commands(
                "\n".join(re.findall(r"^\s*(?:- )?run: (?!\|)(.+)$", block.body, re.MULTILINE)), block.where
            )
    return found


def saved(page: Path) -> frozenset[str]:
    """The files that a page's blocks save."""
    return frozenset(saved_as(block) for block in blocks(page)) - {""}


@by_page
def test_every_block_says_how_it_is_tested(page: Path) -> None:
    assert [f"{block.where}: {found}" for block in blocks(page) if (found := complaint(block))] == []


@by_page
def test_every_command_exists_with_its_options_files_and_variants(page: Path) -> None:
    made = saved(page)
    assert [f"{one.where}: {one.line}: {found}" for one in shell(page) if (found := stale(one, made))] == []


@by_page
def test_every_yaml_block_is_an_experiment_or_a_piece_of_one(page: Path, checkout: Path) -> None:
    for block in blocks(page):
        if block.language == "yaml" and block.kind in ("", "file", "patch"):
            assert checked(block, checkout).variants
        elif block.language == "yaml":
            assert yaml.safe_load(block.body)


@by_page
def test_every_json_and_toml_block_parses_and_every_python_block_compiles(page: Path) -> None:
    for block in blocks(page):
        if block.kind == "unrun":
            continue
        if block.language == "json" and block.kind != "output":
            json.loads(block.body)
        if block.language == "toml":
            tomllib.loads(block.body)
        if block.language == "python" and block.kind != "excerpt":
            compile(block.body, block.where, "exec")


@by_page
def test_every_excerpt_stands_in_its_file(page: Path) -> None:
    for block in blocks(page):
        if block.kind == "excerpt":
            wanted = [line.strip() for line in block.body.strip().splitlines()]
            found = [line.strip() for line in (ROOT / block.mark[1]).read_text().splitlines()]
            at = [i for i, line in enumerate(found) if line == wanted[0] and found[i : i + len(wanted)] == wanted]
            assert at, f"{block.where}: {block.mark[1]} no longer has this text"


@by_page
def test_every_quick_command_ends_well(
    page: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout)
    made = saved(page)
    for one in shell(page):
        if one.words[0] == "blackstart" and one.quick and not one.live and not set(one.words) & made:
            words = [word for word in one.words[1:] if not word.startswith(">")]
            assert run_words(words) == 0, f"{one.where}: {one.line}\n{capsys.readouterr().err}"


@by_page
def test_what_stands_in_the_text_exists(page: Path) -> None:
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", text)
    words = {found for code in inline for found in re.findall(r"^blackstart ([a-z]+)", code)}
    assert words - set(WORDS) == set()
    paths = {found for code in inline for found in re.findall(rf"^(?:{FOLDERS})/[\w./-]+\.[a-z]+$", code)}
    paths |= {found for code in inline for found in re.findall(rf"\b((?:{FOLDERS})/[\w./-]+\.(?:ya?ml|md|py))\b", code)}
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_live_words_are_never_run_and_each_says_why() -> None:
    assert set(CHECKED) <= set(WORDS)
    assert all(len(reason.split()) >= 4 for reason in CHECKED.values())
    for word in CHECKED:
        assert Command(("blackstart", word, "x.yaml"), "", "").live
    assert Command(("blackstart", "compare", "x.yaml"), "", "").live
    assert not Command(("blackstart", "compare", "x.yaml", "--engine", "simulate"), "", "").live
    assert not Command(("blackstart", "compare", "runs/a/b-s1-x"), "", "").live


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("blackstart chekc x.yaml", "no word chekc"),
        ("blackstart check experiments/none.yaml", "no file experiments/none.yaml"),
        ("blackstart run experiments/dns_race.yaml --variant nobody", "has no variant nobody"),
        ("make everything", "no target everything"),
        ("frobnicate --now", "a program nobody knows"),
    ],
)
def test_a_stale_command_is_noticed(line: str, reason: str) -> None:
    assert reason in stale(commands(line, "here")[0])


def test_an_unknown_option_is_noticed() -> None:
    assert "--sedd" in stale(commands("blackstart simulate experiments/dns_race.yaml --sedd 3", "here")[0])


def test_commands_are_told_apart_and_continued() -> None:
    found = commands(
        "cd x && blackstart check a.yaml   # why\nblackstart sweep b.yaml \\\n  --seeds 3 | tee out\n", "here"
    )
    assert [one.words[0] for one in found] == ["cd", "blackstart", "blackstart", "tee"]
    assert found[2].words[-2:] == ("--seeds", "3")


def test_a_run_folder_is_read_from_its_name() -> None:
    words = ("blackstart", "report", "runs/dns_race/budget-s7-20261123-200126")
    assert placed(words) == [("dns_race", "budget", 7, "runs/dns_race/budget-s7-20261123-200126")]


def test_a_patch_is_laid_over_a_file_as_a_variant_is() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": None, "e": 3}, "d": [2]}) == {
        "a": {"c": 2, "e": 3},
        "d": [2],
    }
    assert whole({"title": "x", "load": {}})
    assert not whole({"title": "x"})


def test_marks_are_read_from_the_comment_above_a_block() -> None:
    text = 'words\n\n<!-- test: file mine.yaml -->\n```yaml title="x"\na: 1\n```\n\n```\nplain\n```\n'
    first, second = read(text, "page.md")
    assert (first.language, first.mark, first.body, first.line) == ("yaml", ("file", "mine.yaml"), "a: 1\n", 4)
    assert "without a language" in complaint(second)
    assert complaint(Block("p", 1, "text", (), "x\n")) != ""
    assert complaint(Block("p", 1, "haskell", (), "x\n")) != ""
    assert complaint(Block("p", 1, "sh", ("unrun", "because"), "x\n")) != ""
