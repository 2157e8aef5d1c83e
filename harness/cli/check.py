"""`blackstart check`: is this experiment file right, and what exactly would a run of it do?

Nothing is started. Complaints come with file, line and column and exit 2; a correct file exits 0 and prints, for every
variant, the timetable and notes about what is doubtful (a recovery phase too short to tell slow from stuck, say).
Notes do not change the exit code: they are advice, and an experiment may want exactly that.

How many operations arrivals bring is in the plan. How many a closed loop asks for is not: its users wait for answers.
So that number is told together with the answer time it is true for, and for users who are never failed.
"""

from __future__ import annotations

import heapq
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import SpecError
from harness.units import show_s

if TYPE_CHECKING:
    from harness.flows.crowd import Group
    from harness.plan import Plan

ANSWER_S = 0.1  # what an answer is taken to need, where nobody knows
_FOLLOWED, _TURNS = 400, 50_000  # users of a story that are followed at most, and their turns; the others do alike


def check(
    file: Annotated[Path | None, typer.Argument(help="The experiment file.", show_default=False)] = None,
    variant: Annotated[str | None, typer.Option(help="Only this variant.", show_default=False)] = None,
    seed: Annotated[
        int | None, typer.Option(help="Plan with this seed instead of the file's.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plans as JSON, alone on stdout.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of experiment files.")] = False,
) -> None:
    """Check an experiment file and print its plan as a timetable."""
    if schema:
        from harness.spec.schema import json_schema

        sys.stdout.write(json.dumps(json_schema(), indent=1) + "\n")
        return
    if file is None:
        raise SpecError("check needs an experiment file, as in `blackstart check experiments/dns_race.yaml`")
    from harness import build
    from harness.plan import make_plan
    from harness.spec import load_experiment

    loaded = load_experiment(file)
    names = loaded.variants if variant is None else (variant,)
    loaded.raise_for((name, path, text) for name in names for path, text in build.complaints(loaded.variant(name)))
    plans = [make_plan(loaded, name, seed) for name in names]
    if as_json:
        facts = {"experiment": loaded.name, "title": loaded.title, "variants": [_facts(plan) for plan in plans]}
        sys.stdout.write(json.dumps(facts, indent=1) + "\n")
    else:
        _print(str(file), loaded.title, loaded.repeat, plans)


def _facts(plan: Plan) -> dict[str, Any]:
    from harness.spec.notes import notes, station

    store = station(plan.experiment)
    return {
        "variant": plan.variant,
        "seed": plan.seed,
        "fingerprint": plan.fingerprint,
        "operations": int(plan.schedule().op.size),
        "closed": [
            {"story": group.name, "users": group.spec.users, "operations": asked(plan, group), "answer_s": ANSWER_S}
            for group in _groups(plan)
        ],
        "utilisation": None if store is None else round(store.utilisation, 4),
        "notes": notes(plan.experiment),
        "plan": plan.to_json(),
    }


def _print(source: str, title: str, repeat: int, plans: list[Plan]) -> None:
    from rich.console import Console
    from rich.text import Text

    from harness.spec.notes import notes, station
    from harness.timetable import timetable

    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(title, style="bold"))
    shared: list[str] = []
    for plan in plans:
        store = station(plan.experiment)
        facts = [f"seed {plan.seed}", f"plan {plan.fingerprint}", *_demand(plan)]
        if store is not None:
            facts.append(f"{store.component} {store.utilisation:.0%} busy")
        console.print()
        console.print(Text.assemble((plan.variant, "bold cyan"), f"  {', '.join(facts)}"))
        for line in _differences(plan, plans[0]):
            console.print(Text(f"           {line}", style="dim"))
        lines = timetable(plan)
        console.print(
            Text("           (the same timetable)", style="dim") if lines == shared else Text("\n".join(lines))
        )
        shared = lines
        for note in notes(plan.experiment):
            console.print(Text(f"     note  {note}", style="yellow"))
    runs = repeat * len(plans)
    total_s = repeat * sum(plan.end_s for plan in plans)
    console.print(Text(f"\n{source}: correct; {runs} runs, {total_s / 60:.1f} min of load and drain", style="green"))


def _demand(plan: Plan) -> list[str]:
    """How much is asked for, in words: by arrivals, by users of closed loops, or by both."""
    arrivals, groups = int(plan.schedule().op.size), _groups(plan)
    words = [f"{arrivals} operations"] if arrivals or not groups else []
    for group in groups:
        about = f"about {asked(plan, group)} operations if each is answered in {show_s(ANSWER_S)}"
        words.append(f"closed: {group.spec.users} users of {group.name}, {about}")
    return words


def _groups(plan: Plan) -> tuple[Group, ...]:
    from harness.flows.crowd import groups_of

    return groups_of(plan.experiment.crowds())


def asked(plan: Plan, group: Group, answer_s: float = ANSWER_S) -> int:
    """How many operations the users of one story ask for when every answer is good and takes `answer_s`, in seconds.

    Of many users some are followed, spread over the ramp and the day as all are.
    """
    from harness.flows.crowd import Crowd

    turns_each = plan.load_end_s / (group.spec.think_s + answer_s)
    followed = min(group.spec.users, _FOLLOWED, max(1, round(_TURNS / turns_each)))
    few = group.spec._replace(users=followed)
    crowd = Crowd([group._replace(first=0, spec=few)], plan.seed, plan.load_end_s)
    due = [(turn.due_s, turn.op) for turn in crowd.first()]
    heapq.heapify(due)
    turns = 0
    while due:
        due_s, op = due[0]
        turns += 1
        following = crowd.after(op, True, due_s + answer_s)
        if following is None:
            heapq.heappop(due)
        else:
            heapq.heapreplace(due, (following.due_s, following.op))
    return round(turns * group.spec.users / followed)


def _differences(plan: Plan, first: Plan) -> list[str]:
    """What this variant changes against the first one printed, as `key: before -> now`."""
    if plan is first:
        return []
    lines = _changed(first.experiment.written(), plan.experiment.written(), "")
    shared = {line for line in lines if line.startswith("client.")}
    callers = [f"{part}.{name}." for part in ("load", "region") for name in plan.experiment.written()[part]]
    copies = {caller + line for caller in callers for line in shared}
    return [line for line in lines if line not in copies]


def _changed(before: object, now: object, path: str) -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict) and before.get("kind") == now.get("kind"):
        lines = []
        for key in dict.fromkeys((*before, *now)):
            lines += _changed(before.get(key), now.get(key), f"{path}.{key}" if path else key)
        return lines
    return [] if before == now else [f"{path}: {_plain(before)} -> {_plain(now)}"]


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(str(part) if key == "kind" else f"{key} {part}" for key, part in value.items())
    return json.dumps(value) if isinstance(value, list | bool | None) else str(value)
