"""`blackstart serve FILE|PRESET`: the region alone, for a load of your own, until Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import Exit, SpecError
from harness.live.events import Began, Ending, Event, Starting
from harness.record.folder import RunFolder
from harness.record.region import DNS_PORT, RegionMap
from harness.spec import ExperimentFile

# A preset is served under the flagship's load; its timeline is never carried out.
_OF_PRESET = """
title: The region {preset}, served alone
region: {preset}
load: {{mobile_banking: {{arrivals: {{rate: 100/s}}}}}}
timeline:
  - {{at: outage.start, do: dns.empty_record}}
  - {{at: outage.end, do: dns.heal, with: {{fault: empty_record}}, fix: true}}
"""


def serve(
    what: Annotated[str, typer.Argument(metavar="FILE|PRESET", help="experiment file, or a preset such as small")],
    variant: Annotated[str | None, typer.Option(help="variant of the file (default: its first)")] = None,
    seed: Annotated[int | None, typer.Option(help="seed (default: the file's)")] = None,
    runs: Annotated[Path, typer.Option(help="where run folders go; Locust looks in runs/serve")] = Path("runs"),
) -> int:
    """Start a region alone, for your own load, until Ctrl-C.

    The timeline of the file is not carried out: break things by hand on the control ports.
    """
    import trio

    from harness.live.clock import wall_stamp
    from harness.live.orchestrate import serve as hold
    from harness.plan import make_plan

    file = experiment_of(what)
    plan = make_plan(file, variant or file.variants[0], seed)
    folder = RunFolder.create(runs, "serve", f"{file.name}-{plan.variant}", plan.seed, wall_stamp())
    region: list[RegionMap] = []

    def emit(event: Event) -> None:
        match event:
            case Starting(path, found, processes):
                region.append(found)
                sys.stderr.write(f"starting {', '.join(processes)} in 127.{found.net}.0.0/16, folder {path}\n")
            case Began():
                typer.echo("\n".join(addresses(region[0], folder.path, plan.stories)))
                sys.stdout.flush()
            case Ending(why):
                sys.stderr.write(f"ending: {why}\n")
            case _:
                pass

    state = trio.run(hold, plan, folder, emit)
    if state.exit_code is Exit.INTERRUPTED:  # the documented way to end it
        return int(Exit.PASS)
    if state.exit_code is not Exit.TERMINATED:
        sys.stderr.write(f"blackstart: {state.message}\n")
    return int(state.exit_code)


def experiment_of(what: str) -> ExperimentFile:
    """The experiment to serve: a file, or a preset's own. Raises SpecError for neither."""
    from harness.spec import load_experiment, parse_experiment
    from harness.spec.region import PRESETS

    if what in PRESETS:
        return parse_experiment(_OF_PRESET.format(preset=what), what)
    if not Path(what).exists() and "/" not in what and "." not in what:
        raise SpecError(f"{what!r} is neither a file nor a preset; presets are {', '.join(PRESETS)}")
    return load_experiment(Path(what))


def addresses(region: RegionMap, folder: Path, stories: tuple[str, ...]) -> list[str]:
    """What to print once the region is up."""
    width = max(len(place.name) for place in region.places.values())
    lines = [f"dns queries  udp {region.dns_address}:{DNS_PORT}"] if region.dns_address else []
    for place in region.places.values():
        if place.component != "dns":
            found = ", ".join(f"{address}:{place.port}" for address in place.addresses)
            lines.append(f"  {place.name:<{width}}  {found}  control {place.control}")
        else:
            lines.append(f"  {place.name:<{width}}  control {place.control}")
    first = next(iter(region.places.values()))
    files = ",".join(f"locustfiles/{story}.py" for story in stories)
    return [
        *lines,
        "",
        f"load it      locust -f {files}",
        f'gauges       curl -H "X-Blackstart-Token: $(cat {folder}/token)" {first.control}/_gauges',
        "end          Ctrl-C",
    ]
