"""Published results, found again: the oracle of everything that simulates here.

A simulator that agrees with itself proves nothing. Each claim names its source, the number published there, and the
rule by which ours agrees with it; models of one question are in `published_*.py`, questions an experiment file can ask
are in `experiments/published/`. What does not agree is shown as such, and the command fails.

    reproduce(chosen, effort) -> lines, one at a time, in the order of the claims
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
from harness.study.claims import Claim, Effort, Line

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
