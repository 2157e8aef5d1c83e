"""What `blackstart incidents NAME --replay` does: play the variants of an incident in virtual time, and rank them.

The first variant is the event as it happened; the others ask what would have been, had one thing been different. They
are ranked twice: by hours, because an outage is told in hours, and by the value that was lost, because not all hours
cost the same. The two rankings need not agree.

    hours     of the event in which goodput was under the line of `steady_state`, from the fault to the end of the load
    last      when the last part that had been in trouble was well again, minutes of the event since its fault
    lost      pounds, as the apps value their operations (stand-ins), and how much less that is than in the event
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.analyse import evidence, measures
from harness.analyse.evidence import Evidence
from harness.analyse.published import compare
from harness.errors import SpecError
from harness.plan import make_plan
from harness.record.folder import RunFolder
from harness.report import published
from harness.spec.load import load_experiment
from harness.spec.time_scale import read_scale

_BIN_S = 10.0  # of the run; long enough to hold a hundred operations of a replay
_GOOD = 0.95


def replayed(path: Path, variants: Sequence[str], seed: int | None) -> dict[str, Any]:
    """All figures of the variants, JSON-able: the lines beside what was published, and the ranking."""
    from harness.sim import simulate

    file = load_experiment(path)
    chosen = [name for name in file.variants if not variants or name in variants]
    for name in variants:
        file.variant(name)  # complains about an unknown one
    if not chosen:
        raise SpecError(f"{path}: no variant to replay")
    of = file.seed if seed is None else seed
    found = []
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="blackstart-replay-") as root:
            plan = make_plan(file, name, of, engine="world")
            folder = RunFolder.create(Path(root), file.name, name, of, "replay")
            simulate(plan, folder)
            gathered = evidence.gather(folder)
            scale = plan.experiment.time_scale
            found.append(_figures(name, gathered, 1.0 if scale is None else read_scale(scale)))
    return {"experiment": file.name, "seed": of, "variants": _ranked(found)}


def _figures(name: str, gathered: Evidence, ratio: float) -> dict[str, Any]:
    values = measures.assemble(gathered)
    replay = compare(gathered)
    impact = values.get("impact") or {}
    zero_s = next(phase.start_s for phase in gathered.moments.phases if phase.name == "outage")
    ends = [
        lane["ended_s"] for lane in values["cascade"] if lane["began_s"] is not None and lane["component"] != "load"
    ]
    over = all(end_s is not None for end_s in ends)
    return {
        "variant": name,
        "verdict": values["verdict"],
        "valid": values["validity"]["valid"],
        "hours": round(_bad_s(gathered, zero_s) * ratio / 3600.0, 2),
        "last_min": round((max(ends) - zero_s) * ratio / 60.0) if ends and over else None if ends else 0,
        "value_lost": (impact.get("value_lost") or {}).get("total"),
        "lines": [] if replay is None else [list(row) for row in published.rows(replay)],
        "order": "" if replay is None else published.order(replay),
        "in_order": replay is not None and not replay.misplaced,
    }


def _bad_s(gathered: Evidence, from_s: float) -> float:
    """Seconds of the run in which too few of the operations that were due came good."""
    windows, per = gathered.windows, round(_BIN_S / gathered.windows.width_s)
    span = windows.span(from_s, gathered.moments.load_end_s)
    due, good = windows.get("due")[span], windows.get("due_good")[span]
    whole = due.size // per * per
    due, good = (series[:whole].reshape(-1, per).sum(axis=1) for series in (due, good))
    return float(np.count_nonzero(good < _GOOD * due)) * _BIN_S


def _ranked(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same, with what each saves over the first, and its places."""
    first = found[0]
    for one in found:
        lost, had = one["value_lost"], first["value_lost"]
        one["value_saved"] = None if lost is None or had is None else round(had - lost, 2)
        one["hours_saved"] = round(first["hours"] - one["hours"], 2)
    for place, key in (("by_hours", "hours"), ("by_value", "value_lost")):
        for number, one in enumerate(sorted(found, key=lambda one: (one[key] is None, one[key])), 1):
            one[place] = number
    return found


def tell(told: Mapping[str, Any]) -> None:
    """Print the lines of the first variant, and the ranking, as tables in Markdown."""
    variants = told["variants"]
    first = variants[0]
    write = sys.stdout.write
    write(f"{told['experiment']}, {first['variant']}, seed {told['seed']}: {first['verdict']}\n\n")
    if first["lines"]:
        write(_table(published.HEADINGS, first["lines"]) + f"\n{first['order']}\n")
    if len(variants) > 1:
        heads = ("variant", "verdict", "hours of trouble", "rank", "last part well", "value lost", "rank", "saved")
        rows = [
            (
                one["variant"], one["verdict"].replace("_", " "), f"{one['hours']:.1f}", str(one["by_hours"]),
                "never" if one["last_min"] is None else f"T+{one['last_min']}", _money(one["value_lost"]),
                str(one["by_value"]), _money(one["value_saved"]),
            )
            for one in sorted(variants, key=lambda one: one["by_hours"])
        ]  # fmt: skip
        write("\n" + _table(heads, rows))


def _money(pounds: float | None) -> str:
    return "-" if pounds is None else f"\u00a3{pounds:,.0f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
