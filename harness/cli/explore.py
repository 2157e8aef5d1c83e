"""`blackstart explore dns`: is there any order of steps in which the automation breaks, and does a fix stop them all?
`blackstart explore leases` asks the same of the lease manager (`explore_leases.py`).

Prints one table, fix against invariant, and the shortest failing schedule of the first fix that has one as a story.
A refuted fix is a result, not an error: exit 0. A verdict that a limit prevented exits 3.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import Exit, RunError, SpecError

if TYPE_CHECKING:
    from harness.flows.dns_plans import RaceFix
    from harness.sim.explore import Bounds, Finding, Limits

SUBJECTS = ("dns", "leases")


def explore(
    subject: Annotated[str, typer.Argument(help="what to search: dns or leases")],
    fix: Annotated[list[str] | None, typer.Option(help="search this fix; may be given again (default: all)")] = None,
    enactors: Annotated[int, typer.Option(help="number of enactors, beside one planner")] = 3,
    endpoints: Annotated[int, typer.Option(help="up to so many endpoints; one is searched first")] = 3,
    generations: Annotated[int, typer.Option(help="up to so many generations of plans")] = 6,
    keep_generations: Annotated[int, typer.Option(help="how many older generations clean-up keeps")] = 0,
    addresses: Annotated[int, typer.Option(help="addresses behind each endpoint")] = 2,
    droplets: Annotated[int, typer.Option(help="leases: number of droplets")] = 24,
    attempts: Annotated[int, typer.Option(help="leases: attempts finished in a tick")] = 4,
    timeout_ticks: Annotated[int, typer.Option(help="leases: an attempt that waited so long is wasted")] = 3,
    lease_ticks: Annotated[int, typer.Option(help="leases: how long a lease lasts")] = 2,
    outages: Annotated[int, typer.Option(help="leases: how often the store may go away")] = 1,
    restarts: Annotated[int, typer.Option(help="leases: how often the managers may be restarted")] = 0,
    late: Annotated[int, typer.Option(help="leases: 1 lets the store answer a tick late")] = 0,
    max_states: Annotated[
        int, typer.Option(min=1, help="give up beyond so many states of one fix (about 60 bytes each)")
    ] = 16_000_000,
    max_time: Annotated[str, typer.Option(help="give up after this long in all")] = "10m",
    stories: Annotated[bool, typer.Option("--stories", help="tell every refuted schedule, not only the first")] = False,
    replay_to: Annotated[
        Path | None,
        typer.Option(help="write the experiment that replays the first failing schedule", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the findings as JSON, alone on stdout")] = False,
) -> int:
    """Search every order of steps: of planner, enactors and clean-up (dns), or around the lease manager (leases)."""
    from harness.sim.explore import Bounds, check_bounds

    if subject not in SUBJECTS:
        raise SpecError(f"explore: {subject!r} cannot be searched; there is: {', '.join(SUBJECTS)}")
    if subject == "leases":
        from harness.cli.explore_leases import explore_leases
        from harness.sim import explore_leases as search

        if replay_to is not None:
            raise SpecError("--replay-to: a schedule of leases cannot be replayed; it goes with explore dns")
        around = search.Bounds(droplets, attempts, timeout_ticks, lease_ticks, outages, restarts, late)
        return explore_leases(fix or [], around, _limits(max_states, max_time), stories=stories, as_json=as_json)
    bounds = Bounds(enactors, endpoints, generations, keep_generations, addresses)
    try:
        check_bounds(bounds)
    except ValueError as error:
        raise SpecError(f"explore: --{error}") from error
    findings = _search(_fixes(fix or []), bounds, _limits(max_states, max_time))
    if as_json:
        sys.stdout.write(json.dumps([facts(found) for found in findings], indent=1) + "\n")
    else:
        _print(findings, bounds, stories)
    if replay_to is not None:
        _write_replay(findings, replay_to)
    return int(Exit.INVALID if any(found.bound for found in findings) else Exit.PASS)


def facts(found: Finding) -> dict[str, Any]:
    """One finding as JSON-able values; `steps` is null unless refuted, `bound` unless unsettled."""
    return {
        "fix": found.fix.value,
        "invariant": found.invariant.value,
        "verdict": found.verdict.value,
        "steps": found.steps,
        "depth": found.depth,
        "states": found.states,
        "endpoints": found.endpoints,
        "bound": found.bound or None,
        "schedule": list(found.schedule.actors) if found.schedule else None,
    }


def _fixes(names: Iterable[str]) -> list[RaceFix]:
    from harness.flows.dns_plans import RaceFix
    from harness.policies.entry import did_you_mean

    known = [fix.value for fix in RaceFix]
    for name in names:
        if name not in known:
            raise SpecError(f"no race fix {name!r}; there are {', '.join(known)}{did_you_mean(name, known)}")
    return [RaceFix(name) for name in dict.fromkeys(names)] or list(RaceFix)


def _limits(states: int, time: str) -> Limits:
    from harness.live.clock import monotonic_ns
    from harness.sim.explore import Limits
    from harness.units import duration_s

    try:
        seconds = duration_s(time)
    except ValueError as error:
        raise SpecError(f"explore: --max-time: {error}") from error
    begin_ns = monotonic_ns()
    return Limits(states, seconds, lambda: (monotonic_ns() - begin_ns) / 1e9)


def _search(fixes: Iterable[RaceFix], bounds: Bounds, limits: Limits) -> list[Finding]:
    from harness.sim.explore import explore as settle

    findings: list[Finding] = []
    for fix in fixes:
        begin_s = limits.spent_s()
        found = settle(fix, bounds, limits)
        seen = max(finding.states for finding in found)
        sys.stderr.write(f"{fix.value}: {seen:,} states, {limits.spent_s() - begin_s:.1f} s\n")
        findings += found
    return findings


def _print(findings: list[Finding], bounds: Bounds, every: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from harness.sim.explore import Invariant, Verdict
    from harness.sim.explore_story import differences

    styles = {Verdict.PROVED: "green", Verdict.REFUTED: "red", Verdict.UNSETTLED: "yellow"}
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=max(len(found.fix.value) for found in findings), no_wrap=True)
    table.add_row("", *(invariant.value.replace("_", " ") for invariant in Invariant), "states", style="bold")
    for fix in dict.fromkeys(found.fix for found in findings):
        row = [found for found in findings if found.fix is fix]
        cells = [Text(f"{found.verdict.value} {found.steps or found.depth}", styles[found.verdict]) for found in row]
        table.add_row(Text(fix.value, "cyan"), *cells, f"{max(found.states for found in row):,}")
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    console.print(
        f"\nrefuted n: the shortest failing schedule has n steps (with one endpoint, if that is enough)\n"
        f"proved n: every reachable state was looked at; the farthest is n steps away\n"
        f"bounds: 1 planner, {bounds.enactors} enactors, {bounds.endpoints} endpoints, {bounds.generations} "
        f"generations, {bounds.keep_generations} kept, {bounds.addresses} addresses"
    )
    for bound in dict.fromkeys(f"{found.fix.value}: {found.bound}" for found in findings if found.bound):
        console.print(Text(f"unsettled  {bound}", style="yellow"))
    other = differences(findings)
    for found in other:
        console.print(Text(f"otherwise than published: {found.fix.value}, {found.invariant.value}", style="bold red"))
    refuted = [found for found in findings if found.schedule]
    chosen = refuted if every else [*_first(refuted), *(found for found in other if found.schedule)]
    _tell(console, chosen)


def _first(refuted: list[Finding]) -> list[Finding]:
    """Of the first fix that failed, the emptied record if it came to that, else whatever was broken first."""
    from harness.sim.explore import Invariant

    row = [found for found in refuted if found.fix is refuted[0].fix]
    return sorted(row, key=lambda found: found.invariant is not Invariant.NEVER_EMPTY)[:1]


def _tell(console: Any, chosen: Iterable[Finding]) -> None:
    from rich.text import Text

    from harness.sim.explore_story import BROKEN, told

    stories: dict[tuple[str, tuple[str, ...]], list[Finding]] = {}
    for found in chosen:
        if found.schedule:
            stories.setdefault((found.fix.value, found.schedule.actors), []).append(found)
    for (fix, actors), ends in stories.items():
        what = "; ".join(BROKEN[found.invariant] for found in ends)
        console.print(Text(f"\n{fix}: {len(actors)} steps, and {what}", style="bold"))
        schedule = ends[0].schedule
        if schedule is not None:
            console.print(Text("\n".join(told(schedule))))


def _write_replay(findings: list[Finding], path: Path) -> None:
    from harness.sim.explore import Invariant
    from harness.sim.explore_replay import experiment

    for found in findings:
        if found.invariant is Invariant.ACTIVE_PLAN_EXISTS and found.schedule:
            text = experiment(found.schedule)
            try:
                path.write_text(text)
            except OSError as error:
                raise RunError(f"{path}: cannot be written: {error.strerror}; name another file") from error
            sys.stderr.write(f"{path}: to replay it, blackstart run {path} --variant schedule\n")
            return
    raise SpecError("--replay-to: no schedule that was found deletes an active plan, so there is nothing to replay")
