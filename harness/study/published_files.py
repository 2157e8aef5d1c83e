"""Published results that an experiment file can ask for: `experiments/published/*.yaml`, run and compared here.

The files carry the experiments and cite their sources; what was published stands below, with the scale of time where
the file is a scaled copy. Goodput over capacity is that of an endless run there, and of 400 s here that begin with an
empty line: up to 5 s of it are good before a line is full, hence a slack of 0.02. Where the verdict of a run is
compared, it is this suite's own ("recovered": every steady-state line, for as long as the file says), which is stricter
than goodput alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from harness.study.axes import Value, read_axis
from harness.study.claims import Claim, Effort, Line, band, factor, sample, share, stated
from harness.study.crew import Crew, Done
from harness.study.design import make_design
from harness.study.engine import Told, prepare
from harness.study.journal import Book
from harness.study.subject import Subject, read_subject
from harness.study.sweep import Sweep
from harness.study.threshold import find

MU = 100.0
SCALE: Final = 5.0  # HotOS 2025: 10/s and 5 s there, 50/s and 1 s here
RUNNING_EXAMPLE: Final = {"k35": 20, "k55": 20, "k60": 15, "k80": 0, "k150": 0}  # of 20
ESCAPE_S: Final = {"k52": 90.0, "k55": 159.0, "k60": 2074.0}
OUTAGE_AXIS: Final = "phases.outage+timeline.0.with.mean=0.3s..3s:2"
CRITICAL_S: Final = {0.3: 2.21, 0.5: 1.47, 0.7: 1.11, 0.9: 0.92}
SPELL: Final = {"500ms": 0, "600ms": 0, "700ms": 64, "2s": 64}  # stuck, of 64
GOODPUT: Final[dict[str, tuple[float, float, float]]] = {
    "fifo": (0.799, 0.0, 0.0),
    "bound_50": (0.799, 1.00, 1.00),
    "bound_100": (0.799, 0.67, 0.48),
    "bound_150": (0.799, 0.0, 0.0),
    "lifo": (0.795, 1.00, 1.00),
    "expired": (0.799, 0.84, 0.20),
    "codel": (0.778, 0.97, 0.16),
    "facebook_codel": (0.73, 0.89, 0.99),
}
CURES: Final[dict[str, tuple[int, float | None]]] = {  # recovered of 20, seconds to recover
    "none": (0, None), "backoff_short": (0, None), "backoff_long": (0, None), "skips_abandoned": (20, 9.0),
    "lifo": (20, 0.0), "k40": (20, 0.0), "one_retry": (20, 427.0), "no_retry": (20, 19.0), "budget_10": (20, 22.0),
    "budget_20": (20, 25.0), "budget_100": (20, 382.0),
}  # fmt: skip


def _tell(effort: Effort, file: str, variant: str, settings: Mapping[str, Value] | None = None) -> list[Told]:
    subject = read_subject(effort.files / f"{file}.yaml", variant)
    runner = prepare(subject.file(settings or {}))
    return [runner.tell(seed) for seed in range(1, 1 + effort.seeds)]


def _recovered(told: list[Told]) -> int:
    return sum(one.recovered is True for one in told)


def drain_lines(effort: Effort) -> Iterator[Line]:
    """R9: the drain after a full outage of 10 s, to 5 % of its peak."""
    for variant, rho in (("half", 0.5), ("two_thirds", 2 / 3)):
        values = [one.drain_s for one in _tell(effort, "backlog_drain", variant) if one.drain_s is not None]
        ideal_s = 0.95 * 10.0 * rho / (1.0 - rho)
        yield sample("R9", f"full outage of 10 s, load {rho:.2g}: 95 % drained (s)", values, ideal_s, slack=0.25)


def bound_lines(effort: Effort) -> Iterator[Line]:
    """R12: which bounds recover, and how long the escape takes just above the threshold."""
    for variant, published in RUNNING_EXAMPLE.items():
        told = _tell(effort, "queue_bound", variant)
        yield share("R12", f"bound {variant[1:]}: runs that recover", _recovered(told), len(told), published, 20)
    for variant, seconds in ESCAPE_S.items():
        told = _tell(effort._replace(seeds=4 * effort.seeds), "queue_bound", variant)
        what = f"bound {variant[1:]}: mean escape, scaled (s)"
        yield _escape(what, told, seconds / SCALE)


def _escape(what: str, told: Sequence[Told], published_s: float) -> Line:
    """Escapes are nearly exponential, so the mean is all time watched over the escapes seen; runs cut off count."""
    watched_s = sum(
        (one.horizon_s if one.time_to_recover_s is None else one.time_to_recover_s) or 0.0 for one in told
    )
    return factor("R12", what, watched_s, sum(one.time_to_recover_s is not None for one in told), published_s, 2.0)


def outage_lines(effort: Effort) -> Iterator[Line]:
    """R14: the critical length of a full outage, and none where load x (1 + retries) is under capacity."""
    for rho, published in CRITICAL_S.items():
        for variant in ("three_retries", "five_retries"):
            subject = read_subject(effort.files / "full_outage.yaml", variant)
            subject = subject._replace(raw=_at_rate(subject.raw, MU * rho))
            found = _critical(subject, OUTAGE_AXIS, 3 * effort.seeds, 0.04)
            what = f"load {rho}, {variant.replace('_', ' ')}: critical outage (s)"
            yield band("R14", what, found.at, published, 0.05, low=found.low, high=found.high)
    told = _tell(effort, "full_outage", "two_retries", {"load.kv_reads.arrivals.rate": "25/s"})
    yield share("R14", "load 0.25, 2 retries, 3 s: runs that recover", _recovered(told), len(told), 20, 20)


class Critical(NamedTuple):
    """A critical length and its 95 % interval, in seconds."""

    at: float
    low: float
    high: float


def _critical(subject: Subject, over: str, seeds: int, tolerance_s: float) -> Critical:
    sweep = Sweep(subject, make_design("grid", [read_axis(over)], None, 1), tuple(range(1, 1 + seeds)), "auto")
    found = find(sweep, Book(), Crew(subject, "auto", 1), _quiet, tolerance=tolerance_s)
    if found.at is None or found.low is None or found.high is None:
        raise AssertionError(f"{over}: {found.how}, though the published value lies well inside")
    return Critical(found.at, found.low, found.high)


def spell_lines(effort: Effort) -> Iterator[Line]:
    """R15a: how long a slow spell may last."""
    effort = effort._replace(seeds=3 * effort.seeds)  # about as many as were published
    for length, published in SPELL.items():
        told = _tell(effort, "slow_spell", "acceptance", {"phases.outage": length})
        stuck = sum(one.recovered is False for one in told)
        yield share("R15a", f"spell of {length}: runs that are stuck", stuck, len(told), published, 64)
    told = _tell(effort, "slow_spell", "acceptance", {"phases.outage": "625ms"})
    stuck = len(told) - _recovered(told)
    yield share("R15a", "spell of 625ms: runs that are stuck (second model)", stuck, len(told), 0, 32)
    told = _tell(effort, "slow_spell", "acceptance")
    stuck = len(told) - _recovered(told)
    yield share("R15a", "spell of 650ms: runs that are stuck (second model)", stuck, len(told), 32, 32)
    yield share("R15a", "spell of 650ms: runs that are stuck", stuck, len(told), 31, 64)  # half: the boundary itself
    subject = read_subject(effort.files / "slow_spell.yaml", "acceptance")
    found = _critical(subject, "phases.outage=0.5s..0.8s:2", 5, 0.005)
    what = "critical length of the spell (s)"
    yield band("R15a", what, found.at, 0.65, 0.05, low=found.low, high=found.high)
    for length, published in (("700ms", 20), ("1s", 0)):
        told = _tell(effort, "slow_spell", "start", {"phases.outage": length})
        what = f"drawn at the start of service, {length}: runs that recover"
        yield share("R15a", what, _recovered(told), len(told), published, 20)


def overload_lines(effort: Effort) -> Iterator[Line]:
    """R16: goodput over capacity at 0.8, 1.2 and 5 times of it."""
    for variant, row in GOODPUT.items():
        for rho, published in zip((0.8, 1.2, 5.0), row, strict=True):
            told = _tell(effort, "overload", variant, {"load.kv_reads.arrivals.rate": f"{rho * MU}/s"})
            values = [one.goodput_outage_per_s / MU for one in told if one.goodput_outage_per_s is not None]
            what = f"{variant.replace('_', ' ')} at {rho:g}: goodput / capacity"
            yield sample("R16", what, values, published, slack=0.02, digits=3)
            if variant == "bound_100" and rho > 1.0:
                exact = goodput_share(rho, 100, MU)
                yield sample("R16", f"the same, exact (M/M/1/{101})", values, exact, slack=0.005, digits=3)


def goodput_share(rho: float, line: int, served_per_deadline: float) -> float:
    """What M/M/1 with room for `line` waiting jobs serves within the deadline, over capacity.

    A job let in behind j others takes j + 1 exponential services, and these take less than the deadline when a Poisson
    count with mean `served_per_deadline` is over j. PASTA gives j.
    """
    weights = [rho**j for j in range(line + 2)]
    term, upto, good = math.exp(-served_per_deadline), 0.0, 0.0
    for j in range(line + 1):
        upto += term  # the chance of at most j
        term *= served_per_deadline / (j + 1)
        good += weights[j] * (1.0 - upto)
    return rho * good / sum(weights)


def cure_lines(effort: Effort) -> Iterator[Line]:
    """R17: which single change lets the stuck example recover."""
    for variant, (published, seconds) in CURES.items():
        told = _tell(effort, "mitigations", variant)
        name = variant.replace("_", " ")
        yield share("R17", f"{name}: runs that recover", _recovered(told), len(told), published, 20)
        times = [one.time_to_recover_s for one in told if one.time_to_recover_s is not None]
        if seconds is not None and times:
            ours = f"{sum(times) / len(times):.3g}"
            why = "ours counts until all lines hold (queue and attempts too), after another trigger"
            yield stated("R17", f"{name}: mean time to recover, scaled (s)", ours, f"{seconds / SCALE:.3g}", why)


def _quiet(_: Done) -> None: ...


def _at_rate(raw: Mapping[str, Any], rate_per_s: float) -> dict[str, Any]:
    return {**raw, "load": {"kv_reads": {"arrivals": {"rate": f"{rate_per_s}/s", "process": "poisson"}}}}


CLAIMS: Final = tuple(
    Claim(result, source, lines)
    for result, source, lines in (
        ("R9", "queueing theory, fluid limit", drain_lines),
        ("R12", "Isaacs et al., HotOS 2025, running example", bound_lines),
        ("R14", "fluid theory and simulation of full outages", outage_lines),
        ("R15a", "moonpool, pull request 193", spell_lines),
        ("R16", "M/M/1 under overload, deadline 1 s", overload_lines),
        ("R17", "HotOS 2025 example, one change each", cure_lines),
    )
)
