"""Pointers for the kernel: to the rows of its tables, and to values that change.

A compiled function gets an array as seven numbers, and a policy's state as one number for each of its parts; both go
on the stack at every call that is not inlined, and a state that changed must be given back through every function on
the way. That was a third of the kernel's time and half of its text. So the loop passes pointers:

    nth(first, i)             row i of the table whose row 0 is `first`
    cell(value)               a place in the frame of the function that calls this, holding the value; None for None
    get(place), put(place, value)
    place.name                the part of that name of the named tuple in a place
    whole(number)             a number out of a short column, in the width for which functions are compiled

`cell` is for the outermost function: what it points to is gone when that returns. `nth` trusts its index; tables are
grown between two events (`kernels.py`), never during one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr_generic, register_model

_llvm: Any = cgutils


class Place(types.Type):
    """The type of a place that holds a `held`."""

    def __init__(self, held: Any) -> None:
        self.held = held
        super().__init__(name=f"Place({held})")


register_model(Place)(models.OpaqueModel)


def _typed(context: Any, builder: Any, place: Any, given: Any) -> Any:
    return builder.bitcast(given, context.get_value_type(place.held).as_pointer())


def _nth(typing: Any, first: Any, i: Any) -> Any:
    """Row `i` of the table whose row 0 is `first`."""

    def make(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        number = context.cast(builder, given[1], signature.args[1], types.intp)
        return builder.gep(given[0], [number])

    return first(first, i), make


def _cell(typing: Any, value: Any) -> Any:
    """A place that holds `value` until the function that calls this returns."""
    if isinstance(value, types.NoneType):
        return value(value), lambda context, builder, signature, given: given[0]
    place = Place(value)

    def make(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        room = _llvm.alloca_once(builder, context.get_value_type(value))
        builder.store(given[0], room)
        return builder.bitcast(room, context.get_value_type(place))

    return place(value), make


def _get(typing: Any, place: Any) -> Any:
    """What the place holds."""
    if isinstance(place, types.NoneType):
        return place(place), lambda context, builder, signature, given: given[0]

    def make(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.load(_typed(context, builder, place, given[0]))

    return place.held(place), make


def _put(typing: Any, place: Any, value: Any) -> Any:
    """Let the place hold `value`."""

    def make(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        builder.store(given[1], _typed(context, builder, place, given[0]))
        return context.get_dummy_value()

    return types.void(place, place.held), make


nth: Any = intrinsic(_nth)
cell: Any = intrinsic(_cell)
get: Any = intrinsic(_get)
put: Any = intrinsic(_put)
whole: Any = np.int64


@infer_getattr
class _Parts(AttributeTemplate):
    key = Place

    def generic_resolve(self, place: Any, name: str) -> Any:  # type: ignore[override]  # numba types it as absent
        held: Any = place.held
        return held[held.fields.index(name)] if name in getattr(held, "fields", ()) else None


def _load_part(context: Any, builder: Any, place: Any, given: Any, name: str) -> Any:
    whole = _typed(context, builder, place, given)
    return builder.load(_llvm.gep_inbounds(builder, whole, 0, place.held.fields.index(name)))


_lower: Any = lower_getattr_generic
_lower(Place)(_load_part)
