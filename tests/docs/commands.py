"""The command lines of the documentation: which are run, which are checked instead, and why.

A command that needs sockets, a browser, a network or an hour is not run by a test. It is still held to what can go
stale: its word and options by the real parser, its files by their presence, its variants by the experiment they name.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from harness.cli import WORDS
from harness.cli.words import command
from harness.spec.load import load_experiment
from tests.docs.blocks import ROOT

QUICK = ("check", "policies", "apps", "incidents", "plugin", "--help", "--version")
# Words that a test does not run as they stand, and what is looked at instead.
CHECKED = {
    "run": "sockets and processes for a minute: the command line is parsed, its file read, its variants looked up",
    "serve": "a region until Ctrl-C: likewise",
    "web": "a region and a page in a browser until Ctrl-C: likewise",
    "doctor": "measures this machine for seconds, and another machine would say something else: the line is parsed",
    "reproduce": "minutes of simulation, with a test of its own: the line is parsed",
}
# Other programs. None is run: they set up machines, or are somebody else's to test.
PROGRAMS = {
    "make": "the target must be in the Makefile",
    "source": "sets up a shell",
    "cd": "sets up a shell",
    "export": "sets up a shell",
    "pip": "installs from a registry",
    "git": "talks to a server",
    "python": "the file must be there",
    "python3": "the file must be there",
    "locust": "drives load at a running service; the locustfile must be there",
    "blackstart-locust": "likewise",
    "curl": "needs a running service",
    "pytest": "the tests it names must be there",
    "xdg-open": "opens a window",
    "open": "opens a window",
    "cp": "copies a file that must be there",
    "mkdir": "sets up a folder",
    "sed": "makes a changed copy of a file that must be there",
    "tee": "the end of a pipe",
    "sudo": "sets up a machine",
    "ssh": "another machine",
    "jq": "the end of a pipe",
}
EXPERIMENTS = ("check", "run", "simulate", "compare", "gate", "sweep", "threshold", "serve", "web", "baseline")
_PATH = re.compile(r"^(?:experiments|examples|locustfiles|benchmarks|docs|tests)/[\w./-]+\.\w+$")


class Command(NamedTuple):
    """One command of a page: its words, what assigns to the environment before them, and where it stands."""

    words: tuple[str, ...]
    line: str
    where: str

    @property
    def word(self) -> str:
        """The word of the command line, or "" for another program."""
        return self.words[1] if self.words[0] == "blackstart" and len(self.words) > 1 else ""

    @property
    def live(self) -> bool:
        """Whether it runs on sockets: `compare` and `gate` do for a file, unless told otherwise."""
        if self.word in CHECKED:
            return "--help" not in self.words
        if self.word in ("compare", "gate"):
            file = any(word.endswith((".yaml", ".yml")) for word in self.words)
            return file and "simulate" not in self.words and "--help" not in self.words and "--runs" not in self.words
        return False

    @property
    def quick(self) -> bool:
        """Whether it is over in a moment."""
        return (self.word in QUICK and "--replay" not in self.words) or "--help" in self.words


def commands(body: str, where: str) -> list[Command]:
    """The commands of a sh block: one a line, `\\` at its end continues it, `#` begins a comment."""
    found = []
    for line in re.sub(r"\\\n", " ", body).splitlines():
        for part in re.split(r"\s(?:&&|\|\||;|\||&)(?:\s|$)", _without_comment(line)):
            words = shlex.split(part)
            while words and re.match(r"^[A-Z_]+=", words[0]):
                words = words[1:]
            if words:
                words[0] = words[0].removeprefix(".venv/bin/")
                found.append(Command(tuple(words), line.strip(), where))
    return found


def _without_comment(line: str) -> str:
    return re.sub(r"(^|\s)#.*$", "", line)


def complaint(one: Command, made: frozenset[str] = frozenset()) -> str:
    """What is stale about a command, or "". `made` are the files that earlier blocks of the page saved."""
    if one.words[0] == "blackstart":
        return _of_ours(one, made)
    if one.words[0] not in PROGRAMS:
        return f"{one.words[0]!r} is a program nobody knows here; give it a line in tests/docs/commands.py"
    if one.words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        unknown = [
            word for word in one.words[1:] if word not in targets and "=" not in word and not word.startswith("-")
        ]
        return f"no target {unknown[0]}" if unknown else ""
    return _missing(one, made)


def _of_ours(one: Command, made: frozenset[str]) -> str:
    if not one.word:
        return "blackstart without a word"
    if one.word.startswith("--"):
        return "" if one.word in QUICK else f"no option {one.word}"
    if one.word not in WORDS:
        return f"no word {one.word}"
    try:
        if "--help" not in one.words:
            command(one.word).make_context("blackstart", list(_unredirected(one.words[2:])))
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        return f"{one.word}: {error.format_message()}"
    return _missing(one, made) or _variants(one, made)


def _unredirected(words: tuple[str, ...]) -> tuple[str, ...]:
    """Without what a shell would take away."""
    at = next((i for i, word in enumerate(words) if word.startswith((">", "2>", "<"))), len(words))
    return words[:at]


def _missing(one: Command, made: frozenset[str]) -> str:
    """A file of ours that is named and not there."""
    gone = [word for word in _unredirected(one.words) if _PATH.match(word) and word not in made]
    return next((f"no file {word}" for word in gone if not (ROOT / word).exists()), "")


def _variants(one: Command, made: frozenset[str]) -> str:
    """A variant that its experiment has not."""
    if one.word not in EXPERIMENTS:
        return ""
    files = [word for word in one.words if word.endswith(".yaml") and word not in made and (ROOT / word).is_file()]
    asked = [one.words[i + 1] for i, word in enumerate(one.words[:-1]) if word == "--variant"]
    if len(files) != 1 or not asked:
        return ""
    known = load_experiment(ROOT / files[0]).variants
    return next((f"{files[0]} has no variant {name}" for name in asked if name not in known), "")


def placed(words: tuple[str, ...]) -> list[tuple[str, str, int, str]]:
    """The run folders a command names, as (experiment, variant, seed, path): they must be there before it runs."""
    found = []
    for word in words:
        parts = Path(word).parts
        told = re.match(r"^(?P<variant>\w+)-s(?P<seed>\d+)-[\w-]+$", parts[2]) if len(parts) >= 3 else None
        if parts and parts[0] == "runs" and told is not None:
            found.append((parts[1], told["variant"], int(told["seed"]), str(Path(*parts[:3]))))
    return found
