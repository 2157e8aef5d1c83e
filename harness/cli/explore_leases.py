"""`blackstart explore leases`: is there an order of events in which every lease attempt outlives its timeout?

The subject `leases` of the word `explore`: the same table, JSON and exit codes, fix against invariant.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from harness.errors import Exit, SpecError

if TYPE_CHECKING:
    from harness.sim.explore import Limits
    from harness.sim.explore_leases import Bounds, Finding, LeaseFix


def explore_leases(names: Iterable[str], bounds: Bounds, limits: Limits, *, stories: bool, as_json: bool) -> int:
    """Search the fixes of these names (all for none) and print what was found. Raises SpecError for bad bounds."""
    from harness.sim.explore_leases import check_bounds

    try:
        check_bounds(bounds)
    except ValueError as error:
        raise SpecError(f"explore leases: --{error}") from error
    findings = _search(_fixes(names), bounds, limits)
    if as_json:
        sys.stdout.write(json.dumps([facts(found) for found in findings], indent=1) + "\n")
    else:
        _print(findings, bounds, stories)
    return int(Exit.INVALID if any(found.bound for found in findings) else Exit.PASS)


def facts(found: Finding) -> dict[str, Any]:
    """One finding as JSON-able values; `steps` and `schedule` are null unless refuted, `bound` unless unsettled."""
    return {
        "fix": found.fix.value,
        "invariant": found.invariant.value,
        "verdict": found.verdict.value,
        "steps": found.steps,
        "depth": found.depth,
        "states": found.states,
        "droplets": found.droplets,
        "bound": found.bound or None,
        "schedule": [step.name for step in found.schedule] or None,
    }


def _fixes(names: Iterable[str]) -> list[LeaseFix]:
    from harness.policies.entry import did_you_mean
    from harness.sim.explore_leases import LeaseFix

    known = [fix.value for fix in LeaseFix]
    for name in names:
        if name not in known:
            raise SpecError(f"no fix {name!r} for leases; there are {', '.join(known)}{did_you_mean(name, known)}")
    return [LeaseFix(name) for name in dict.fromkeys(names)] or list(LeaseFix)


def _search(fixes: Iterable[LeaseFix], bounds: Bounds, limits: Limits) -> list[Finding]:
    from harness.sim.explore_leases import explore

    findings: list[Finding] = []
    for fix in fixes:
        begin_s = limits.spent_s()
        found = explore(fix, bounds, limits)
        seen = max(finding.states for finding in found)
        sys.stderr.write(f"{fix.value}: {seen:,} states, {limits.spent_s() - begin_s:.1f} s\n")
        findings += found
    return findings


def _print(findings: list[Finding], bounds: Bounds, every: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from harness.sim.explore import Verdict
    from harness.sim.explore_leases import Invariant
    from harness.sim.explore_leases_story import BROKEN, told

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
    safe = bounds.attempts_per_tick * bounds.timeout_ticks
    console.print(
        f"\nrefuted n: the shortest failing schedule has n steps; proved n: the farthest state is n steps away\n"
        f"bounds: {bounds.droplets} droplets, {bounds.attempts_per_tick} attempts a tick, timeout after "
        f"{bounds.timeout_ticks} ticks (so {safe} in line are served in time), leases of {bounds.lease_ticks} ticks, "
        f"{bounds.outages} outages, {bounds.restarts} restarts, answers up to {bounds.late} ticks late"
    )
    for bound in dict.fromkeys(f"{found.fix.value}: {found.bound}" for found in findings if found.bound):
        console.print(Text(f"unsettled  {bound}", style="yellow"))
    refuted = sorted(
        (found for found in findings if found.schedule), key=lambda found: found.invariant is not Invariant.NEVER_STUCK
    )
    for found in refuted if every else refuted[:1]:
        console.print(Text(f"\n{found.fix.value}: {found.steps} steps, and {BROKEN[found.invariant]}", style="bold"))
        console.print(Text("\n".join(told(found, bounds))))
