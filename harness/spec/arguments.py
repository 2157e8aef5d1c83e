"""The `with` of a timeline entry, read: texts with units into SI values, each wrong one a complaint with its place.

Which arguments there are is data (`harness.spec.verbs`), and so are their bounds (`harness.policies.deeds`).
"""

from __future__ import annotations

from typing import Any

from harness.policies.entry import did_you_mean
from harness.spec.document import Where
from harness.spec.entries import Event
from harness.spec.verbs import Argument, Verb
from harness.spec.vocabulary import VERBS


def read_arguments(event: Event, verb: Verb, index: int, wrong: list[tuple[Where, str]]) -> dict[str, Any]:
    """The `with` of an entry in SI units, by name with unit (`mean_s`, `for_s`); complaints go to `wrong`."""
    known = {argument.name: argument for argument in verb.arguments}
    resolved: dict[str, Any] = {}
    for name, value in event.with_.items():
        if name not in known:
            takes = f"{event.do} takes {', '.join(known)}" if known else f"{event.do} takes nothing"
            takes += _elsewhere(event, name)
            if name == "square" and verb.kind == "fault":
                takes = f"{takes}; `square` stands beside `with`"
            wrong.append(((index, "with", name), f"unknown argument {name!r}; {takes}{did_you_mean(name, known)}"))
            continue
        try:
            read = _value(value, known[name])
        except ValueError as error:
            wrong.append(((index, "with", name), str(error)))
            continue
        resolved[f"{name}_s" if known[name].unit == "s" else name] = read
    for argument in verb.arguments:
        if argument.required and argument.name not in event.with_:
            text = f"{event.do} needs {argument.name} ({argument.help}); write `with: {{{argument.name}: ...}}`"
            wrong.append(((index, "do"), text))
    if verb.one_of and sum(name in event.with_ for name in verb.one_of) != 1:
        text = f"{event.do} needs exactly one of {' and '.join(verb.one_of)}; write `with: {{{verb.one_of[0]}: ...}}`"
        wrong.append(((index, "do"), text))
    return resolved


def _elsewhere(event: Event, name: str) -> str:
    """Which other deed of the component takes this argument, in words; "" for none."""
    found = [
        f"{event.component}.{other}"
        for other, verb in VERBS.get(event.component, {}).items()
        if other != event.verb and other.startswith(event.verb.split("_")[0]) and name in verb.names
    ]
    return f" ({name} belongs to {', '.join(found)})" if found else ""


def _value(value: object, argument: Argument) -> Any:
    """One argument in SI units. Raises ValueError with what is allowed."""
    return _word(value, argument) if argument.quantity is None else argument.quantity.read(value)


def _word(value: object, argument: Argument) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a word")  # noqa: TRY004  # gathered with the other complaints
    if argument.choices and value not in argument.choices:
        raise ValueError(
            f"{value!r} is not one of {', '.join(argument.choices)}{did_you_mean(value, argument.choices)}"
        )
    return value
