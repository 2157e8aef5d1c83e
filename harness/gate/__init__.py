"""May this change be merged? Every criterion of an experiment, answered from its runs, and one exit code.

    judge(folders, ...)     everything gate.json holds

    runs        the runs to judge, read, refused with a sentence, or measured again
    criteria    one line over all runs of its variant: pass, fail or unsure
    saved       baselines: a reviewed file, and what a run is against it
    history     many runs in one table

There are three answers, because there are three facts: it held, it did not, and these runs cannot say. A job that
turns the third into a pass merges changes nobody measured; one that turns it into a failure teaches people to press
"run again". So an invalid run is never a pass and never a fail, and `unsure` has an exit code of its own (3).

A criterion holds when it holds in every run: recovery is bimodal, and nine runs of ten that recover are not a mean.

Leaves out: what a gate looks like in somebody's CI (`harness.report.ci`), and running experiments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.analyse.expect import look_up
from harness.compare.sides import Side
from harness.errors import Exit, SpecError
from harness.gate.criteria import Criterion, answered
from harness.gate.runs import Subject, read, started_of
from harness.gate.saved import Saved
from harness.record.folder import RunFolder

SCHEMA_VERSION = 1
FOLLOWED = (
    "time_to_recover_s",
    "amplification.overall",
    "wasted_work_ratio",
    "backlog.peak",
    "goodput_deficit.recovery_ops",
)


def judge(
    folders: Sequence[RunFolder],
    *,
    lines: Sequence[Mapping[str, Any]] | None = None,
    variants: Sequence[str] = (),
    baseline: Path | None = None,
) -> dict[str, Any]:
    """The verdict on these runs, JSON-able.

    `lines` are expect lines instead of those the runs carry; `variants` restricts runs and lines to those named;
    `baseline` is the file that multiples of `saved` are of. Raises SpecError when the runs do not belong together, when
    there is no criterion, or when the baseline is of another experiment; RecordError for what is no run.
    """
    subject = read(folders, variants)
    wanted = _concerned(subject.lines if lines is None else lines, variants)
    if not wanted:
        of = f" for {', '.join(variants)}" if variants else ""
        raise SpecError(
            f"gate: {subject.experiment} has no criteria{of}; a gate without criteria lets everything through, so add "
            "`expect` lines to the experiment"
        )
    found = answered(subject, wanted, Saved.read(baseline) if baseline is not None else None)
    return _written(subject, found)


def _concerned(lines: Sequence[Mapping[str, Any]], variants: Sequence[str]) -> list[Mapping[str, Any]]:
    """The lines about these variants; all of them when none is named."""
    if not variants:
        return list(lines)
    return [line for line in lines if set(line.get("compare") or [line.get("variant")]) <= set(variants)]


def _written(subject: Subject, found: Sequence[Criterion]) -> dict[str, Any]:
    counts = {verdict: sum(one.verdict == verdict for one in found) for verdict in ("pass", "fail", "unsure")}
    invalid = [side.label for side in subject.sides if not side.valid]
    code = exit_of(counts, invalid)
    return {
        "schema_version": SCHEMA_VERSION,
        "experiment": subject.experiment,
        "engine": subject.engine,
        "suite": subject.suite,
        "verdict": {Exit.PASS: "pass", Exit.CRITERION_FAILED: "fail"}.get(code, "unsure"),
        "exit_code": int(code),
        "sentence": _sentence(counts, invalid, len(subject.sides)),
        "counts": counts,
        "criteria": [one.to_json() for one in found],
        "runs": [_run(side) for side in subject.sides],
        "notes": list(subject.notes),
    }


def _run(side: Side) -> dict[str, Any]:
    """One run, with the values that CI systems follow over time."""
    return {
        "label": side.label,
        "variant": side.variant,
        "seed": side.seed,
        "valid": side.valid,
        "verdict": side.measures.get("verdict"),
        "recovered": side.recovered,
        "why_invalid": list(side.measures["validity"].get("reasons") or ()),
        "values": {key: look_up(side.measures, key)[1] for key in FOLLOWED},
        "fingerprint": side.plan.get("fingerprint"),
        "folder": str(side.folder.path),
        "started": started_of(side.folder),
        "length_s": side.plan.get("end_s"),
    }


def exit_of(counts: Mapping[str, int], invalid: Sequence[str]) -> Exit:
    """What the answers are worth: a failure was measured in valid runs, so it stands whatever else is unsure."""
    if counts["fail"]:
        return Exit.CRITERION_FAILED
    return Exit.INVALID if counts["unsure"] or invalid else Exit.PASS


def _sentence(counts: Mapping[str, int], invalid: Sequence[str], runs: int) -> str:
    total = sum(counts.values())
    of = f"{total} {'criterion' if total == 1 else 'criteria'} over {runs} run{'' if runs == 1 else 's'}"
    if counts["fail"]:
        return f"FAIL: {counts['fail']} of {of} failed" + (f", {counts['unsure']} unsure" if counts["unsure"] else "")
    if counts["unsure"]:
        return f"UNSURE: these runs cannot answer {counts['unsure']} of {of}; that is neither a pass nor a fail"
    if invalid:
        return f"UNSURE: {', '.join(invalid)} invalid; {of}"
    return f"PASS: {of} held"
