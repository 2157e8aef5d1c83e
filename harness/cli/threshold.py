"""`blackstart threshold FILE --over KEY=LOW..HIGH`: the critical value of one key, with a 95 % interval."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.sweep import EngineName, Progress, hands
from harness.errors import Exit, SpecError
from harness.units import show_s

if TYPE_CHECKING:
    from harness.study.threshold import Threshold


class Event(StrEnum):
    """What becomes likelier than not at the threshold."""

    RECOVERED = "recovered"
    METASTABLE = "metastable"


def threshold(
    file: Annotated[Path, typer.Argument(help="experiment file (YAML)")],
    over: Annotated[str, typer.Option(help="KEY=low..high[:log], as in phases.outage=0.1s..3s")],
    of: Annotated[Event, typer.Option(help="the critical value for runs that recover, or that are stuck")] = (
        Event.RECOVERED
    ),
    tolerance: Annotated[
        str | None, typer.Option(help="how narrow, in the key's unit, as in 10ms (default: 1/64 of the range, or 1)")
    ] = None,
    variant: Annotated[str | None, typer.Option(help="the variant (default: the file's first)")] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100_000, help="runs of one value at most")] = 20,
    seed: Annotated[int | None, typer.Option(help="the first seed (default: the file's)")] = None,
    engine: Annotated[EngineName, typer.Option(help="auto: the kernel where it can, else the world")] = EngineName.AUTO,
    workers: Annotated[int | None, typer.Option(min=1, help="processes (default: one per core)")] = None,
    cluster: Annotated[str | None, typer.Option(help="run on Dask instead: an address, or `local`")] = None,
    runs: Annotated[Path, typer.Option(help="where the journal's folder goes")] = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="the journal's folder itself, instead")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the threshold alone on stdout")] = False,
) -> int:
    """Find where recovery stops along one key of an experiment; exits 3 when it does not stop within the range."""
    from harness.study.axes import Axis, number_of, read_axis
    from harness.study.design import make_design
    from harness.study.journal import Journal
    from harness.study.journal import of as of_what
    from harness.study.subject import read_subject
    from harness.study.sweep import Sweep, check
    from harness.study.threshold import find

    subject = read_subject(file, variant)
    axis: Axis = read_axis(_with_count(over))
    width = None if tolerance is None else number_of(tolerance)
    if tolerance is not None and (width is None or width <= 0):
        raise SpecError(f"--tolerance {tolerance}: not a width above 0; write it in the key's unit, as in 10ms")
    first = subject.seed if seed is None else seed
    planned = Sweep(
        subject, make_design("grid", [axis], None, first), tuple(range(first, first + seeds)), engine.value
    )
    check(planned)
    what = of_what(subject, engine.value, [axis.name])
    folder = out or runs / subject.name / f"sweep-{subject.variant}-{what.code()}"
    with (
        Journal(folder / "sweep.jsonl", what) as journal,
        hands(planned, workers, cluster) as (crew, _),
        Progress(planned, journal, total=10 * seeds) as progress,
    ):
        found = find(planned, journal, crew, progress.done, event=of.value, tolerance=width)
    if as_json:
        typer.echo(json.dumps(to_json(found), indent=1, allow_nan=False))
    else:
        typer.echo("\n".join(lines(found)))
    return int(Exit.PASS if found.at is not None else Exit.INVALID)


def _with_count(over: str) -> str:
    """The range with a count, which a threshold has no use for: its ends are all that is checked beforehand."""
    head, _, log = over.partition(":")
    return f"{head}:2{':log' if log == 'log' else f':{log}' if log else ''}" if ".." in head else over


def to_json(found: Threshold) -> dict[str, Any]:
    """A threshold as it is printed with --json."""
    return {**found._asdict(), "runs": found.runs, "probes": [probe._asdict() for probe in found.probes]}


def lines(found: Threshold) -> list[str]:
    """A threshold as text."""
    if found.at is None:
        text = [f"{found.axis}: no threshold of {found.event} found: {found.how}"]
    else:
        assert found.low is not None
        assert found.high is not None
        way = "more" if found.rising else "less"
        by = {"bracket": "every run agreed beyond it", "logistic": "runs differ by seed near it"}[found.how]
        text = [
            f"{found.axis}: runs are {way} often {found.event} above {_shown(found, found.at)}, "
            f"95 % interval {_shown(found, found.low)} to {_shown(found, found.high)} ({by}; {found.runs} runs)"
        ]
    return text + [f"  {probe.value!s:>12}  {found.event} in {probe.hits} of {probe.runs}" for probe in found.probes]


def _shown(found: Threshold, number: float) -> str:
    value = found.probes[0].value
    if isinstance(value, str):
        return f"{number:.4g}/s" if value.endswith("/s") else show_s(number)
    return f"{number:.4g}"
