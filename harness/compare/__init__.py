"""Several runs against each other: how sure the chance of recovery is, and which variant is better, if anyone can say.

    compare(folders)   everything comparison.json holds

    sides       the runs, read and found comparable
    chance      Wilson intervals
    relative    lines that are a multiple of another variant's value, run by run
    paired      exact tests for few pairs, and Holm's correction
    judgement   better, same, worse or unsure for each pair of variants
    enough      how many more pairs an unsure answer needs
    looks       adding runs until the answers are sure, with the level shared among the looks
    survival    time to recover when some runs never did
    ranking     variants in the order of what was seen
    sentences   the same in words

The unit is the run: curves of different runs are never averaged, and one run each proves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import median
from typing import Any

from harness.analyse.expect import look_up
from harness.compare import relative, sentences
from harness.compare.chance import Chance, wilson
from harness.compare.judgement import Pair, judge
from harness.compare.paired import ALPHA
from harness.compare.ranking import ranking
from harness.compare.sides import Side, read
from harness.compare.survival import log_rank, survival
from harness.record.folder import RunFolder

SCHEMA_VERSION = 1
SIDE_BY_SIDE = (
    "verdict",
    "recovered",
    "time_to_recover_s",
    "censored",
    "horizon_s",
    "oscillations",
    "time_to_first_success_s",
    "goodput_deficit.outage_ops",
    "goodput_deficit.recovery_ops",
    "amplification.overall",
    "amplification.peak",
    "amplification.end_to_end",
    "attempts_peak_per_s",
    "throttled.server",
    "throttled.client",
    "wasted_work_ratio",
    "backlog.peak",
    "backlog.at_fix",
    "backlog.drain_s",
    "backlog.drain_efficiency",
    "baseline.goodput_per_s",
    "baseline.p99_s",
)


def pairs_of(folders: Sequence[RunFolder], labels: Sequence[str | None] = (), alpha: float = ALPHA) -> list[Pair]:
    """Every two variants judged on the primary measures at level `alpha`."""
    sides = read(folders, labels)
    return judge(sides, list(combinations(dict.fromkeys(side.variant for side in sides), 2)), alpha=alpha)


def compare(
    folders: Sequence[RunFolder], labels: Sequence[str | None] = (), pairs: Sequence[Pair] | None = None
) -> dict[str, Any]:
    """The comparison of two or more runs, JSON-able. Raises SpecError when they cannot be compared.

    `labels` stand for the variants of the folders where they are given; `pairs` is a judgement already made, in looks.
    Keys: schema_version, experiment, engine, runs, ranking, chances, survival, pairs, expect, sentences, trust, repeat.
    """
    sides = read(folders, labels)
    variants = list(dict.fromkeys(side.variant for side in sides))
    if pairs is None:
        pairs = judge(sides, list(combinations(variants, 2)))
    chances = [_chance(sides, variant) for variant in variants]
    ranks = ranking(sides)
    return {
        "schema_version": SCHEMA_VERSION,
        "experiment": sides[0].plan["experiment"],
        "engine": sides[0].plan.get("engine"),
        "runs": [_run(side) for side in sides],
        "ranking": [rank._asdict() for rank in ranks],
        "chances": [chance.to_json() for chance in chances],
        "survival": [curve._asdict() for variant in variants if (curve := survival(sides, variant)) is not None],
        "pairs": [{**_pair(pair), "log_rank_p": log_rank(sides, pair.a, pair.b)} for pair in pairs],
        "expect": _expected(sides),
        "sentences": sentences.told(pairs, sides, ranks),
        "trust": sentences.trust(sides, pairs),
        "repeat": sentences.repeat(sides),
    }


def _chance(sides: Sequence[Side], variant: str) -> Chance:
    valid = [side for side in sides if side.variant == variant and side.recovered is not None]
    recovered = sum(bool(side.recovered) for side in valid)
    return Chance(variant, recovered, len(valid), *wilson(recovered, len(valid)))


def _run(side: Side) -> dict[str, Any]:
    """One run with its measures side by side."""
    return {
        "label": side.label,
        "folder": str(side.folder.path),
        "variant": side.variant,
        "seed": side.seed,
        "valid": side.valid,
        "measures": {key: look_up(side.measures, key)[1] for key in SIDE_BY_SIDE},
    }


def _pair(pair: Pair) -> dict[str, Any]:
    """One pair of variants: what was judged, and plain differences of everything else."""
    differences = {}
    for key in SIDE_BY_SIDE:
        values = [(_number(a.measures, key), _number(b.measures, key)) for a, b in pair.runs]
        both = [a - b for a, b in values if a is not None and b is not None]
        if both:
            differences[key] = median(both)
    return {
        "a": pair.a,
        "b": pair.b,
        "seeds": [a.seed for a, _ in pair.runs],
        "judged": [one._asdict() for one in pair.judged],
        "median_differences": differences,
    }


def _number(measures: dict[str, Any], key: str) -> float | None:
    found = look_up(measures, key)[1]
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def _expected(sides: Sequence[Side]) -> list[dict[str, Any]]:
    """The experiment's comparative `expect` lines, answered. Each is a question of its own: one measure, one pair."""
    lines = sides[0].plan.get("spec", {}).get("expect") or ()
    answers = [
        relative.compared(sides, str(line["measure"]), str(line["is"]), *map(str, line["compare"]))._asdict()
        | {"compare": list(map(str, line["compare"]))}
        for line in lines
        if line.get("compare")
    ]
    return answers + relative.answers(sides, lines)
