"""One criterion over the runs it is about: every run is answered by itself, and the criterion by all of them.

    fail      it failed in a valid run
    unsure    it failed in none, but a run is invalid, or says nothing about it, or there is none
    pass      it held in every run, and there is at least one

The judge of a single run is `harness.analyse.expect`, the same that `run`, `simulate` and `compare` print; this module
only brings it the runs, the other variant's runs and the saved ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harness.analyse.expect import answer, beside
from harness.compare import relative
from harness.compare.sides import Side
from harness.errors import SpecError
from harness.gate.runs import Subject
from harness.gate.saved import Saved, rounded
from harness.spec.criteria import Expect, read_expect
from harness.spec.lines import Condition


class Part(NamedTuple):
    """What one run says about a criterion."""

    seed: int | None  # None when it is not about a single run
    folder: str
    found: object
    verdict: str
    why: str


class Criterion(NamedTuple):
    """One expect line, answered."""

    subject: str  # the variant, or "a against b"
    measure: str
    wanted: str
    parts: tuple[Part, ...]

    @property
    def name(self) -> str:
        """Stable from run to run, so that CI can follow it."""
        return f"{self.subject}: {self.measure} {self.wanted}"

    @property
    def verdict(self) -> str:
        """The criterion's answer."""
        found = {part.verdict for part in self.parts}
        return "fail" if "fail" in found else "unsure" if "unsure" in found or not found else "pass"

    @property
    def deciding(self) -> Part:
        """The run that decided it: the first with that answer."""
        return next(part for part in self.parts if part.verdict == self.verdict)

    @property
    def why(self) -> str:
        """The reason in a sentence, with how many runs share it."""
        same = sum(part.verdict == self.verdict for part in self.parts)
        part = self.deciding
        if part.seed is None or len(self.parts) == 1:
            return part.why
        return f"{part.why} (seed {part.seed}; {same} of {len(self.parts)} runs)"

    def to_json(self) -> dict[str, Any]:
        """As gate.json has it."""
        return {
            "name": self.name,
            "subject": self.subject,
            "measure": self.measure,
            "wanted": self.wanted,
            "verdict": self.verdict,
            "found": self.deciding.found,
            "why": self.why,
            "runs": [part._asdict() for part in self.parts],
        }


def answered(subject: Subject, lines: Sequence[Mapping[str, Any]], saved: Saved | None) -> list[Criterion]:
    """Every line, answered from the runs. Raises SpecError for a line that is none and for an unusable baseline."""
    found = []
    for raw in lines:
        line = read_expect(raw)
        if line.compare is not None:
            found.append(_of_two(subject, line))
            continue
        condition = line.is_
        assert isinstance(condition, Condition), "a line of one variant has a condition"
        assert line.variant is not None, "it has a variant"
        sides = subject.of(line.variant)
        parts = [_invalid(side) for side in sides if not side.valid]
        valid = [side for side in sides if side.valid]
        if not sides:
            parts = [Part(None, "", None, "unsure", f"no run of {line.variant} is among these; add one, or gate those "
                          "that are there with --variant")]  # fmt: skip
        elif condition.of == "variant":
            parts += _beside_variant(subject, line, valid)
        elif condition.of == "saved":
            parts += [_beside_saved(subject, side, line, saved) for side in valid]
        else:
            parts += [_alone(subject, side, raw) for side in valid]
        found.append(Criterion(line.variant, line.label, condition.text, tuple(parts)))
    return found


def _invalid(side: Side) -> Part:
    reasons = side.measures["validity"].get("reasons") or ["it does not say why"]
    more = f" (and {len(reasons) - 1} more reasons)" if len(reasons) > 1 else ""
    why = f"the run is invalid, so it is neither a pass nor a fail: {reasons[0]}{more}"
    return Part(side.seed, str(side.folder.path), None, "unsure", why)


def _alone(subject: Subject, side: Side, raw: Mapping[str, Any]) -> Part:
    found = answer(side.measures, raw, subject.look(side))
    return Part(side.seed, str(side.folder.path), found.found, found.verdict, found.why)


def _beside_variant(subject: Subject, line: Expect, valid: Sequence[Side]) -> list[Part]:
    condition = line.is_
    assert isinstance(condition, Condition), "a ratio has a condition"
    found = relative.pairs(subject.sides, line, subject.look)
    if not found and valid:
        seeds = ", ".join(str(side.seed) for side in valid)
        others = [side for side in subject.of(condition.other) if side.valid]
        have = f"{condition.other} has {', '.join(str(s.seed) for s in others)}" if others else (
            f"there is no valid run of {condition.other}")  # fmt: skip
        why = (
            f"{line.variant} has seed {seeds} and {have}: no seed in common, and runs of different seeds differ by luck"
        )
        return [Part(None, "", None, "unsure", why)]
    where = {side.seed: str(side.folder.path) for side in valid}
    return [Part(one.seed, where.get(one.seed, ""), one.ours.number, one.verdict, one.why) for one in found]


def _beside_saved(subject: Subject, side: Side, line: Expect, saved: Saved | None) -> Part:
    condition = line.is_
    assert isinstance(condition, Condition), "a ratio has a condition"
    if saved is None:
        raise SpecError(
            f"gate: {line.variant}: {line.label} {condition.text} needs a saved baseline; name its file with "
            "--baseline, or write one with `blackstart baseline save`"
        )
    theirs = saved.value(side, subject.engine, subject.suite, line)
    ours = relative.value_of_line(line, side.measures, lambda: subject.look(side))
    ours = ours._replace(number=rounded(ours.number))  # as the saved one is, or the same run would be worse than itself
    verdict, why = beside(condition, ours, theirs, f"the saved run, seed {side.seed}")
    return Part(side.seed, str(side.folder.path), ours.number, verdict, why)


def _of_two(subject: Subject, line: Expect) -> Criterion:
    """A line that asks for better, same or worse."""
    assert line.compare is not None, "it compares"
    a, b = line.compare
    found = relative.compared(subject.sides, str(line.measure), str(line.is_), a, b)
    part = Part(None, "", found.found, found.verdict, found.why)
    return Criterion(f"{a} against {b}", line.key, str(line.is_), (part,))
