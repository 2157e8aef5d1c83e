"""`docs/reference/components.md`: each component's knobs, verbs and gauges, as its file in `harness/spec` has them."""

from __future__ import annotations

import re
from typing import Final

from pydantic import BaseModel

from harness.reference.keys import cell, fields, heading, models_of, table
from harness.spec.knobs import Connection, Hosted, Service, Working
from harness.spec.outbox import Outbox
from harness.spec.region import ALWAYS, PRESETS, Region
from harness.spec.verbs import FOR, Argument, Verb
from harness.spec.vocabulary import GAUGES, PSEUDO, STORIES, VERBS

_COMMON: Final = (Working, Hosted, Service, Connection, Outbox)
_NO_END: Final = re.compile(r" and at most \d{1,3}(,\d{3}){2,}( s|/s)?")  # a bound that only keeps nonsense out
_ELSEWHERE: Final = ("Client",)  # on the page of the file format
_INTRO: Final = """# Components

Made by `make reference` from `harness/spec/components/`; change it there.

Under `region` an experiment names its components and turns their knobs; one set to `null` is absent. Each preset begins
with `dns`, `kv` and {always}:

| preset | besides |
|---|---|
{presets}

A component's **verbs** are what the [timeline](file_format.md#event) may do to it. A *fault* takes `for`, its length,
or lasts until the component's `heal`; an *action* is done once. Its **gauges** are what `when:` may watch; those that
begin with `waiting_` are work accepted and not yet done, those that end in `_total` only grow.
"""


def page() -> str:
    """The page, Markdown."""
    presets = "\n".join(
        f"| `{name}` | {', '.join(f'`{one}`' for one in patch) or '-'} |" for name, patch in PRESETS.items()
    )
    always = ", ".join(f"`{name}`" for name in ALWAYS)
    lines = [_INTRO.format(presets=presets, always=always), "## What components share"]
    for model in _COMMON:
        lines += ["", f"### {heading(model)}", "", _about(model), "", *table(model)]
    for name, field in fields(Region):
        if name != "preset":
            lines += _component(name, models_of(field.annotation)[0])
    lines += ["", "## Without a component", "", "Two things a timeline does to no component."]
    for verbs in PSEUDO.values():
        lines += ["", *_verbs(verbs)]
    return "\n".join(lines) + "\n"


def _component(name: str, model: type[BaseModel]) -> list[str]:
    """Everything about one component."""
    lines = ["", f"## `{name}`", "", _about(model), ""]
    shared = [f"[{base.__name__}](#{base.__name__.lower()})" for base in (Working, Hosted) if issubclass(model, base)]
    if shared:
        lines += [f"Besides its own keys it has those of {' and '.join(shared)}.", ""]
    lines += table(model, own=True)
    for part in _parts(model, []):
        lines += ["", f"### {heading(part)}", "", _about(part), "", *table(part)]
    lines += ["", "**Verbs**", "", *_verbs(VERBS[name])]
    lines += ["", "**Gauges**", "", ", ".join(f"`{gauge}`" for gauge in GAUGES[name])]
    stories = [story for story, entry in STORIES.items() if entry.target == name]
    if stories:
        lines += ["", f"Stories that talk to it: {', '.join(f'`{story}`' for story in stories)}."]
    return lines


def _parts(model: type[BaseModel], found: list[type[BaseModel]]) -> list[type[BaseModel]]:
    """The models below a component that are its own, each once."""
    for _, field in fields(model):
        for part in models_of(field.annotation):
            if part not in found and part not in _COMMON and part.__name__ not in _ELSEWHERE:
                found.append(part)
                _parts(part, found)
    return found


def _about(model: type[BaseModel]) -> str:
    """The model's docstring as one paragraph, with keys for the attributes it speaks of, whose names carry units."""
    text = " ".join((model.__doc__ or "").split())
    for name, field in model.model_fields.items():
        text = text.replace(f"`{name}`", f"`{field.alias or name}`")
    return text


def _verbs(verbs: dict[str, Verb]) -> list[str]:
    rows = []
    for name, verb in verbs.items():
        arguments = "; ".join(_argument(one, verb) for one in verb.arguments) or "-"
        rows.append(f"| `{name}` | {verb.kind} | {cell(verb.help)} | {cell(arguments)} |")
    return ["| verb | kind | what happens | `with` |", "|---|---|---|---|", *rows]


def _argument(argument: Argument, verb: Verb) -> str:
    """One argument: name, meaning, what it takes, and whether it must be there."""
    if argument == FOR:
        return "`for`: its length"
    if argument.quantity is not None:
        allowed = _NO_END.sub("", argument.quantity.allowed(sentence=False))
    else:
        allowed = f"one of {', '.join(f'`{word}`' for word in argument.choices)}" if argument.choices else "a name"
    must = ", required" if argument.required else ", exactly one" if argument.name in verb.one_of else ""
    return f"`{argument.name}`: {argument.help} ({allowed.removeprefix('must be ')}{must})"
