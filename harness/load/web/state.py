"""What the page is told of an experiment: its phases and lines, and the buttons for what can be done to its region.

The buttons are the verbs of the experiment file (`harness.spec.vocabulary`), so that whatever a timeline can do a
person can do, with the same arguments in the same units, and nothing else. A heal has no button of its own: the page
offers it for every fault that is on. Where the plan does the same deed, the button starts with the plan's arguments.

Leaves out: what is not in the region, surges of load and pauses, which are decided before a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.analyse.windows import WIDTH_S
from harness.errors import SpecError
from harness.load.plugin_plan import UNKNOWN_S
from harness.spec.entries import Event
from harness.spec.verbs import Argument, Verb
from harness.spec.vocabulary import VERBS
from harness.units import duration_s

TTL_S_MAX = 3600.0  # of a component's control port
TTL_S = 10.0  # what a button starts with
_KINDS = {"s": "duration", "per_s": "rate", "share": "share", "count": "count", "number": "number"}
Facts = Mapping[str, Any]


def of_plan(facts: Facts, planned: Sequence[Facts] | None = None) -> dict[str, Any]:
    """The part of the state that follows from plan.json. `planned` is the timeline, where the plan itself has none."""
    spec = facts.get("spec", {})
    entries = list(facts["timeline"] if planned is None else planned)
    components = list(facts.get("components") or {})
    phases = facts["phases"] if float(facts["end_s"]) < UNKNOWN_S else []
    return {
        "experiment": facts["experiment"],
        "title": spec.get("title", facts["experiment"]),
        "description": spec.get("description", ""),
        "variant": facts["variant"],
        "seed": facts["seed"],
        "engine": facts["engine"],
        "token_required": True,
        "window_s": WIDTH_S,
        "phases": [{"name": phase["name"], "begin_s": phase["start_s"], "end_s": phase["end_s"]} for phase in phases],
        "steady_state": {str(line): str(text) for line, text in (spec.get("steady_state") or {}).items()},
        "components": components,
        "verbs": verbs(components, entries, spec.get("region") or {}),
        "planned": [
            {"at_s": entry.get("at_s"), "what": entry["what"], "id": entry["id"], "fix": bool(entry.get("fix"))}
            for entry in entries
        ],
    }


def verbs(components: Sequence[str], planned: Sequence[Facts], region: Facts) -> list[dict[str, Any]]:
    """The buttons for these components."""
    found = []
    for component in components:
        for name, verb in VERBS.get(component, {}).items():
            if verb.kind == "heal":
                continue
            like: Facts = next((entry for entry in planned if entry["what"] == f"{component}.{name}"), {})
            found.append(_verb(component, name, verb, like.get("with") or {}, components, region))
    return found


def _verb(
    component: str, name: str, verb: Verb, like: Facts, components: Sequence[str], region: Facts
) -> dict[str, Any]:
    fault = verb.kind == "fault"
    params = []
    for argument in verb.arguments:
        if fault and argument.name == "for":
            continue  # the time to live says it
        choices = _choices(component, argument, components, region)
        params.append(
            {
                "name": argument.name,
                "kind": _KINDS.get(argument.unit, "choice" if choices else "text"),
                "required": argument.required,
                "default": like.get(argument.name, choices[0] if choices and argument.required else None),
                "choices": choices,
                "help": argument.help,
            }
        )
    length = like.get("for")
    return {
        "component": component,
        "name": name,
        "kind": "inject" if fault else "action",
        "fault": fault,
        "params": params,
        "one_of": list(verb.one_of),
        "ttl_s": (duration_s(length) if length else TTL_S) if fault else None,
        "ttl_max_s": TTL_S_MAX if fault else None,
        "help": verb.help,
    }


def _choices(component: str, argument: Argument, components: Sequence[str], region: Facts) -> list[str]:
    """The words an argument may be, where they are known."""
    if argument.choices:
        return list(argument.choices)
    if (component, argument.name) == ("dns", "enactor"):
        count = (region.get("dns") or {}).get("enactors", 0)
        return [f"az{number}" for number in range(1, int(count) + 1)]
    if argument.name == "to" and argument.unit == "word":
        return [name for name in components if name not in (component, "dns")]
    return []


def params_of(component: str, name: str, given: Facts) -> dict[str, Any]:
    """The arguments of a press as an experiment file has them, checked. Raises SpecError with what is allowed."""
    from harness.spec.arguments import read_arguments  # pydantic's models, not needed to draw the page

    verb = VERBS[component][name]
    units = {argument.name: argument.unit for argument in verb.arguments}
    params = {key: _typed(value, units.get(key, "")) for key, value in given.items() if value not in (None, "")}
    wrong: list[tuple[Any, str]] = []
    read_arguments(Event.model_validate({"at": "0s", "do": f"{component}.{name}", "with": params}), verb, 0, wrong)
    if wrong:
        raise SpecError("; ".join(f"{'.'.join(map(str, where[2:]))}: {text}".lstrip(": ") for where, text in wrong))
    return params


def known(component: str, name: str, deed: str, components: Sequence[str]) -> str | None:
    """Why there is no such button, in words; None when there is."""
    if component not in components:
        return f"no component {component!r} in this region; there are: {', '.join(components) or 'none'}"
    wanted = {"inject": "fault", "heal": "fault", "action": "action"}.get(deed)
    names = [verb for verb, found in VERBS.get(component, {}).items() if found.kind == wanted]
    if name not in names:
        return f"{component} has no {wanted} {name!r}; it has: {', '.join(names) or 'none'}"
    return None


def _typed(value: Any, unit: str) -> Any:
    """A form sends every number as text."""
    if unit in ("count", "number") and isinstance(value, str):
        for kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                continue
    return value
