"""Published results, found again: the oracle of everything that simulates here.

A simulator that agrees with itself proves nothing. Each claim names its source, the number published there, and the
rule by which ours agrees with it; models of one question are in `published_*.py`, questions an experiment file can ask
are in `experiments/published/`. What does not agree is shown as such, and the command fails.

    reproduce(chosen, effort) -> lines, one at a time, in the order of the claims
    markdown(lines, effort)   -> the page docs/reproduced.md
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import harness
from harness.errors import SpecError
from harness.policies.entry import did_you_mean
from harness.study import (
    published_cache,
    published_collapse,
    published_contention,
    published_files,
    published_loops,
    published_queues,
)
from harness.study.claims import AGREES, DIFFERS, STATED, Claim, Effort, Line

CLAIMS: Final[tuple[Claim, ...]] = (
    published_contention.CLAIM,
    published_collapse.CLAIM,
    published_loops.CLAIM,
    published_cache.CLAIM,
    *published_queues.CLAIMS,
    *published_files.CLAIMS,
)
SEEDS_LEAST: Final = 3


def results() -> tuple[str, ...]:
    """Names of the results, each once, in order."""
    return tuple(dict.fromkeys(claim.result for claim in CLAIMS))


def chosen(names: Sequence[str]) -> tuple[Claim, ...]:
    """The claims of these results; all without names. Raises SpecError for an unknown one."""
    for name in names:
        if name not in results():
            near = did_you_mean(name, results())
            raise SpecError(f"no published result {name!r}; there are {', '.join(results())}{near}")
    return tuple(claim for claim in CLAIMS if not names or claim.result in names)


def files_folder(given: Path | None) -> Path:
    """Where the published experiments lie. Raises SpecError when they are not there."""
    beside = Path(harness.__file__).parents[1] / "experiments/published"
    tried = [given] if given is not None else [Path("experiments/published"), beside]
    for path in tried:
        if path.is_dir():
            return path
    raise SpecError(
        f"no folder {' or '.join(map(str, tried))}; the published experiments come with the source, so say where they "
        "are with --experiments DIR"
    )


def reproduce(claims: Sequence[Claim], effort: Effort) -> Iterator[tuple[Claim, Line]]:
    """Every line of these claims, as it is found."""
    if effort.seeds < SEEDS_LEAST:
        raise SpecError(f"{effort.seeds} seeds cannot give an interval; use at least {SEEDS_LEAST}")
    for claim in claims:
        for line in claim.lines(effort):
            yield claim, line


def tally(lines: Sequence[Line]) -> str:
    """How many agree, in words."""
    compared = [line for line in lines if line.verdict != STATED]
    agreeing = sum(line.verdict == AGREES for line in compared)
    return f"{agreeing} of {len(compared)} published numbers found again"


def markdown(found: Sequence[tuple[Claim, Line]], effort: Effort) -> str:
    """The lines as a page: one table, what is compared how, and the command that makes it again."""
    lines = [line for _, line in found]
    page = [
        "# Published results, found again",
        "",
        f"Made by `blackstart reproduce --seeds {effort.seeds} --markdown > docs/reproduced.md`, in about two minutes.",
        "",
        f"**{tally(lines)}**, with {effort.seeds} seeds or a multiple. The rule beside each line decides between "
        "`agrees` and `differs`; `stated` marks what a source leaves too open for a rule. The interval is that of "
        "ours, at 95 %. What stands behind a number is in `harness/study/published_*.py` and, where an experiment "
        "file can ask for it, in `experiments/published/`; there it also says where our question is not quite theirs "
        "(another trigger, times scaled down, goodput over 400 s).",
        "",
        "| | source | number | published | ours | interval | verdict | rule |",
        "|---|---|---|---|---|---|---|---|",
    ]
    source = ""
    for claim, line in found:
        named = claim.source if claim.source != source else ""
        source = claim.source
        verdict = f"**{line.verdict}**" if line.verdict == DIFFERS else line.verdict
        cells = (line.result, named, line.what, line.published, line.ours, line.interval, verdict, line.rule)
        page.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(page)
