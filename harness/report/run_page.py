"""The report of one run: verdict, the one figure, five numbers; then depth.

The reader is an engineer who was handed a link. The first screen must answer "did it recover, how fast, at what cost";
below it come the cascade (what fell after what), the three questions of every restart (retry storm, backlog,
throttling), who paid (sectors, audit, status page), what happened in which order, whether the record can be trusted,
and how to see it again.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.analyse import curves
from harness.analyse.capacity import stations
from harness.analyse.measures import SCHEMA_VERSION
from harness.errors import RecordError
from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.record.journal import read_journal
from harness.report import published, tables
from harness.report.cascade_chart import cascade_figure
from harness.report.charts import bands, moments, run_figures
from harness.report.marks import Figure
from harness.report.page import flatten, render, show
from harness.report.words import headline, verdict_sentence
from harness.timetable import timetable

_ROUTINE = {"plan", "apply", "clean", "probe", "process", "note"}
_EVENTS_MOST = 60
_SAME_MOST = 3  # entries shown of one kind that a component writes again and again
_TOLD_ELSEWHERE = ("reasons", "cascade")  # not in the table of all measures

_SECTIONS: Sequence[tuple[str, str, str, tuple[str, ...]]] = (
    (
        "Throttling",
        "Work refused on purpose.",
        "No server and no client refused anything on purpose in this run.",
        ("throttled",),
    ),
    (
        "Retry storm",
        "How many attempts each operation cost, and what that did to the services behind.",
        "No attempt was recorded in this run.",
        ("amplification", "layers", "waste"),
    ),
    (
        "Backlog recovery",
        "What was waiting, where, and how long requests queued.",
        "No component of this run reported waiting work.",
        ("backlog", "queue-delay", "latency"),
    ),
)
_ROW_OF: Mapping[str, str] = {
    "operation": "operation",
    "attempt": "attempt, written by its caller",
    "served": "request served or refused",
    "gauge": "reading of a gauge",
}
_NOISE = ("id", "due_s", "asked_s", "component", "name")  # of an entry whose `what` says it all


def sections(figures: Mapping[str, Figure]) -> list[tuple[str, str, list[Figure]]]:
    """The page's sections with the figures that exist; a section without figures says why."""
    found = []
    for heading, intro, without, slugs in _SECTIONS:
        members = [figures[slug] for slug in slugs if slug in figures]
        found.append((heading, intro if members else without, members))
    return found


def row_files(measures: Mapping[str, Any]) -> list[dict[str, str]]:
    """The row files of a run: where each lies beside the page, what a row is, how many, and whether it is whole."""
    return [
        {
            "href": file["name"] if file["name"] == "gauges.rows" else f"rows/{file['name']}",
            "of": _ROW_OF.get(file["kind"], file["kind"]),
            "rows": f"{file['rows']:,}",
            "closed": "yes" if file["complete"] else f"no, {file['torn']} bytes torn",
        }
        for file in measures.get("files") or ()
    ]


def events(journal: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """Journal entries worth reading, and how many routine ones were left out.

    Routine is what the automation does all the time, every single probe, and what a component has said thrice before.
    """
    seen: Counter[tuple[str, str]] = Counter()
    told = []
    for entry in journal:
        same = (str(entry["who"]), str(entry["kind"]))
        seen[same] += 1
        if entry["kind"] not in _ROUTINE and (entry["who"] == "orchestrator" or seen[same] <= _SAME_MOST):
            told.append(entry)
    shown = told[:_EVENTS_MOST]
    rows = []
    for entry in shown:
        known = ("t_s", "who", "kind", *(_NOISE if "what" in entry else ()))
        rest = {key: value for key, value in entry.items() if key not in known and value is not None}
        details = ", ".join(
            f"{key} {show(value) if not isinstance(value, dict) else value}" for key, value in rest.items()
        )
        rows.append({"t_s": entry["t_s"], "who": entry["who"], "kind": entry["kind"], "details": details})
    return rows, len(journal) - len(shown)


def measure_table(measures: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Every measure as (dotted key, text, reason when undefined)."""
    reasons = measures.get("reasons", {})
    return [
        (key, show(value), reasons.get(key, ""))
        for key, value in flatten({key: value for key, value in measures.items() if key not in _TOLD_ELSEWHERE})
    ]


def repeat_line(plan: Plan, folder: RunFolder | None = None) -> str:
    """The command that runs this plan again; of somebody's own locustfile, the one that its `folder` says it was."""
    if plan.engine == "locust":
        return _command(folder) or _locust_line(plan)
    word = "simulate" if plan.engine == "world" else "run"
    return f"blackstart {word} {_file(plan)} --variant {shlex.quote(plan.variant)} --seed {plan.seed}"


def _file(plan: Plan) -> str:
    """Where the experiment was read; runs of older versions do not say."""
    return shlex.quote(plan.file or f"experiments/{plan.name}.yaml")


def _command(folder: RunFolder | None) -> str | None:
    """The command line in the manifest; None when there is none."""
    try:
        found = folder.read_json(folder.manifest).get("command") if folder is not None else None
    except RecordError:
        return None
    return found if isinstance(found, str) else None


def _locust_line(plan: Plan) -> str:
    """Locust with the plugin, as far as a plan knows. Without an experiment file a run is called after its locustfile,
    and has no timeline.
    """
    if not plan.timeline:
        return f"locust -f {shlex.quote(f'{plan.name}.py')},$(blackstart plugin) --blackstart-seed {plan.seed}"
    file, variant = _file(plan), shlex.quote(plan.variant)
    ours = f"--blackstart-experiment {file} --blackstart-variant {variant} --blackstart-seed {plan.seed}"
    return f"locust -f LOCUSTFILE,$(blackstart plugin) {ours}"


def _journal(folder: RunFolder) -> list[dict[str, Any]]:
    """The journal's whole entries; what cannot be read is said by the measures."""
    try:
        return read_journal(folder.journal, [])
    except RecordError:
        return []


def measured(folder: RunFolder) -> dict[str, Any]:
    """The measures of a run. Raises RecordError when there are none that this version writes."""
    measures = folder.read_json(folder.measures)
    if measures.get("schema_version") != SCHEMA_VERSION or "verdict" not in measures:
        raise RecordError(
            f"{folder.measures}: not measures that this version writes; measure the run again with `blackstart analyse "
            f"{folder.path}`"
        )
    return measures


def _published(folder: RunFolder, plan: Plan) -> dict[str, Any]:
    """What the page shows of a replay: its table beside what was published. Nothing for any other experiment."""
    told = plan.experiment.incident
    replay = published.replay_of(folder) if told is not None and told.published else None
    if replay is None:
        return {"published_rows": [], "published_order": ""}
    return {
        "published_headings": published.HEADINGS,
        "published_rows": published.rows(replay),
        "published_order": published.order(replay),
    }


def write_report(folder: RunFolder) -> Path:
    """Write `report.html` and `charts/` into a run folder that has been analysed. Raises RecordError."""
    measures = measured(folder)
    raw_plan = folder.read_json(folder.plan)
    plan = Plan.from_json(raw_plan)
    client = plan.experiment.client
    modelled = stations(raw_plan)
    capacity_per_s = modelled[0].capacity_per_s if len(modelled) == 1 else None
    drawn = curves(folder)
    figures = run_figures(drawn, capacity_per_s, client.timeout_s)
    cascade = cascade_figure(measures.get("cascade") or [], plan.end_s, bands(drawn), moments(drawn))
    told, left_out = events(_journal(folder))
    return render(
        "run.html.j2",
        [*figures.values(), *([cascade] if cascade is not None else [])],
        folder.charts,
        folder.report,
        title=plan.experiment.title,
        description=plan.experiment.description,
        plan=raw_plan,
        measures=measures,
        sentence=verdict_sentence(measures),
        headline=headline(measures),
        lead=figures["recovery"],
        cascade=cascade,
        lanes=tables.cascade_rows(measures),
        sectors=tables.sector_rows(measures),
        audit=measures.get("audit"),
        audit_totals=tables.audit_totals(measures),
        audit_rows=tables.audit_rows(measures),
        status_page=tables.status_sentence(measures),
        sections=sections(figures),
        events=told,
        events_left_out=left_out,
        row_files=row_files(measures),
        table=measure_table(measures),
        repeat_line=repeat_line(plan, folder),
        timetable="\n".join(timetable(plan)),
        **_published(folder, plan),
    )
