"""The runs behind the gallery: every variant of an experiment a few times in virtual time, and what is kept of them.

Three seeds show whether a variant ends the same way by luck, and no more; whoever wants to know how often runs
`blackstart compare` with twenty. What is kept is small: the verdict and the measures that the experiment's own `expect`
lines ask about, so that the sentence on the page answers the question the file asks. The fingerprints of the resolved
variants stand beside them: a file that changes its question no longer matches its answer.

Leaves out: changes of the code behind an unchanged file, which no fingerprint sees; `--all` runs everything again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from harness.analyse import judge
from harness.analyse.drawing import Curves
from harness.analyse.expect import look_up
from harness.plan import fingerprint, make_plan
from harness.record.folder import RunFolder
from harness.sim import simulate
from harness.spec.load import ExperimentFile

SEEDS: Final = 3
ALWAYS: Final = ("time_to_recover_s", "goodput_deficit.recovery_ops", "goodput_deficit.outage_ops")


class Shown(NamedTuple):
    """One run as the gallery shows it."""

    variant: str
    seed: int
    curves: Curves
    facts: dict[str, Any]  # "verdict", "recovered", and the measures asked about by their keys


def fingerprints(file: ExperimentFile) -> dict[str, str]:
    """What each variant of the file resolves to, as a hash."""
    return {name: fingerprint(file.variant(name)) for name in file.variants}


def asked(file: ExperimentFile) -> list[str]:
    """The keys of measures.json that the file's own criteria are about, in their order."""
    keys = [line.key for line in file.expect if line.key]
    return list(dict.fromkeys([*(key for key in keys if key not in ("verdict", "recovered")), *ALWAYS]))


def runs(file: ExperimentFile) -> Iterator[Shown]:
    """Run every variant with each seed, in virtual time, and analyse it; run folders are thrown away."""
    keys = asked(file)
    with tempfile.TemporaryDirectory(prefix="blackstart-gallery-") as place:
        for variant in file.variants:
            first = file.variant(variant).seed
            for seed in range(first, first + SEEDS):
                folder = RunFolder.create(Path(place), file.name, variant, seed, "gallery")
                simulate(make_plan(file, variant, seed, engine="world"), folder)
                measures, curves = judge(folder)
                yield Shown(variant, seed, curves, _facts(measures, keys))


def _facts(measures: Mapping[str, Any], keys: list[str]) -> dict[str, Any]:
    found = {"verdict": measures["verdict"], "recovered": measures["recovered"]}
    for key in keys:
        value = look_up(measures, key)[1]
        found[key] = float(f"{value:.6g}") if isinstance(value, float) else value
    return found
