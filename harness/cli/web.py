"""`blackstart web FILE`: the region and Locust's page with its Recovery tab; Start begins a run."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import results
from harness.cli.live_runs import exit_of_measures, worst
from harness.errors import Exit, HarnessError, RunError, SpecError
from harness.live.events import Began, Edge, Ending, Event, PhaseBegan, Starting
from harness.live.way_out import RunState
from harness.record.folder import RunFolder
from harness.units import show_s

if TYPE_CHECKING:
    from harness.live.web import Judged

HOST = "127.0.0.1"
_USER, _PASSWORD = "BLACKSTART_WEB_USER", "BLACKSTART_WEB_PASSWORD"
_LOCUSTFILE = Path(__file__).parent.parent / "load" / "web_run.py"


def web(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="experiment file (YAML)")],
    variant: Annotated[str | None, typer.Option(help="variant of the first run (default: the file's first)")] = None,
    seed: Annotated[int | None, typer.Option(help="seed of every run (default: the file's)")] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="port of the page, on 127.0.0.1")] = 8089,
    runs: Annotated[Path, typer.Option(help="where run folders go")] = Path("runs"),
    by_hand: Annotated[
        bool, typer.Option("--by-hand", help="leave the timeline to whoever presses the buttons")
    ] = False,
    autostart: Annotated[
        bool, typer.Option("--autostart", help="begin the first run without a press of Start")
    ] = False,
    processes: Annotated[
        int,
        typer.Option(
            min=1, max=64, help="Locust processes that make the load; 2 or more are workers of the one with the page"
        ),
    ] = 1,
    web_login: Annotated[
        bool,
        typer.Option("--web-login", help="ask for a login: BLACKSTART_WEB_USER and BLACKSTART_WEB_PASSWORD"),
    ] = False,
    web_base_path: Annotated[str, typer.Option(help="path under which the page lies, as in /locust")] = "",
) -> int:
    """Start a region and Locust's web page with a Recovery tab: live curves, and buttons that break and mend.

    Start on the page begins a run of the file's own load and timeline; its end, or Stop, judges it, and the next one
    may begin. Ctrl-C ends. Exit code: the worst of the runs, or how the command itself ended.
    """
    import trio

    from harness.live import loaders
    from harness.live.clock import wall_stamp
    from harness.live.web import Job, hold
    from harness.plan import Plan, fingerprint, make_plan
    from harness.spec import load_experiment

    experiment = load_experiment(file)
    first = variant or experiment.variants[0]
    experiment.variant(first)
    base = _base(web_base_path)
    load = loaders.check(loaders.Loaders(processes))
    check_port(port)

    def plan_of(name: str) -> tuple[Plan, list[dict[str, Any]] | None]:
        plan = make_plan(experiment, name, seed)
        if not by_hand:
            return plan, None
        planned: list[dict[str, Any]] = plan.to_json()["timeline"]
        bare = plan.experiment.model_copy(update={"timeline": ()})
        return replace(plan, experiment=bare, timeline=(), fingerprint=fingerprint(bare)), planned

    plan_of(first)
    page = f"http://{HOST}:{port}{base}/"
    about = {"variants": list(experiment.variants), "by_hand": by_hand}
    users = str(processes)  # they play nothing; but Locust calls a worker without any idle
    argv = [sys.executable, "-m", "locust", "-f", str(_LOCUSTFILE), "--users", users, "--spawn-rate", users]
    argv += ["--only-summary", "--web-host", HOST, "--web-port", str(port)]
    argv += ["--web-base-path", base] if base else []
    argv += ["--web-login"] if web_login else []
    argv += ["--autostart"] if autostart else []
    argv += loaders.of_page(load)
    stamp = wall_stamp()
    log = runs / experiment.name / f"web-{stamp}.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{log.parent}: cannot be made: {error.strerror}; choose another with --runs DIR") from error
    job = Job(
        first,
        plan_of,
        lambda plan: RunFolder.create(runs, plan.name, plan.variant, plan.seed, wall_stamp()),
        judge,
        argv,
        {"BLACKSTART_WEB": json.dumps(about), **(_login() if web_login else {})},
        log,
        (HOST, port),
        lambda: typer.echo(f"page    {page}   (its tab Recovery, or {page}blackstart/)\nend     Ctrl-C"),
        load,
    )
    held = trio.run(hold, job, _say)
    code = held.state.exit_code
    if code is Exit.INTERRUPTED and not held.cut:  # the documented way to end it
        return int(worst(held.codes))
    if code not in (Exit.INTERRUPTED, Exit.TERMINATED):
        sys.stderr.write(f"blackstart: {held.state.message}\n")
    return int(code)


def judge(folder: RunFolder, state: RunState) -> Judged:
    """Measure a run, write its report and tell of it."""
    from harness.analyse import analyse
    from harness.live.web import Judged
    from harness.report import write_report

    try:
        measures = analyse(folder)
        report = write_report(folder)
    except HarnessError as error:
        sys.stderr.write(f"blackstart: {error}\n")
        return Judged(max(error.exit_code, state.exit_code), False, None)
    again = f"blackstart analyse {folder.path}"
    typer.echo("\n".join([*results.lines(measures, str(folder.path), again), f"  report  {report}\n"]))
    sys.stdout.flush()
    return Judged(state.exit_code or exit_of_measures(measures), True, report)


def check_port(port: int) -> None:
    """Raise SpecError when the page cannot be opened."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise SpecError(
                f"--port {port}: cannot be opened on {HOST} ({error.strerror}); end what uses it, or choose another"
            ) from error


def _base(path: str) -> str:
    """A base path as Locust takes it. Raises SpecError."""
    found = path.rstrip("/")
    if found and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", found):
        raise SpecError(f"--web-base-path {path!r}: begin with a slash, and use letters, digits and . _ ~ - between")
    return found


def _login() -> dict[str, str]:
    """Name and password of the login; a password is made and printed where none is set."""
    found = {name: os.environ[name] for name in (_USER, _PASSWORD) if os.environ.get(name)}
    if _PASSWORD not in found:
        from harness.live.web import password

        found[_PASSWORD] = password()
        typer.echo(f"login   {found.get(_USER, 'operator')} / {found[_PASSWORD]}   (or set {_PASSWORD})")
    return found


def _say(event: Event) -> None:
    """Progress, a line for each event."""
    match event:
        case Starting(path, region, processes):
            text = f"starting {', '.join(processes)} in 127.{region.net}.0.0/16, folder {path}"
        case Began():
            text = "Start was pressed"
        case PhaseBegan(name, start_s, end_s):
            text = f"{start_s:7.2f} s  {name} ({show_s(end_s - start_s)})"
        case Edge(t_s, what, fix):
            text = f"{t_s:7.2f} s  {what}{'  <- fix' if fix else ''}"
        case Ending(why):
            text = f"ending: {why}"
        case _:
            return
    sys.stderr.write(text + "\n")
