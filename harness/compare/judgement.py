"""Two variants against each other, measure by measure: better, same, worse or unsure.

A table of numbers invites the eye to find a winner in noise. So each pair of variants is judged only on a few primary
measures, only over valid runs paired by seed, by exact tests, and with p-values raised for how many answers are asked
for at once (Holm, over pairs of variants times measures):

    better, worse   the adjusted p is at most 5 %, and the difference points that way
    same            the whole 95 % interval of the mean difference lies within 5 % of the other variant's mean; for
                    `recovered`, at least 20 pairs and not one of them split
    unsure          anything else, and always under six pairs

Recovery is bimodal, so times are never averaged over runs that did not recover as if they had: a censored run counts
with the time it was watched, min(time to recover, horizon), which can only make a difference look smaller.

Direction comes from the measure alone, pairing from the seed alone; names of variants are labels and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.analyse.expect import look_up
from harness.compare.paired import ALPHA, PAIRS_LEAST, holm, interval, mcnemar, sign_flip
from harness.compare.sides import Side

PRIMARY = ("recovered", "time_to_recover_s", "amplification.overall")
SAME_SHARE = 0.05
SAME_PAIRS = 20
_MORE_IS_BETTER = frozenset({"recovered", "backlog.drain_efficiency", "baseline.goodput_per_s"})


class Judged(NamedTuple):
    """What is known about one measure of a pair of variants: `a` against `b`, differences are a minus b."""

    measure: str
    pairs: int
    a: float | None  # mean over pairs; for `recovered` the share
    b: float | None
    difference: float | None  # mean of paired differences
    low: float | None  # 95 % interval of it; None under six pairs and for `recovered`
    high: float | None
    splits: int  # pairs in which the two differ at all
    p: float
    p_adjusted: float
    verdict: str
    why: str


class Pair(NamedTuple):
    """Two variants and the seeds both have a valid run of."""

    a: str
    b: str
    runs: tuple[tuple[Side, Side], ...]
    judged: tuple[Judged, ...]


def pair_up(sides: Sequence[Side], a: str, b: str) -> tuple[tuple[Side, Side], ...]:
    """Valid runs of two variants, paired by seed; of several runs with one seed, first with first."""
    found = []
    mine = [side for side in sides if side.variant == a and side.valid]
    theirs = [side for side in sides if side.variant == b and side.valid]
    for side in sorted(mine, key=lambda s: s.seed):
        partner = next((other for other in theirs if other.seed == side.seed), None)
        if partner is not None:
            theirs.remove(partner)
            found.append((side, partner))
    return tuple(found)


def value_of(measures: Mapping[str, Any], measure: str) -> float | None:
    """A measure as a number: censored times with the time watched, true and false as 1 and 0, None when undefined."""
    key, found = look_up(measures, measure)
    if key == "time_to_recover_s" and found is None and measures.get("censored"):
        found = measures.get("horizon_s")
    return float(found) if isinstance(found, bool | int | float) else None


def judge(sides: Sequence[Side], pairs: Sequence[tuple[str, str]], measures: Sequence[str] = PRIMARY) -> list[Pair]:
    """All pairs on all measures, with one correction over all of them."""
    runs = [pair_up(sides, a, b) for a, b in pairs]
    found = [[_measure(both, measure) for measure in measures] for both in runs]
    asked = [(i, j) for i, row in enumerate(found) for j, one in enumerate(row) if one.pairs >= PAIRS_LEAST]
    for (i, j), p in zip(asked, holm([found[i][j].p for i, j in asked]), strict=True):
        found[i][j] = _decided(found[i][j]._replace(p_adjusted=p))
    return [Pair(a, b, both, tuple(row)) for (a, b), both, row in zip(pairs, runs, found, strict=True)]


def _measure(runs: Sequence[tuple[Side, Side]], measure: str) -> Judged:
    """The raw comparison of one measure, not yet decided."""
    values = [(value_of(a.measures, measure), value_of(b.measures, measure)) for a, b in runs]
    both = np.array([(a, b) for a, b in values if a is not None and b is not None], dtype=np.float64).reshape(-1, 2)
    n = both.shape[0]
    why = f"{n} pair{'' if n == 1 else 's'} of valid runs with equal seeds; at least {PAIRS_LEAST} are needed"
    if n == 0:
        return Judged(measure, 0, None, None, None, None, None, 0, 1.0, 1.0, "unsure", why)
    differences = both[:, 0] - both[:, 1]
    if measure == "recovered":
        p = mcnemar(int((differences > 0).sum()), int((differences < 0).sum()))
    else:
        p = sign_flip(differences)
    low, high = interval(differences) if n >= PAIRS_LEAST and measure != "recovered" else (None, None)
    means = (float(both[:, 0].mean()), float(both[:, 1].mean()), float(differences.mean()))
    return Judged(measure, n, *means, low, high, int(np.count_nonzero(differences)), p, 1.0, "unsure", why)


def _decided(one: Judged) -> Judged:
    """The word for a measure with enough pairs."""
    assert one.difference is not None
    assert one.b is not None
    more = one.difference > 0
    if one.p_adjusted <= ALPHA and one.difference != 0:
        verdict = "better" if more == (one.measure in _MORE_IS_BETTER) else "worse"
        return one._replace(verdict=verdict, why=f"adjusted p = {one.p_adjusted:.2g} over {one.pairs} pairs")
    if one.measure == "recovered":
        alike = one.splits == 0 and one.pairs >= SAME_PAIRS
        margin = f"no split among {one.pairs} pairs"
    else:
        assert one.low is not None
        assert one.high is not None
        alike = max(abs(one.low), abs(one.high)) <= SAME_SHARE * abs(one.b)
        margin = f"the difference is within {SAME_SHARE:.0%} over {one.pairs} pairs"
    if alike:
        return one._replace(verdict="same", why=margin)
    p = f"adjusted p = {one.p_adjusted:.2g} over {one.pairs} pairs"
    return one._replace(why=f"{p}: neither shown to differ nor to be alike")
