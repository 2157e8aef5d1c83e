"""Tables of the keys of an experiment file: type, default and meaning, read from the pydantic models.

What a type allows is asked of the type itself, by giving it values and looking at what it refuses: a duration that
takes "0s" is one that may be zero. So a bound that is changed in the model is changed on the page.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from harness.reference.key_texts import TEXTS
from harness.spec.client import Client
from harness.spec.policy import Slot

_HEAD: Final = ["| key | value | default | meaning |", "|---|---|---|---|"]
_PERIOD, _TINY = "10ms", "1us"


def part_of(model: type[BaseModel]) -> str:
    """The name of a model in the table of texts, as in "knobs.Service"."""
    return f"{model.__module__.rpartition('.')[2]}.{model.__name__}"


def text_of(model: type[BaseModel], key: str) -> str:
    """The meaning of a key, that of the model itself or of the part it derives from. KeyError when there is none."""
    for base in model.__mro__:
        texts = TEXTS.get(part_of(base), {}) if issubclass(base, BaseModel) else {}
        if key in texts:
            return texts[key]
    raise KeyError(f"no text for {part_of(model)}.{key}; add one to harness/reference/key_texts.py")


def models_of(annotation: Any) -> list[type[BaseModel]]:
    """The models in an annotation, in their order."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in typing.get_args(annotation) for model in models_of(argument)]


def fields(model: type[BaseModel], *, own: bool = False) -> Iterator[tuple[str, FieldInfo]]:
    """Key and field, in the order of the model; with `own` only those the class itself names."""
    for name, field in model.model_fields.items():
        if not own or name in model.__annotations__:
            yield field.alias or name, field


def table(model: type[BaseModel], *, own: bool = False) -> list[str]:
    """The keys of a model as a Markdown table."""
    rows = [
        f"| `{key}` | {cell(value_of(field))} | {cell(default_of(field))} | {cell(text_of(model, key))} |"
        for key, field in fields(model, own=own)
    ]
    return [*_HEAD, *rows]


def cell(text: str) -> str:
    """A text as a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def default_of(field: FieldInfo) -> str:
    """The default as a file would write it; a part with keys of its own has theirs."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    found = models_of(field.annotation)
    if isinstance(value, BaseModel):
        plain = found[0]() if not any(one.is_required() for one in found[0].model_fields.values()) else None
        return "see there" if value == plain else _code(_changed(value, plain))
    if value is None:
        return "`none`" if _may_be_none(field) else "absent"
    written = _short(TypeAdapter(_annotated(field)).dump_python(value, mode="json", by_alias=True))
    return _code(written) if written not in ({}, [], "") else "empty"


def _changed(value: BaseModel, plain: BaseModel | None) -> Any:
    """What a part has that its plain default has not."""
    written = value.model_dump(mode="json", by_alias=True)
    usual = plain.model_dump(mode="json", by_alias=True) if plain is not None else {}
    return {name: _short(found) for name, found in written.items() if found != usual.get(name)}


def _short(value: Any) -> Any:
    """ "0.5s" as a person writes it: "500ms"."""
    if isinstance(value, str) and value.endswith("s") and value[:-1].replace(".", "", 1).isdigit():
        seconds = float(value[:-1])
        return f"{seconds * 1000:g}ms" if 0 < seconds < 1 else f"{seconds:g}s"
    if isinstance(value, str) and value.endswith("/s") and value[:-2].replace(".", "", 1).isdigit():
        return f"{float(value[:-2]):g}/s"
    if isinstance(value, dict):
        return value["kind"] if list(value) == ["kind"] else {name: _short(found) for name, found in value.items()}
    return value


def _code(value: Any) -> str:
    if isinstance(value, str):
        return f"`{value}`"
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).removesuffix("\n...\n")
    return f"`{text.strip()}`"


def value_of(field: FieldInfo) -> str:
    """What a key takes, in words."""
    slot = next((meta for meta in _metadata(field) if isinstance(meta, Slot)), None)
    if slot is not None:
        return f"[policy](../policies.md#{slot.side}-{slot.slot}), or `none`"
    found = models_of(field.annotation)
    if found:
        return _of_models(field, found)
    quantity = _quantity(field)
    if quantity:
        return f"{quantity}, or `none`" if _may_be_none(field) else quantity
    return _plain(field)


def _of_models(field: FieldInfo, found: list[type[BaseModel]]) -> str:
    page = "file_format.md" if found[0] is Client else ""  # other parts stand on the page that names them
    name = f"[{found[0].__name__}]({page}#{anchor(found[0])})"
    if _origin(field.annotation) is tuple:
        return f"list of {name}"
    if _origin(field.annotation) is dict:
        return f"mapping of names to {name}"
    if _may_be_none(field):
        return f"{name}, or `none`"
    return f"{name}, or `null`" if _takes(field, None) else name


def anchor(model: type[BaseModel]) -> str:
    """The anchor of a model's own section: class names are unique on a page, but for those named after their owner."""
    return heading(model).lower().replace(" ", "-")


def heading(model: type[BaseModel]) -> str:
    """What a model's section is called; a name that several components use carries its owner."""
    owner = model.__module__.rpartition(".")[2]
    shared = model.__name__ not in ("Fallbacks", "Outbox") or owner == model.__name__.lower()
    return model.__name__ if shared else f"{owner} {model.__name__}"


def _quantity(field: FieldInfo) -> str:
    """Durations, rates and shares, with their bounds; "" for anything else."""
    told = str(TypeAdapter(_annotated(field)).json_schema())
    if "a duration with its unit" in told:
        if _takes(field, "0s"):
            return "duration" if _takes(field, "1500ms") else "whole seconds"
        return "duration above 0" if _takes(field, _TINY) else f"duration, at least {_PERIOD}"
    if "a rate with its unit" in told:
        return "rate above 0"
    if "a share, as in" in told:
        return "share, 0 to 1 or in %" if _takes(field, 1.0) else "share, 0 to below 1"
    return ""


def _plain(field: FieldInfo) -> str:
    """Words, numbers, flags, and what is written as a sentence of its own."""
    schema = TypeAdapter(_annotated(field)).json_schema(by_alias=True)
    options = schema.get("anyOf", [schema])
    nothing = ", or `none`" if _may_be_none(field) else ""
    for option in options:
        if "enum" in option:
            return ", ".join(f"`{word}`" for word in option["enum"])
    first = next((option for option in options if option.get("type") not in (None, "null")), schema)
    kind = first.get("type")
    examples = [word for word in schema.get("examples", []) if word is not None]
    if examples:
        return "as in " + ", ".join(f"`{str(word).lower() if isinstance(word, bool) else word}`" for word in examples)
    match kind:
        case "boolean":
            return "`true` or `false`"
        case "integer":
            return f"whole number{_bounds(first)}{nothing}"
        case "number":
            return f"number{_bounds(first)}{nothing}"
        case "array":
            return "list of two words" if first.get("maxItems") == 2 else "list of words"
        case "object":
            inner = first.get("additionalProperties")
            shares = isinstance(inner, dict) and inner.get("type") == "number"
            return f"mapping of names to {'shares' if shares else 'values'}"
        case _:
            return "text"


def _bounds(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above = schema.get("exclusiveMinimum")
    if above is not None:
        return f" above {above:g}" + (f", at most {high:,g}" if high is not None else "")
    if low is None and high is None:
        return ""
    if high is None or high >= 2**53:
        return f", at least {low:,}"
    return f", {low:,} to {int(high):,}"


def _may_be_none(field: FieldInfo) -> bool:
    """Whether the word none is read as nothing (and not as a text like any other)."""
    return _takes(field, "none") and TypeAdapter(_annotated(field)).validate_python("none") is None


def _takes(field: FieldInfo, value: object) -> bool:
    try:
        TypeAdapter(_annotated(field)).validate_python(value)
    except (ValidationError, ValueError, TypeError):
        return False
    return True


def _annotated(field: FieldInfo) -> Any:
    """The annotation with what pydantic took out of it."""
    found: Any = field.annotation
    for meta in field.metadata:
        found = Annotated[found, meta]
    return found


def _metadata(field: FieldInfo) -> list[Any]:
    return [*field.metadata, *_inside(field.annotation)]


def _inside(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) is Annotated:
        first, *rest = typing.get_args(annotation)
        return [*rest, *_inside(first)]
    return []


def _origin(annotation: Any) -> Any:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return None
    return typing.get_origin(annotation)
