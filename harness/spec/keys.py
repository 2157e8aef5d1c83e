"""The keys each part of an experiment takes, read from the models, so that a complaint can list them."""

from __future__ import annotations

import types
import typing
from typing import Any

from pydantic import BaseModel

from harness.spec.document import Where


def allowed_keys(model: type[BaseModel], path: Where) -> list[str]:
    """The keys of the model at `path` below `model`, as a file writes them; [] when there is no model there."""
    here: Any = model
    for part in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = next((f for name, f in here.model_fields.items() if part in (name, f.alias)), None)
            here = _inner(field.annotation) if field is not None else None
        else:
            arguments = typing.get_args(here)
            here = _inner(arguments[1 if typing.get_origin(here) is dict else 0]) if arguments else None
    if not (isinstance(here, type) and issubclass(here, BaseModel)):
        return []
    return [field.alias or name for name, field in here.model_fields.items()]


def _inner(annotation: Any) -> Any:
    """The annotation without Annotated and without None."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _inner(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return _inner(next(arg for arg in typing.get_args(annotation) if arg is not types.NoneType))
    return annotation
