"""A gate as numbers that a CI system follows over time: GitLab metrics, github-action-benchmark, Bencher.

Each of them compares by name, so names are stable and hold no seed, and some compare as text, so values are rounded to
three digits. A value is the median over the valid runs that have one, with the least and the most beside it where the
form has room; a variant that never recovered has no time to recover, rather than a large one.

Trends are for seeing, not for judging: they compare with the last value whatever it was. Gates stand on criteria.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from statistics import median
from typing import Any

from harness.report.gate_text import by_variant, numbers

# key: (name, unit in OpenMetrics, help); for all of them smaller is better
_FOLLOWED = {
    "time_to_recover_s": ("ttr", "seconds", "Time to recover, median of the valid runs that recovered"),
    "amplification.overall": ("amplification", "ratio", "Attempts per operation from the fault on"),
    "wasted_work_ratio": ("wasted_work", "ratio", "Share of service time spent on attempts nobody waited for"),
    "backlog.peak": ("backlog_peak", "items", "Most work that waited at a time"),
    "goodput_deficit.recovery_ops": ("lost_after_fix", "operations", "Operations late or failed after the fix"),
}  # fmt: skip


def open_metrics(gate: Mapping[str, Any]) -> str:
    """The GitLab metrics report: OpenMetrics text."""
    lines: list[str] = []
    for key, (name, unit, text) in _FOLLOWED.items():
        full = f"recovery_{name}_{unit}"
        lines += _family(full, unit, text)
        for variant, runs in by_variant(gate).items():
            values = numbers(runs, key)
            if values:
                lines.append(f"{full}{_labels(gate, config=variant)} {_number(median(values))}")
    lines += _family("recovery_recovered_ratio", "ratio", "Share of the valid runs that recovered")
    for variant, runs in by_variant(gate).items():
        valid = [run for run in runs if run["valid"]]
        if valid:
            share = sum(bool(run["recovered"]) for run in valid) / len(valid)
            lines.append(f"recovery_recovered_ratio{_labels(gate, config=variant)} {_number(share)}")
    lines += _family("recovery_criteria", "", "Criteria by their answer")
    for verdict, count in gate["counts"].items():
        lines.append(f"recovery_criteria{_labels(gate, answer=verdict)} {count}")
    return "\n".join([*lines, "# EOF", ""])


def benchmark_action(gate: Mapping[str, Any]) -> str:
    """JSON for github-action-benchmark, tool `customSmallerIsBetter`."""
    found = []
    for variant, runs in by_variant(gate).items():
        seeds = ", ".join(str(run["seed"]) for run in runs)
        for key, (name, unit, _) in _FOLLOWED.items():
            values = numbers(runs, key)
            if values:
                half = (values[-1] - values[0]) / 2.0
                found.append({
                    "name": f"{gate['experiment']}/{variant} {name}", "unit": unit, "value": _short(median(values)),
                    "range": f"± {_number(half)}", "extra": f"n={len(values)} seeds={seeds} engine={gate['engine']}",
                })  # fmt: skip
    return json.dumps(found, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def bencher(gate: Mapping[str, Any]) -> str:
    """Bencher Metric Format: a benchmark per variant, a measure per value, with the range of the runs."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for variant, runs in by_variant(gate).items():
        for key, (name, _, _) in _FOLLOWED.items():
            values = numbers(runs, key)
            if values:
                found.setdefault(f"{gate['experiment']}/{variant}", {})[name] = {
                    "value": _short(median(values)),
                    "lower_value": _short(values[0]),
                    "upper_value": _short(values[-1]),
                }
    return json.dumps(found, indent=1, allow_nan=False) + "\n"


def _family(name: str, unit: str, text: str) -> list[str]:
    return [f"# TYPE {name} gauge", *([f"# UNIT {name} {unit}"] if unit else []), f"# HELP {name} {text}"]


def _labels(gate: Mapping[str, Any], **more: str) -> str:
    named = {"scenario": gate["experiment"], "engine": gate["engine"], **more}
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in named.items()) + "}"


def _escaped(value: object) -> str:
    return str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _number(value: float) -> str:
    """Three digits, never in exponents."""
    text = f"{_short(value):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
