"""One sentence that answers an experiment's question, computed from its runs.

It says what was seen and nothing more: in how many runs each variant recovered, how long that took (the median of those
that did), and, when the file asks for something else as well, the first measure of its criteria in which the variants
differ. A sentence written by hand would be better prose, and wrong after the next change of a default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from harness.units import show_s

Facts = Mapping[str, Sequence[Mapping[str, Any]]]  # by variant, one mapping a run
_NAMED_MOST = 6  # variants whose values are told one by one
_WORDS = {
    "goodput_deficit.recovery_ops": "operations lost after the fix",
    "goodput_deficit.outage_ops": "operations lost before the fix",
}


def answer(facts: Facts, keys: Sequence[str]) -> str:
    """The sentence, Markdown. `keys` are the measures the file asks about, the most telling first."""
    found = _recoveries(facts)
    for key in keys:
        values = {variant: _middle(runs, key) for variant, runs in facts.items()}
        if key != "time_to_recover_s" and _differ(list(values.values())):
            return f"{found}; {_told(key, values)}."
    return f"{found}."


def _recoveries(facts: Facts) -> str:
    """Which variants recovered, in how many of their runs."""
    runs = max(len(found) for found in facts.values())
    of = {variant: sum(run["recovered"] is True for run in found) for variant, found in facts.items()}
    always = [variant for variant, count in of.items() if count == runs]
    never = [variant for variant, count in of.items() if count == 0]
    some = [variant for variant in of if variant not in always and variant not in never]
    if len(always) == len(facts):
        return f"every variant recovered in all {runs} runs: {_list(_after(name, facts[name]) for name in always)}"
    parts = []
    if always:
        parts.append(f"{_list(_after(name, facts[name]) for name in always)} recovered in all {runs} runs")
    if some:
        parts.append(f"{_list(f'`{name}` in {of[name]} of {runs}' for name in some)}{'' if always else ' recovered'}")
    if never:
        parts.append(f"{_list(f'`{name}` ({_verdicts(facts[name])})' for name in never)} in none")
    return ", ".join(parts)


def _after(variant: str, runs: Sequence[Mapping[str, Any]]) -> str:
    times = [run["time_to_recover_s"] for run in runs if run["time_to_recover_s"] is not None]
    if all(run["verdict"] == "never_failed" for run in runs):
        return f"`{variant}` (never failed)"
    return f"`{variant}` (after {show_s(median(times))})" if times else f"`{variant}`"


def _verdicts(runs: Sequence[Mapping[str, Any]]) -> str:
    return " or ".join(dict.fromkeys(str(run["verdict"]).replace("_", " ") for run in runs))


def _middle(runs: Sequence[Mapping[str, Any]], key: str) -> float | None:
    values = [run[key] for run in runs if isinstance(run.get(key), int | float)]
    return float(median(values)) if len(values) == len(runs) else None


def _differ(values: Sequence[float | None]) -> bool:
    """Whether there is anything to tell: two medians that lie a tenth apart, or more."""
    known = [value for value in values if value is not None]
    return len(known) > 1 and max(known) - min(known) > 0.1 * max(abs(value) for value in known)


def _told(key: str, values: Mapping[str, float | None]) -> str:
    """The measure of each variant, or its range when there are many."""
    known = {variant: value for variant, value in values.items() if value is not None}
    name = _WORDS.get(key, f"`{key}`")
    if len(known) <= _NAMED_MOST:
        each = _list(f"{_shown(key, value)} in `{variant}`" for variant, value in known.items())
        return f"{name} (median): {each}"
    low, high = min(known, key=lambda name: known[name]), max(known, key=lambda name: known[name])
    return f"{name} (median): from {_shown(key, known[low])} in `{low}` to {_shown(key, known[high])} in `{high}`"


def _shown(key: str, value: float) -> str:
    if key.endswith("_s") and not key.endswith("_per_s"):
        return show_s(value)
    if "share" in key or key.endswith("_ratio"):
        return f"{100 * value:.0f} %"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _list(words: Any) -> str:
    found = list(words)
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"
