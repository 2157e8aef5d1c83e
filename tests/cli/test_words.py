"""The command line as a whole: quick, lazy, and clear about what went wrong."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import pytest

import harness.cli
from harness.cli import WORDS, run_words
from harness.errors import Exit, InvalidRun, RecordError, RunError, SpecError, StopCondition

ENGINES = {
    "trio", "httpx", "aiohttp", "numpy", "numba", "locust", "gevent", "pydantic", "scipy", "altair", "rich", "yaml",
}  # fmt: skip


def test_help_imports_no_engine() -> None:
    code = "import sys; from harness.cli import run_words; run_words(['--help']); print('MODULES', *sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    text, _, modules = out.partition("MODULES")
    assert not ENGINES & set(modules.split())
    for word, line in WORDS.items():
        assert f"  {word}" in text
        assert line.split(",")[0].split()[0] in text


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_words(["--version"]) == 0
    assert capsys.readouterr().out == f"blackstart {harness.__version__}\n"


def test_every_word_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for word in WORDS:
        assert run_words([word, "--help"]) == 0
        assert f"Usage: blackstart {word}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu"], "no word 'rnu'; did you mean 'run'?"),
        (["frobnicate"], "no word 'frobnicate'; there are: check, run, "),
        (["--nope"], "No such option: --nope"),
        (["run"], "Missing argument 'FILE'"),
        (["run", "x.yaml", "--repeat", "0"], "Invalid value for '--repeat'"),
        (["run", "x.yaml", "--sed", "7"], "No such option: --sed"),
        (["run", "nowhere.yaml"], "nowhere.yaml: cannot be read: No such file or directory"),
        (["analyse", "nowhere"], "nowhere: no such run folder"),
        (["report", "nowhere"], "nowhere: no such run folder"),
        (["compare", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["serve", "smal"], "'smal' is neither a file nor a preset; presets are small"),
    ],
)
def test_a_wrong_command_line_exits_2_and_says_why(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_words(arguments) == Exit.USAGE
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_no_word_at_all_shows_the_words_and_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_words([]) == Exit.USAGE
    assert "Words" in capsys.readouterr().out


def word_that_raises(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def boom() -> None:
        raise error

    monkeypatch.setitem(sys.modules, "harness.cli.doctor", types.SimpleNamespace(doctor=boom))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SpecError("what"), 2),
        (RecordError("what"), 2),
        (InvalidRun("what"), 3),
        (RunError("what"), 4),
        (StopCondition("what"), 5),
    ],
)
def test_errors_for_people_are_one_message_and_their_own_exit_code(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    word_that_raises(monkeypatch, error)
    assert run_words(["doctor"]) == code
    assert capsys.readouterr().err == "blackstart: what\n"


def test_ctrl_c_exits_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    word_that_raises(monkeypatch, KeyboardInterrupt())
    assert run_words(["doctor"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_our_own_defect_exits_4_and_leaves_its_traceback_in_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    word_that_raises(monkeypatch, ZeroDivisionError("no windows"))
    assert run_words(["doctor"]) == Exit.MACHINERY
    err = capsys.readouterr().err
    assert err.startswith("blackstart: ZeroDivisionError: no windows; a defect of blackstart, its traceback is in ")
    assert err.count("\n") == 1
    (kept,) = tmp_path.iterdir()
    assert str(kept) in err
    assert "in boom" in kept.read_text()
