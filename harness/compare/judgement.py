"""Two variants against each other, measure by measure: better, same, worse or unsure.

A table of numbers invites the eye to find a winner in noise. So each pair of variants is judged only on a few primary
measures, only over valid runs paired by seed, by exact tests, and with p-values raised for how many answers are asked
for at once (Holm, over pairs of variants times measures):

    better, worse   the adjusted p is at most 5 %, and the difference points that way
    same            the whole 95 % interval of the mean difference lies within 5 % of the other variant's mean; for
                    `recovered`, at least 20 pairs and not one of them split
    unsure          anything else, and always under six pairs; `pairs_needed` says how many would do (enough.py)

A p-value says whether, never how much. Beside it stands an effect that means the same for every measure, whatever its
unit and however bimodal it is: of the pairs, the share in which `a` is better less the share in which it is worse.

Recovery is bimodal, so times are never averaged over runs that did not recover as if they had: a censored run counts
with the time it was watched, min(time to recover, horizon), which can only make a difference look smaller.

Direction comes from the measure alone, pairing from the seed alone; names of variants are labels and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.analyse.expect import look_up
from harness.compare.enough import least_pairs, pairs_for_means, pairs_for_recovery
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
    effect: float | None  # share of pairs in which a is better, less the share in which it is worse: -1 to 1
    pairs_needed: int | None  # of an unsure answer: pairs in all that would probably settle it; None beyond 1,000


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


def judge(
    sides: Sequence[Side], pairs: Sequence[tuple[str, str]], measures: Sequence[str] = PRIMARY, alpha: float = ALPHA
) -> list[Pair]:
    """All pairs on all measures at level `alpha`, with one correction over all of them."""
    runs = [pair_up(sides, a, b) for a, b in pairs]
    answers = max(1, len(pairs) * len(measures))
    found = [[_measure(both, measure, alpha, answers) for measure in measures] for both in runs]
    asked = [(i, j) for i, row in enumerate(found) for j, one in enumerate(row) if one.pairs >= PAIRS_LEAST]
    for (i, j), p in zip(asked, holm([found[i][j].p for i, j in asked]), strict=True):
        found[i][j] = _decided(found[i][j]._replace(p_adjusted=p), alpha)
    return [Pair(a, b, both, tuple(row)) for (a, b), both, row in zip(pairs, runs, found, strict=True)]


def _measure(runs: Sequence[tuple[Side, Side]], measure: str, alpha: float, answers: int) -> Judged:
    """The raw comparison of one measure, not yet decided."""
    values = [(value_of(a.measures, measure), value_of(b.measures, measure)) for a, b in runs]
    both = np.array([(a, b) for a, b in values if a is not None and b is not None], dtype=np.float64).reshape(-1, 2)
    n, least = both.shape[0], least_pairs(alpha / answers)
    why = f"{n} pair{'' if n == 1 else 's'} of valid runs with equal seeds; at least {least} are needed"
    if n == 0:
        return Judged(measure, 0, None, None, None, None, None, 0, 1.0, 1.0, "unsure", why, None, None)
    differences = both[:, 0] - both[:, 1]
    more, less = int((differences > 0).sum()), int((differences < 0).sum())
    means = (float(both[:, 0].mean()), float(both[:, 1].mean()), float(differences.mean()))
    if measure == "recovered":
        p = mcnemar(more, less)
        low, high = None, None
        needed = pairs_for_recovery(more, less, n, SAME_PAIRS, answers)
    else:
        p = sign_flip(differences)
        low, high = interval(differences, alpha) if n >= PAIRS_LEAST else (None, None)
        needed = pairs_for_means(differences, SAME_SHARE * abs(means[1]), answers)
    effect = (more - less if measure in _MORE_IS_BETTER else less - more) / n
    return Judged(measure, n, *means, low, high, more + less, p, 1.0, "unsure", why, effect, _beyond(needed, n))


def _beyond(needed: int | None, have: int) -> int | None:
    """A number of pairs that is more than there are: what was planned for has been seen and did not do."""
    return needed if needed is None else max(needed, have + 1)


def _decided(one: Judged, alpha: float) -> Judged:
    """The word for a measure with enough pairs."""
    assert one.difference is not None
    assert one.b is not None
    more = one.difference > 0
    if one.p_adjusted <= alpha and one.difference != 0:
        verdict = "better" if more == (one.measure in _MORE_IS_BETTER) else "worse"
        why = f"adjusted p = {one.p_adjusted:.2g} over {one.pairs} pairs"
        return one._replace(verdict=verdict, why=why, pairs_needed=None)
    if one.measure == "recovered":
        alike = one.splits == 0 and one.pairs >= SAME_PAIRS
        margin = f"no split among {one.pairs} pairs"
    else:
        assert one.low is not None
        assert one.high is not None
        alike = max(abs(one.low), abs(one.high)) <= SAME_SHARE * abs(one.b)
        margin = f"the difference is within {SAME_SHARE:.0%} over {one.pairs} pairs"
    if alike:
        return one._replace(verdict="same", why=margin, pairs_needed=None)
    p = f"adjusted p = {one.p_adjusted:.2g} over {one.pairs} pairs"
    return one._replace(why=f"{p}: neither shown to differ nor to be alike")
