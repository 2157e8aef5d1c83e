"""`docs/reference/file_format.md`: every key of an experiment file, from the pydantic models that read it."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from harness.reference.key_texts import EXAMPLES
from harness.reference.keys import heading, table
from harness.spec.client import Client
from harness.spec.criteria import Expect
from harness.spec.crowd import Crowd
from harness.spec.entries import Event, Square, When
from harness.spec.experiment import Arrivals, Conventions, Experiment, Load, Phases, SteadyState
from harness.spec.incident import Incident, Published
from harness.spec.vocabulary import STORIES
from harness.spec.windowed import PARTED, SERIES

_INTRO: Final = """# The experiment file

Made by `make reference` from the models in `harness/spec/`; change it there. `blackstart check FILE` reads a file and
says what is wrong with it, with line and column; `blackstart check --schema` prints a JSON Schema for editors.

An experiment is one YAML file. An unknown key is refused, with the nearest known one. A smallest file:

```yaml
title: A store that is slow for ten seconds
load:
  mobile_banking: {arrivals: {rate: 60/s}}
timeline:
  - {at: outage.start, do: kv.latency, with: {factor: 10, for: 10s}}
  - {at: outage.start + 10s, do: kv.heal, with: {fault: latency}, fix: true}
```

Keys carry no unit, values do:

| value | written |
|---|---|
| duration | `500ms`, `2s`, `1.5min`, `1h`; `0s` |
| rate | `100/s`, `30/min`, `20/h` |
| share | `5%` or `0.05` |
| moment | `outage.start`, `outage.end + 2s` (any phase), or `12s` from the run's zero |
| policy | `none`, the name of a kind, or `{kind: exponential, base: 50ms}` ([policies](../policies.md)) |

"see there" as a default means that the part has defaults of its own; "absent" that the key has none. In the examples
below, a file is `experiments/dns_race.yaml` with these keys laid over it.
"""
_VARIANTS: Final = """A variant is a patch over the whole file: mappings are merged deep, lists are replaced, and `null`
deletes a key. Variants may patch everything but `title`, `description`, `incident`, `expect` and `variants` themselves.
A file without variants has one, called `base`."""
_SECTIONS: Final[tuple[tuple[str, type[BaseModel] | None, str], ...]] = (
    ("region", None, "The components and their knobs have [a page of their own](components.md)."),
    ("conventions", Conventions, ""),
    ("client", Client, "The client of every caller: the users' and, patched by their own `client`, the components'."),
    ("load", Load, "By story. Each has one of two loops: `arrivals` (open) or `think` (closed)."),
    ("", Arrivals, ""),
    ("crowd", Crowd, ""),
    ("phases", Phases, ""),
    ("timeline", Event, "Faults, deeds of operators and the fix, each at a moment or on a condition."),
    ("", When, ""),
    ("", Square, ""),
    ("steady_state", SteadyState, 'What "recovered" means: every line holds, together, for a while.'),
    ("stop_when", None, "Conditions on which a live run is ended early, with exit code 5."),
    ("expect", Expect, ""),
    ("variants", None, _VARIANTS),
    ("", Incident, ""),
    ("", Published, ""),
)


def page() -> str:
    """The page, Markdown."""
    lines = [_INTRO, "## Top level", "", *table(Experiment)]
    for example, model, about in _SECTIONS:
        title = example if model is None else heading(model)
        lines += ["", f"## {title}", *(["", about] if about else [])]
        if model is not None:
            lines += ["", *table(model)]
        if model is Load:
            lines += ["", *_stories()]
        if model is Expect:
            parts = ", ".join(f"`{name}`" for name in PARTED)
            lines += ["", f"Series: {', '.join(f'`{name}`' for name in SERIES)}. Those with parts: {parts}."]
        if example:
            lines += ["", "```yaml", EXAMPLES[example], "```"]
    return "\n".join(lines) + "\n"


def _stories() -> list[str]:
    rows = []
    for name, story in STORIES.items():
        operations = ", ".join(f"`{one}` {share:g}" for one, share in story.operations.items())
        rows.append(f"| `{name}` | `{story.target}` | {operations} |")
    return ["Stories:", "", "| story | talks to | operations and their usual shares |", "|---|---|---|", *rows]
