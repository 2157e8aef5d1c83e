"""A comparison in words, so that nobody has to read a table to learn that nothing was shown.

Each pair of variants gets one sentence: what was seen, and then what follows from it, which under six pairs is that
nothing does. What was seen is always said first and never dressed up as a finding. Of many variants, whose pairs nobody
would read, the ranking is told first, and then only the pairs that were decided.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from harness.compare import ranking
from harness.compare.enough import least_pairs
from harness.compare.judgement import Judged, Pair
from harness.compare.paired import ALPHA, PAIRS_LEAST
from harness.compare.ranking import Rank
from harness.compare.sides import Side
from harness.units import show_s

PAIRS_READ_MOST = 3
_NAMES = {
    "recovered": "the chance of recovery",
    "time_to_recover_s": "time to recover",
    "amplification.overall": "attempts per operation",
}


def told(pairs: Sequence[Pair], sides: Sequence[Side], ranks: Sequence[Rank]) -> list[str]:
    """Everything to say of a comparison, at least one sentence."""
    if not pairs:
        return [of_one_variant(sides)]
    if len(pairs) <= PAIRS_READ_MOST:
        return of_pairs(pairs, sides, _least(pairs))
    decided = [pair for pair in pairs if any(one.verdict in ("better", "worse") for one in pair.judged)]
    return [ranking.sentence(ranks), *of_pairs(decided, sides, _least(pairs))]


def of_pairs(pairs: Sequence[Pair], sides: Sequence[Side], least: int) -> list[str]:
    """One sentence or two for each pair of variants; under `least` pairs of runs nothing can be shown."""
    return [f"{_seen(pair, sides)} {_follows(pair, least)}" for pair in pairs]


def of_one_variant(sides: Sequence[Side]) -> str:
    """What to say when all runs are of one variant."""
    return f"All runs are of one variant: {_record(sides[0].variant, sides)}. There is nothing to compare it with."


def trust(sides: Sequence[Side], pairs: Sequence[Pair]) -> str:
    """How far the comparison carries, in plain words."""
    invalid = [side.label for side in sides if not side.valid]
    left_out = f" Left out as invalid: {', '.join(invalid)}." if invalid else ""
    fewest = min((len(pair.runs) for pair in pairs), default=0)
    if not pairs:
        return f"One variant alone says how often it recovers, and nothing about others.{left_out}"
    if fewest < PAIRS_LEAST:
        have = f"{fewest} pair{'' if fewest == 1 else 's'} of runs with equal seeds"
        return f"With {have}, differences are shown and not judged; at least {_least(pairs)} are needed.{left_out}"
    return (
        f"Variants are paired by seed ({fewest} pairs at least) and tested exactly; p-values are raised for the number "
        f"of answers asked for (Holm).{left_out}"
    )


def repeat(sides: Sequence[Side]) -> str:
    """The command that makes such runs again and compares them."""
    words = ["blackstart", "compare", sides[0].plan.get("file") or f"experiments/{sides[0].plan['experiment']}.yaml"]
    variants = list(dict.fromkeys(side.variant for side in sides))
    for variant in variants:
        words += ["--variant", variant]
    seeds = sorted({side.seed for side in sides})
    words += ["--seed", str(seeds[0]), "--repeat", str(seeds[-1] - seeds[0] + 1)]
    if all(side.plan["engine"] == "world" for side in sides):
        words += ["--engine", "simulate"]
    return shlex.join(words)


def _least(pairs: Sequence[Pair]) -> int:
    """The fewest pairs of runs with which any of the answers asked for could be other than unsure by its p-value."""
    return least_pairs(ALPHA / sum(len(pair.judged) for pair in pairs))


def _seen(pair: Pair, sides: Sequence[Side]) -> str:
    """What happened, without judging."""
    return f"{_record(pair.a, sides)}; {_record(pair.b, sides)}."


def _record(variant: str, sides: Sequence[Side]) -> str:
    """How the runs of one variant ended."""
    mine = [side for side in sides if side.variant == variant]
    valid = [side for side in mine if side.valid]
    if len(mine) == 1:
        side = mine[0]
        word = str(side.measures["verdict"]).replace("_", " ")
        time_s = side.measures.get("time_to_recover_s")
        after = f", steady {show_s(time_s)} after the fix" if word == "recovered" and time_s is not None else ""
        return f"{variant}: {word}{after}"
    recovered = [side for side in valid if side.recovered]
    times_s = sorted(
        float(s.measures["time_to_recover_s"]) for s in recovered if s.measures["time_to_recover_s"] is not None
    )
    after = f" after {show_s(times_s[0])} to {show_s(times_s[-1])}" if times_s else ""
    return f"{variant}: recovered in {len(recovered)} of {len(valid)} valid runs{after}"


def _follows(pair: Pair, least: int) -> str:
    """What may be concluded."""
    settled = [one for one in pair.judged if one.verdict != "unsure"]
    if settled:
        rest = _more(pair) if len(settled) < len(pair.judged) else ""
        return f"{pair.a} against {pair.b}: {'; '.join(map(_finding, settled))}.{rest}"
    fewest = len(pair.runs)
    if fewest == 0:
        return "They share no seed with valid runs on both sides, so nothing can be concluded."
    if fewest < least:
        have = "one pair of runs shows" if fewest == 1 else f"{fewest} pairs of runs show"
        return f"That is what {have}; it is unsure whether it holds, since at least {least} pairs are needed."
    return f"Over {fewest} pairs this settles nothing: unsure.{_more(pair)}"


def _more(pair: Pair) -> str:
    """How many more pairs would settle what is open, where a sensible number would."""
    needed = [one.pairs_needed for one in pair.judged if one.verdict == "unsure" and one.pairs_needed is not None]
    if not needed:
        return ""
    more = min(needed) - len(pair.runs)
    return f" About {more} more pair{'' if more == 1 else 's'} would probably settle the first of it."


def _finding(one: Judged) -> str:
    return f"{one.verdict} in {_NAMES.get(one.measure, one.measure)} ({one.why})"
