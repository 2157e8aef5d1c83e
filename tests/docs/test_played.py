"""Every page of the documentation is played from top to bottom: what it tells people to type is typed.

Commands run in a shell, in a folder that looks like a checkout; run folders that a page names are simulated and put
there first. Live commands are left out (`commands.CHECKED` says why), and so are other programs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.analyse import analyse
from harness.plan import make_plan
from harness.record.folder import RunFolder
from harness.sim import simulate
from harness.spec.load import load_experiment
from tests.docs.blocks import ROOT, Block, blocks, pages
from tests.docs.commands import Command, commands, placed
from tests.docs.experiments import FLAGSHIP, checked, saved_as, write

SECONDS_MOST = 300  # of one command: nothing a page shows is meant to take a tenth of it, but machines are busy
SHELL = ("cp", "mkdir", "sed")  # run, too: what comes after may need it


def played(path: Path) -> bool:
    """Whether anything of a page needs to be run."""
    return any(_runs(block) for block in blocks(path))


def _runs(block: Block) -> bool:
    if block.kind == "unrun":
        return False
    if block.language == "python":
        return block.kind == ""
    return block.language == "sh" and any(_is_run(one) for one in commands(block.body, block.where))


def _is_run(one: Command) -> bool:
    return (one.words[0] == "blackstart" and not one.live) or one.words[0] in SHELL


def lines_of(body: str) -> list[str]:
    """The command lines of a block, continued ones whole."""
    return [line for line in re.sub(r"\\\n", " ", body).splitlines() if line.strip() and not line.startswith("#")]


class Play:
    """One page being played in `here`."""

    def __init__(self, here: Path) -> None:
        self.here = here
        self.said = ""
        self.python: list[Block] = []
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        self.environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "160"}

    def block(self, block: Block) -> None:
        """Do what the block says."""
        if block.kind == "unrun":
            return
        if saved_as(block) and block.language != "yaml":
            write(self.here, saved_as(block), block.body)
        elif block.language == "yaml" and block.kind in ("file", "patch"):
            checked(block, self.here)
        elif block.language == "sh":
            self.shell(block)
        elif block.language == "python" and not block.kind:
            self.program(block)
        elif block.kind == "output":
            self.output(block)

    def shell(self, block: Block) -> None:
        """Run its commands; the last may be meant to fail."""
        self.said = ""
        lines = [line for line in lines_of(block.body) if self.wanted(line, block)]
        for number, written in enumerate(lines, 1):
            line = written
            for change in block.mark[1:] if block.kind == "smaller" else ():
                old, _, new = change.partition("=")
                assert old in block.body, f"{block.where}: {old!r} is not in the block any more"
                line = line.replace(old, new)
            expected = int(block.mark[1]) if block.kind == "exit" and number == len(lines) else 0
            for one in commands(line, block.where):
                self.put(one)
            done = subprocess.run(
                ["bash", "-c", line], cwd=self.here, env=self.environment, capture_output=True, text=True,
                timeout=SECONDS_MOST, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            self.said += done.stdout + done.stderr
            assert done.returncode == expected, f"{block.where}: {line}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"

    def wanted(self, line: str, block: Block) -> bool:
        """Whether a line is one to run: all of it, or nothing."""
        found = commands(line, block.where)
        return bool(found) and _is_run(found[0]) and not any(one.live for one in found)

    def put(self, one: Command) -> None:
        """Simulate the runs that a command names, where they are not there yet."""
        for experiment, variant, seed, path in placed(one.words):
            if not (self.here / path).exists():
                self.simulate(experiment, variant, seed, self.here / path)
        for word in one.words:
            parts = Path(word).parts
            if word.startswith("runs/") and "*" in word and not list(self.here.glob(word)) and len(parts) >= 3:
                variant = parts[2].partition("-")[0]
                self.simulate(parts[1], variant, 1, self.here / "runs" / parts[1] / f"{variant}-s1-20260101-000000")

    def simulate(self, experiment: str, variant: str, seed: int, path: Path) -> None:
        """A run of the experiment, or of the flagship when there is none of this name, under the name of the page."""
        known = [
            found for folder in ("experiments", "examples") for found in (ROOT / folder).rglob(f"{experiment}.yaml")
        ]
        mine = self.here / f"{experiment}.yaml"
        file = load_experiment(mine if mine.is_file() else known[0] if known else ROOT / FLAGSHIP)
        name = variant if variant in file.variants else file.variants[0]
        folder = RunFolder.create(path.parent.parent, path.parent.name, name, seed, "put")
        simulate(make_plan(file, name, seed, engine="world"), folder)
        analyse(folder)
        if folder.path != path:
            folder.path.rename(path)

    def program(self, block: Block) -> None:
        """Run the page's program up to and with this block: later ones build on earlier ones."""
        self.python.append(block)
        text = "\n".join(part.body for part in self.python)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", text], cwd=self.here, env=self.environment, capture_output=True,
            text=True, timeout=SECONDS_MOST, check=False,
        )  # fmt: skip
        self.said = done.stdout
        assert done.returncode == 0, f"{block.where}\n{done.stderr[-3000:]}"

    def output(self, block: Block) -> None:
        """Each line of the block was said, in this order; `...` stands for any."""
        said, at = " ".join(self.said.split()), 0  # where lines are broken is the terminal's affair
        for line in block.body.splitlines():
            wanted = " ".join(line.split())
            if wanted and wanted != "...":
                found = said.find(wanted, at)
                assert found >= 0, f"{block.where}: {line!r} was not said\n{self.said[-3000:]}"
                at = found + len(wanted)


@pytest.mark.long
@pytest.mark.parametrize(
    "page", [page for page in pages() if played(page)], ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_every_page_plays_from_top_to_bottom(page: Path, checkout: Path) -> None:
    play = Play(checkout)
    for block in blocks(page):
        play.block(block)


def test_a_file_of_a_page_never_lands_in_the_project(checkout: Path) -> None:
    for name in ("harness/policies/never.py", "experiments/dns_race.yaml", "new/never.txt"):
        write(checkout, name, "mine\n")
        assert (checkout / name).read_text() == "mine\n"
    assert not (ROOT / "harness/policies/never.py").exists()
    assert (ROOT / "experiments/dns_race.yaml").read_text() != "mine\n"
    assert (checkout / "experiments/resolvers.yaml").is_file()
    assert (checkout / "harness/policies/codel.py").is_file()


def test_output_is_found_in_its_order_and_missed_when_it_is_not_there(tmp_path: Path) -> None:
    play = Play(tmp_path)
    play.said = "first  line\nsecond\nthird\n"
    play.output(Block("p", 1, "text", ("output",), "first line\n...\nthird\n"))
    with pytest.raises(AssertionError, match="was not said"):
        play.output(Block("p", 1, "text", ("output",), "third\nsecond\n"))
