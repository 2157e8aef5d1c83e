"""One run, judged: rows -> windows -> curves, measures and a verdict. Reads nothing but the run folder.

    analyse(folder)   all measures of the run, also written to its measures.json, and its curves to series.json
    curves(folder)    its curves, one value per 0.25 s
    judge(folder)     both, for the price of one reading

Where to look:
    load_run, moments, evidence     what was recorded, when things happened, one pass over the rows
    windows, percentiles, rolling   counting: fixed windows (also live), mergeable histograms, windows to judge by
    lines, steady, verdict          what "recovered" means, when it was so, and the one word for the run
    validity, reconcile             whether the record can support that word
    backlog, capacity, wasted, amplification, latency, by_component, dns     one measure each
    measures, expect, drawing       assembled for files, criteria and charts
    series                          the curves as arrays in a file
    held, tables                    series in windows, for criteria; rows as plain tables, for other tools

`live` and `load` import only `windows`; importing this package loads nothing by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.record.folder import RunFolder

if TYPE_CHECKING:
    from harness.analyse.drawing import Curves


def judge(folder: RunFolder) -> tuple[dict[str, Any], Curves]:
    """Measures (written to measures.json) and curves of a run. Raises RecordError when the folder is not a run."""
    from harness.analyse import drawing, evidence, measures

    found = evidence.gather(folder)
    drawn = drawing.draw(found)
    return _written(folder, measures.assemble(found), drawn), drawn


def analyse(folder: RunFolder) -> dict[str, Any]:
    """All measures of a run, also written to its measures.json. Raises RecordError when the folder is not a run."""
    return judge(folder)[0]


def _written(folder: RunFolder, values: dict[str, Any], drawn: Curves) -> dict[str, Any]:
    """The same measures, now in the folder, with the series; the audit also by itself, for those who only want it."""
    from harness.analyse.series import series

    folder.write_json(folder.measures, values)
    folder.write_json(folder.series, series(drawn))
    if values.get("audit") is not None:
        folder.write_json(folder.audit, values["audit"])
    return values


def curves(folder: RunFolder) -> Curves:
    """The curves of a run. Raises RecordError when the folder is not a run."""
    from harness.analyse import drawing, evidence

    return drawing.draw(evidence.gather(folder))
