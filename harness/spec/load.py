"""From an experiment file to checked experiments, one per variant; every complaint with file, line and column.

    file = load_experiment(Path("experiments/dns_race.yaml"))
    file.variants                     ("naive", "budget", ...)
    file.variant("budget")            Experiment, fully resolved

All variants are resolved and checked at once, because a file is wrong when any of its variants is. A complaint points
at the text that caused it: at the variant's patch if the value came from there, at the shared part if not. All
complaints of a file come in one SpecError, one a line, in the order of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from harness.errors import SpecError
from harness.policies.entry import did_you_mean
from harness.spec import checks, time_scale
from harness.spec.document import Document, Place, Where, parse_document, read_document
from harness.spec.experiment import Experiment
from harness.spec.keys import allowed_keys
from harness.spec.patch import filled, normal, patched

# What a variant may patch. The rest names the experiment or its criteria, and is the same for all of them.
PATCHABLE: Final = ("region", "conventions", "client", "load", "phases", "timeline", "steady_state", "stop_when",
                    "time_scale")  # fmt: skip
# The name of the only variant of a file that lists none.
ONLY: Final = "base"


class ExperimentFile:
    """A checked experiment file. `name` is its stem; `source` what complaints call it. Made from its document, so that
    they can point into it; or, for one that no file holds, from what to call it."""

    def __init__(self, name: str, document: Document | str, experiments: Mapping[str, Experiment]) -> None:
        self.name = name
        self.path = ""  # where it was read; empty for a text
        self._document = Document(document) if isinstance(document, str) else document
        self.source = self._document.name
        self._experiments = dict(experiments)
        first = next(iter(self._experiments.values()))
        self.title = first.title
        self.description = first.description
        self.incident = first.incident
        self.seed = first.seed
        self.repeat = first.repeat
        self.expect = first.expect

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the variants in the order of the file; ("base",) when it lists none."""
        return tuple(self._experiments)

    def variant(self, name: str) -> Experiment:
        """One variant, resolved. Raises SpecError with the nearest name for an unknown one."""
        if name not in self._experiments:
            near = did_you_mean(name, self.variants)
            raise SpecError(f"{self.source}: no variant {name!r}; it has {', '.join(self.variants)}{near}")
        return self._experiments[name]

    def raise_for(self, found: Iterable[tuple[str, Where, str]]) -> None:
        """Raise one SpecError for complaints of others than this package, given as (variant, path, text), if any."""
        complaints = _Complaints(self._document)
        complaints.variants = len(self._experiments)
        for variant, path, text in found:
            complaints.add("" if self.variants == (ONLY,) else variant, path, text)
        complaints.raise_if_any()


def load_experiment(path: Path) -> ExperimentFile:
    """Read and check an experiment file. Raises SpecError with every complaint, each as file:line:column: text."""
    file = _checked(read_document(path), path.stem)
    file.path = str(path)
    return file


def parse_experiment(text: str, name: str = "experiment") -> ExperimentFile:
    """The same for a text; complaints call it `<name>.yaml`."""
    return _checked(parse_document(text, f"{name}.yaml"), name)


def resolved_experiment(spec: Mapping[str, Any], source: str) -> Experiment:
    """One variant as `plan.json` carries it. Raises SpecError naming `source` when it is not one."""
    try:
        return Experiment.model_validate(dict(spec))
    except ValidationError as error:
        first = error.errors()[0]
        path, text, _ = _told(first, (*first["loc"], *_inside(first)))
        raise SpecError(f"{source}: {_dotted(path)}: {text}") from error


def _checked(document: Document, name: str) -> ExperimentFile:
    raw = document.data
    if not isinstance(raw, dict):
        raise SpecError(document.complain(Place(1, 1), "not a mapping; an experiment begins with `title: ...`"))
    base = {key: value for key, value in raw.items() if key != "variants"}
    complaints = _Complaints(document)
    patches = _patches(raw, complaints)
    complaints.variants = len(patches)
    experiments = {}
    for variant, patch in patches.items():
        try:
            whole = patched(base, patch) if variant else normal(base)
            experiment = Experiment.model_validate(filled(whole))
        except ValidationError as error:
            for found in error.errors():
                complaints.add_error(variant, found)
            continue
        if unkept := time_scale.too_large(whole, experiment):
            complaints.add(variant, ("time_scale",), unkept)
        experiments[variant or ONLY] = experiment
        for complaint in checks.of_experiment(experiment):
            complaints.add(variant, complaint.path, complaint.text, key=complaint.key)
    if experiments:
        for complaint in checks.of_expectations(next(iter(experiments.values())).expect, [v or ONLY for v in patches]):
            complaints.add("", complaint.path, complaint.text, key=complaint.key)
    complaints.raise_if_any()
    return ExperimentFile(name, document, experiments)


def _patches(raw: Mapping[str, Any], complaints: _Complaints) -> dict[str, Any]:
    """Name -> patch; a file without variants has one empty patch under the empty name."""
    variants = raw.get("variants")
    if variants is None:
        return {"": {}}
    if not isinstance(variants, dict) or not variants:
        complaints.add("", ("variants",), "not a mapping of names to patches; `name: {}` changes nothing")
        return {"": {}}
    patches = {}
    for name, patch in variants.items():
        if not name or not all(c.isalnum() or c in "_-" for c in name):
            complaints.add("", ("variants", name), f"{name!r} is not a name; use letters, digits, _ and -", key=True)
        if not isinstance(patch, dict | None):
            complaints.add("", ("variants", name), f"{patch!r} is not a patch; write a mapping, {{}} changes nothing")
            patch = {}
        patch = dict(patch or {})
        for key in [key for key in patch if key not in PATCHABLE]:
            text = f"a variant cannot patch {key!r}; it may patch {', '.join(PATCHABLE)}{did_you_mean(key, PATCHABLE)}"
            complaints.add("", ("variants", name, key), text, key=True)
            del patch[key]
        patches[name] = patch
    return patches


class _Complaints:
    """Gathers complaints, each once, and puts them in the order of the file."""

    def __init__(self, document: Document) -> None:
        self.variants = 1
        self._document = document
        self._found: dict[tuple[Place, str], tuple[Where, set[str]]] = {}

    def add(self, variant: str, path: Where, text: str, *, key: bool = False) -> None:
        """A complaint about `path` of an experiment, as resolved for `variant` ("" for none)."""
        place, said = self._locate(variant, path, key=key)
        self._found.setdefault((place, text), (said, set()))[1].add(variant)

    def add_error(self, variant: str, error: ErrorDetails) -> None:
        """A complaint of pydantic's."""
        path, text, key = _told(error, (*error["loc"], *_inside(error)))
        self.add(variant, path, text, key=key)

    def _locate(self, variant: str, path: Where, *, key: bool) -> tuple[Place, Where]:
        """Where the text behind `path` stands, and the path to call it by there."""
        tried = list(_origins(variant, path))
        for where in tried:
            found = self._document.place(where, key=key)
            if found is not None:
                return found, where
        length = max(len(path), 1)
        for shorter in range(length, 0, -1):
            for where in _origins(variant, path[:shorter]):
                found = self._document.place(where, key=True)
                if found is not None:
                    return found, path
        return Place(1, 1), path

    def raise_if_any(self) -> None:
        """Raise one SpecError with all that was found, if anything was."""
        if self._found:
            found = sorted(self._found.items(), key=lambda item: item[0][0])
            raise SpecError("\n".join(self._line(place, text, *said) for (place, text), said in found))

    def _line(self, place: Place, text: str, path: Where, variants: set[str]) -> str:
        """One complaint; it names the variants it is about when that is not clear from the path and not all of them."""
        some = 0 < len(variants - {""}) < self.variants and path[:1] != ("variants",)
        about = f" (variant {', '.join(sorted(variants))})" if some else ""
        return self._document.complain(place, f"{_dotted(path)}: {text}{about}" if path else f"{text}{about}")


def _origins(variant: str, path: Where) -> Iterator[Where]:
    """Paths of the file that may have given the value at `path`, the likeliest first."""
    sources: list[Where] = [path]
    if "client" in path[:3] and path[0] in ("region", "load"):
        sources.append(path[path.index("client") :])
    if path[:1] == ("region",) and path[2:3] == ("resolver",):  # an app's resolver may be given as its client's
        sources += [(*path[:2], "client", *path[2:]), ("client", *path[2:])]
    for source in sources:
        if variant:
            yield ("variants", variant, *source)
        yield source


def _inside(error: ErrorDetails) -> tuple[str, ...]:
    return tuple(error.get("ctx", {}).get("inside", ()))


def _dotted(path: Where) -> str:
    return ".".join(str(part) if isinstance(part, str) else f"[{part}]" for part in path).replace(".[", "[")


def _told(error: ErrorDetails, path: Where) -> tuple[Where, str, bool]:
    """A pydantic error in our words: the path, what was found and what is allowed, and whether a key is the culprit."""
    found = error["input"]
    match error["type"]:
        case "extra_forbidden":
            known = [*allowed_keys(Experiment, path[:-1]), *(["variants"] if len(path) == 1 else [])]
            return path, f"unknown key; known here: {', '.join(known)}{did_you_mean(str(path[-1]), known)}", True
        case "missing":
            return path, f"missing; {_missing(path)}", False
        case "literal_error":
            options = [option.strip("'") for option in error["ctx"]["expected"].replace(" or ", ", ").split(", ")]
            return path, f"{found!r} is not one of {', '.join(options)}{did_you_mean(str(found), options)}", False
        case "value_error" | "policy":
            text = error["msg"].removeprefix("Value error, ")
            return path, text, text.startswith("unknown parameter")
        case "model_type" | "dict_type" | "model_attributes_type":
            return path, f"{_short(found)} is not a mapping; write {{key: value, ...}}", False
        case "tuple_type":
            return path, f"{_short(found)} is not a list; write [..., ...]", False
        case "int_type":
            return path, f"{_short(found)} is not a whole number", False
        case "bool_type":
            return path, f"{_short(found)} is not true or false", False
        case "string_type":
            return path, f"{_short(found)} is not a text; quote it", False
        case "string_pattern_mismatch":
            return path, f"{_short(found)} is not of the form component.verb, as in kv.latency", False
        case "finite_number":
            return path, f"{_short(found)} is not a finite number; write one", False
        case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            return path, f"{_short(found)} is out of bounds; it must be {_bound(error)}", False
        case _:
            return path, f"{_short(found)}: {error['msg'][:1].lower()}{error['msg'][1:]}", False


def _bound(error: ErrorDetails) -> str:
    words = {"ge": "at least", "le": "at most", "gt": "above", "lt": "below"}
    return " and ".join(f"{words[name]} {limit:,}" for name, limit in error.get("ctx", {}).items() if name in words)


def _missing(path: Where) -> str:
    examples: dict[Where, str] = {
        ("title",): "write one line that says what happens, as in `title: A DNS race empties an endpoint`",
        ("load",): "say who uses the region, as in `load: {mobile_banking: {arrivals: {rate: 100/s}}}`",
    }
    return examples.get(path, f"write `{path[-1]}: ...`")


def _short(found: object) -> str:
    text = repr(found)
    return text if len(text) <= 60 else text[:57] + "..."
