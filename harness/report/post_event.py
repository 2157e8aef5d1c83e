"""The post-event summary: what an operator would publish about a run, as Markdown and as a page.

Providers publish such a summary days after an outage, written by hand from logs. Here every sentence comes from the
run's own record, in the order in which readers ask: how bad, when what and why, what each part did, what customers saw,
what became of their data, what the status page said meanwhile, what was done, what would have helped. Two forms of one
content: `post-event.md` for wherever text goes, `post-event.html` with the charts in it.

Leaves out: blame, and advice that no run of this experiment supports.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.analyse import curves
from harness.errors import RecordError, RunError
from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.record.journal import read_journal
from harness.report import other_runs, retelling, tables
from harness.report.cascade_chart import cascade_figure
from harness.report.charts import bands, moments, run_figures
from harness.report.page import render, templates
from harness.report.run_page import measured, repeat_line
from harness.report.words import headline, verdict_sentence

MARKDOWN, PAGE = "post-event.md", "post-event.html"


def write_post_event(folder: RunFolder, others: Sequence[RunFolder] = ()) -> tuple[Path, Path]:
    """Write the summary of a measured run into its folder: (Markdown, page). `others` are runs of other variants.

    Without any, those that lie beside the run are taken. Raises RecordError when a folder is no measured run, or a run
    of another experiment.
    """
    measures = measured(folder)
    raw_plan = folder.read_json(folder.plan)
    plan = Plan.from_json(raw_plan, str(folder.plan))
    damaged: list[str] = []
    try:
        journal = read_journal(folder.journal, damaged)
    except RecordError as error:
        journal, damaged = [], [str(error)]
    drawn = curves(folder)
    figures = [run_figures(drawn, None, None)["recovery"]]
    cascade = cascade_figure(measures.get("cascade") or [], plan.end_s, bands(drawn), moments(drawn))
    figures += [] if cascade is None else [cascade]
    context: dict[str, Any] = {
        "title": plan.experiment.title,
        "description": plan.experiment.description,
        "plan": raw_plan,
        "measures": measures,
        "sentence": verdict_sentence(measures),
        "headline": headline(measures),
        "drawn": figures,
        "timeline": retelling.timeline(journal, measures),
        "doings": retelling.doings(measures),
        "customers": retelling.customers(measures),
        "data": retelling.data(measures),
        "status_page": tables.status_sentence(measures),
        "posts": retelling.posts(journal),
        "actions": retelling.actions(journal),
        "others": other_runs.judged(folder, others or other_runs.beside(folder)),
        "repeat_line": repeat_line(plan, folder),
        "gaps": damaged,
    }
    page = render("post_event.html.j2", figures, folder.charts, folder.path / PAGE, **context)
    text = folder.path / MARKDOWN
    try:
        text.write_text(templates().get_template("post_event.md.j2").render(**context) + "\n")
    except OSError as error:
        raise RunError(f"{text}: the summary cannot be written: {error.strerror}") from error
    return text, page
