"""JUnit XML of a gate: one test case per criterion, for every CI system that shows test results.

A criterion that failed is a `failure`, one that the runs cannot answer an `error`: viewers colour and count them apart,
as a gate does. Cases are written when all is well too, or a report of nothing looks like a report of no tests.

The form is the strict one (JUnit.xsd of Ant's output): elements in their fixed order, `properties`, `system-out` and
`system-err` always there, a timestamp without a fraction. Readers that know more attributes accept it as well.

Leaves out: a time per criterion; they are answered together, from runs whose length is the suite's.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

_NEVER = "1970-01-01T00:00:00"  # a run folder that was renamed and has no manifest does not say when it was run
# What XML 1.0 cannot hold, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(gate: Mapping[str, Any]) -> str:
    """The whole file."""
    counts, criteria = gate["counts"], gate["criteria"]
    root = ET.Element("testsuites")
    seconds = sum(float(run.get("length_s") or 0.0) for run in gate["runs"])
    suite = ET.SubElement(root, "testsuite", {
        "name": _text(f"recovery.{gate['experiment']}"),
        "package": "recovery",
        "id": "0",
        "timestamp": _timestamp(gate),
        "hostname": "localhost",
        "tests": str(len(criteria)),
        "failures": str(counts["fail"]),
        "errors": str(counts["unsure"]),
        "time": f"{seconds:.3f}",
    })  # fmt: skip
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(gate):
        ET.SubElement(properties, "property", {"name": _text(name), "value": _text(value)})
    for one in criteria:
        case = ET.SubElement(suite, "testcase", {
            "name": _text(f"{one['measure']} {one['wanted']}"),
            "classname": _text(f"{gate['experiment']}.{one['subject']}"),
            "time": "0",
        })  # fmt: skip
        if one["verdict"] != "pass":
            kind, sort = ("failure", "criterion") if one["verdict"] == "fail" else ("error", "unsure")
            told = ET.SubElement(case, kind, {"type": sort, "message": _text(one["why"])})
            told.text = _text("\n".join(f"seed {run['seed']}: {run['verdict']}: {run['why']}" for run in one["runs"]))
    ET.SubElement(suite, "system-out").text = _text("\n".join(_artefacts(gate)))
    ET.SubElement(suite, "system-err").text = _text("\n".join(gate["notes"]))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _properties(gate: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [("engine", gate["engine"]), ("blackstart", gate["suite"]), ("verdict", gate["sentence"])]
    for variant in dict.fromkeys(run["variant"] for run in gate["runs"]):
        runs = [run for run in gate["runs"] if run["variant"] == variant]
        found.append((f"{variant}.seeds", ", ".join(str(run["seed"]) for run in runs)))
        found.append((f"{variant}.fingerprint", str(runs[0]["fingerprint"])))
    return [(name, str(value)) for name, value in found]


def _artefacts(gate: Mapping[str, Any]) -> list[str]:
    return [f"{run['label']}: {run['verdict']}, {run['folder']}" for run in gate["runs"]]


def _timestamp(gate: Mapping[str, Any]) -> str:
    """When the first run started, to the second."""
    started = sorted(str(run["started"])[:19] for run in gate["runs"] if run.get("started"))
    return started[0] if started and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", started[0]) else _NEVER


def _text(value: object) -> str:
    return _FORBIDDEN.sub("?", str(value))
