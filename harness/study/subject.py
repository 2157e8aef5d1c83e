"""An experiment with some of its keys set: what a cell of a sweep runs.

Setting a key in the *resolved* experiment would miss what was derived from it (`client.attempts` is copied into every
caller), so keys are set in the file's own mapping, after the variant's patch, and the whole is resolved and checked
again. A cell therefore means exactly what the same text in the file would mean, and wrong keys and values get the
file's own complaints.

    subject = read_subject(path, variant=None)
    subject.file({"phases.outage": "650ms"})      an ExperimentFile with one variant

A subject is plain data and can be sent to another process.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import SpecError
from harness.spec import ExperimentFile, load_experiment, resolved_experiment
from harness.spec.checks import of_experiment
from harness.spec.document import read_document
from harness.spec.patch import filled, normal, patched
from harness.study.axes import Value

NOT_SWEPT = ("title", "description", "seed", "repeat", "expect", "variants", "stop_when", "targets", "allow_hosts")


class Subject(NamedTuple):
    """One variant of a file as a mapping of texts, patch applied, presets not yet filled in."""

    name: str
    source: str
    variant: str
    raw: dict[str, Any]
    seed: int

    def file(self, settings: Mapping[str, Value]) -> ExperimentFile:
        """The experiment with these keys set. Raises SpecError naming key and value when it is not a correct one."""
        raw = deepcopy(self.raw)
        for key, value in settings.items():
            _set(raw, key, value)
        where = ", ".join(f"{key}={value}" for key, value in settings.items()) or self.source
        experiment = resolved_experiment(filled(raw), where)
        for complaint in of_experiment(experiment):
            path = ".".join(map(str, complaint.path))
            raise SpecError(f"{where}: {path}: {complaint.text}")
        return ExperimentFile(self.name, where, {self.variant: experiment})


def read_subject(path: Path, variant: str | None = None) -> Subject:
    """One variant of an experiment file; without a name, the first. Raises SpecError as `load_experiment` does."""
    file = load_experiment(path)
    name = file.variants[0] if variant is None else variant
    file.variant(name)
    raw: dict[str, Any] = read_document(path).data
    base = {key: value for key, value in raw.items() if key != "variants"}
    patch = (raw.get("variants") or {}).get(name) or {}
    return Subject(file.name, file.source, name, patched(base, patch) if patch else normal(base), file.seed)


def _set(raw: dict[str, Any], key: str, value: Value) -> None:
    """Set one dotted key; mappings on the way are made, a policy given by its kind's name becomes a mapping."""
    parts = key.split(".")
    if parts[0] in NOT_SWEPT:
        raise SpecError(f"{key}: cannot be on an axis; it changes nothing that a run does (seeds have --seeds)")
    here: Any = raw
    for number, part in enumerate(parts[:-1]):
        here = _step(here, part, ".".join(parts[: number + 1]))
    last = parts[-1]
    if isinstance(here, list):
        here[_index(here, last, key)] = value
    else:
        here[last] = value


def _step(here: Any, part: str, so_far: str) -> Any:
    if isinstance(here, list):
        return here[_index(here, part, so_far)]
    inner = here.get(part)
    if isinstance(inner, str) and inner != "none":
        inner = {"kind": inner}
    elif not isinstance(inner, dict | list):
        inner = {}
    here[part] = inner
    return inner


def _index(items: list[Any], part: str, so_far: str) -> int:
    if not part.isdecimal() or int(part) >= len(items):
        raise SpecError(f"{so_far}: {part!r} is not a place in a list of {len(items)}; they count from 0")
    return int(part)
