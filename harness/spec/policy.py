"""A policy as an experiment file names it: `none`, a kind, or a mapping of a kind and its parameters.

    backoff: none
    backoff: exponential
    backoff: {kind: exponential, base: 50ms, jitter: full}
    retry_budget: {ratio: 0.1, burst: 100}          # the slot's default kind

Which kinds a slot takes, their parameters, units and bounds are stated once, in `harness.policies.catalogue`; this file
only turns the texts of a file into SI values and back. A value is kept with the parameters that were given; `filled`
adds the defaults. Complaints carry the path inside the mapping, so that they point at the parameter, not at the slot.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from harness import units
from harness.policies import catalogue
from harness.policies.entry import REQUIRED, Entry, Param, did_you_mean, resolve
from harness.spec.values import DURATION_SCHEMA, NONE, RATE_SCHEMA, SHARE_SCHEMA, show_duration, show_rate


class Policy(NamedTuple):
    """One filled slot. `params` are those given, in SI units, by the catalogue's names."""

    side: str
    slot: str
    kind: str
    params: dict[str, Any]

    def filled(self) -> tuple[str, dict[str, Any]]:
        """The kind and all its parameters, defaults included, as `compose` of the policy packages takes them."""
        return self.kind, resolve(catalogue.find(self.side, self.slot, self.kind), self.params)

    def written(self) -> dict[str, Any]:
        """The mapping an experiment file would hold; reads back to an equal policy."""
        entry = catalogue.find(self.side, self.slot, self.kind)
        unit_of = {param.name: param.unit for param in entry.params}
        return {"kind": self.kind, **{name: _show(value, unit_of[name]) for name, value in self.params.items()}}

    def __str__(self) -> str:
        params = ", ".join(f"{name} {value}" for name, value in self.written().items() if name != "kind")
        return f"{self.kind} ({params})" if params else self.kind


def read_policy(side: str, slot: str, value: object) -> Policy | None:
    """The policy in `value`, or None for `none`. Raises PydanticCustomError with the path to the culprit."""
    if value is None or value == NONE:
        return None
    if isinstance(value, Policy):
        return value
    named = isinstance(value, Mapping) and "kind" in value
    if isinstance(value, str):
        value = {"kind": value}
    if not isinstance(value, Mapping):
        kinds = ", ".join(kinds_of(side, slot))
        raise _complaint(f"{value!r} is not a policy; write {kinds}, or a mapping {{kind: ..., parameters}}")
    kind = value.get("kind", catalogue.DEFAULT_KIND[slot])
    if not isinstance(kind, str):
        raise _complaint(f"{kind!r} is not the name of a kind of policy", "kind")
    if kind == NONE:
        if len(value) > 1:
            raise _complaint("none takes no parameters; remove them, or name another kind", "kind")
        return None
    try:
        entry = catalogue.find(side, slot, kind)
    except catalogue.UnknownPolicy as error:
        raise _complaint(str(error), *(("kind",) if named else ())) from error
    params = {str(name): _parameter(entry, str(name), found) for name, found in value.items() if name != "kind"}
    try:
        resolve(entry, params)
    except ValueError as error:
        raise _complaint(str(error)) from error
    return Policy(side, slot, kind, params)


def kinds_of(side: str, slot: str) -> list[str]:
    """What a slot takes by name: none, and its kinds."""
    return list(dict.fromkeys([NONE, *(entry.kind for entry in catalogue.entries(side, slot))]))


def _parameter(entry: Entry, name: str, found: object) -> Any:
    known = {param.name: param for param in entry.params}
    if name not in known:
        takes = ", ".join(known) or "no parameters"
        raise _complaint(f"unknown parameter {name!r}; {entry.kind} takes {takes}{did_you_mean(name, known)}", name)
    param = known[name]
    try:
        value = _read(found, param)
    except ValueError as error:
        raise _complaint(str(error), name) from error
    problem = param.complaint(value)
    if problem is not None:
        raise _complaint(f"{problem} ({param.help})", name)
    return value


def _read(found: object, param: Param) -> Any:
    """One parameter in SI units; its own "none" (an optional parameter) stays None if that is its default."""
    if (found is None or found == NONE) and param.default is None:
        return None
    value = _READ.get(param.unit, _as_found)(found)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{found!r} has no end; write a finite value {param.allowed()}")
    return value


def _as_found(found: object) -> object:
    return found


def _number(found: object) -> object:
    return units.fraction(found) if isinstance(found, int | float) and not isinstance(found, bool) else found


_READ: Final[dict[str, Callable[[object], object]]] = {
    "s": units.duration_s,
    "per_s": units.rate_per_s,
    "share": units.fraction,
    "number": _number,
}


def _show(value: Any, unit: str) -> Any:
    if value is None:
        return NONE
    if unit == "s":
        return show_duration(value)
    return show_rate(value) if unit == "per_s" else value


def _complaint(text: str, *inside: str) -> PydanticCustomError:
    return PydanticCustomError("policy", "{text}", {"text": text, "inside": list(inside)})


def _unit_schema(param: Param) -> dict[str, Any]:
    schemas: Final[dict[str, dict[str, Any]]] = {
        "s": DURATION_SCHEMA,
        "per_s": RATE_SCHEMA,
        "share": SHARE_SCHEMA,
        "count": {"type": "integer"},
        "number": {"type": "number"},
        "flag": {"type": "boolean"},
        "choice": {"enum": list(param.choices)},
    }
    schema = {**schemas[param.unit], "description": param.help}
    return schema if param.default is REQUIRED else {**schema, "default": _show(param.default, param.unit)}


class Slot:
    """Annotation of a field that holds a policy: `Annotated[Policy | None, Slot("client", "backoff")]`."""

    def __init__(self, side: str, slot: str) -> None:
        self.side = side
        self.slot = slot

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read by `read_policy`, written by `Policy.written`; None is the word none."""

        def written(value: Policy | None) -> Any:
            return NONE if value is None else value.written()

        return core_schema.no_info_plain_validator_function(
            lambda value: read_policy(self.side, self.slot, value),
            serialization=core_schema.plain_serializer_function_ser_schema(written),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Any kind's name, or a mapping with that kind's parameters."""
        offered = catalogue.entries(self.side, self.slot)
        mappings = []
        for entry in offered:
            kind: dict[str, Any] = {"const": entry.kind, "description": entry.rule}
            required = [param.name for param in entry.params if param.default is REQUIRED]
            if entry.kind != catalogue.DEFAULT_KIND[self.slot]:
                required.append("kind")
            properties = {"kind": kind, **{param.name: _unit_schema(param) for param in entry.params}}
            mappings.append(
                {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
            )
        return {"anyOf": [{"enum": [None, *kinds_of(self.side, self.slot)]}, *mappings]}
