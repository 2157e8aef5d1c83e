"""One `expect` line of an experiment file: a criterion that a run, or several, can pass or fail.

    {variant: budget, measure: time_to_recover, is: "<= 15s"}                      a measure of one run
    {variant: budget, measure: amplification.peak, is: "<= 0.5x variant naive"}    beside a run with the same seed
    {variant: budget, measure: time_to_recover, is: "<= 1.2x saved"}               beside a saved baseline
    {variant: budget, series: p99, is: "<= 2x baseline", for: 3s, within: 8s}      a series, in windows
    {compare: [budget, naive], measure: recovered, is: better}                     two variants, over pairs of runs

Leaves out: whether names of variants, measures and parts exist (`checks`), and every answer (`harness.analyse.expect`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    ValidationError,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from harness.errors import SpecError
from harness.policies.entry import did_you_mean
from harness.spec.lines import Condition, read_condition
from harness.spec.values import Duration, Model
from harness.spec.vocabulary import full_key
from harness.spec.windowed import PARTED, SERIES, MaybeAnchor, MaybeStretch


def _is(value: object) -> object:
    if isinstance(value, Condition) or value in ("better", "same", "worse"):
        return value
    return read_condition(value)


def _shown(value: Condition | str) -> str | bool:
    if isinstance(value, str):
        return value
    return value.value if isinstance(value.value, bool) and value.text in ("true", "false") else value.text


class Expect(Model):
    """One criterion: a bound on a measure or a series of one variant, or a comparison of a measure between two."""

    variant: str | None = None
    compare: tuple[str, str] | None = Field(default=None, strict=False)
    measure: str | None = None
    series: str | None = None
    of: str | None = None
    is_: Annotated[
        Condition | Literal["better", "same", "worse"],
        BeforeValidator(lambda value: _is(value)),
        PlainSerializer(lambda value: _shown(value)),
        WithJsonSchema({"type": ["string", "boolean"], "examples": ["<= 15s", "== recovered", True, "better"]}),
    ] = Field(alias="is")
    over: MaybeStretch = None
    for_: MaybeStretch = Field(default=None, alias="for")
    within_s: Annotated[
        Duration | None,
        PlainSerializer(lambda value: None if value is None else f"{value!r}s"),
    ] = Field(default=None, alias="within")
    from_: MaybeAnchor = Field(default=None, alias="from")

    @property
    def key(self) -> str:
        """The measure's key in measures.json: `time_to_recover` is short for `time_to_recover_s`. "" for a series."""
        return "" if self.measure is None else full_key(self.measure) or self.measure

    @property
    def label(self) -> str:
        """What the line is about, in words: a key, or a series and where it is looked at."""
        if self.series is None:
            return self.key
        name = f"{self.series} of {self.of}" if self.of else self.series
        if self.over is not None:
            return f"{name} over {self.over.text}{self._since}"
        assert self.for_ is not None, "a series is looked at over or for something"
        within = f", beginning within {self.within_s:g}s{self._since}" if self.within_s is not None else self._since
        return f"{name} for {self.for_.text}{within}"

    @property
    def _since(self) -> str:
        stretch = self.over or self.for_
        if stretch is None or stretch.phase:
            return ""
        word = " of " if self.within_s is not None else " from "
        return word + (self.from_.words if self.from_ is not None else "the fix")

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in write(self).items() if value is not None}

    @model_validator(mode="after")
    def _one_form(self) -> Expect:
        if (self.variant is None) == (self.compare is None):
            raise ValueError("an expect line names either `variant` or `compare: [a, b]`; write exactly one of them")
        if (self.compare is None) == isinstance(self.is_, str):
            raise ValueError(
                f"{_shown(self.is_)!r} does not fit; `compare` wants better, same or worse, and `variant` wants a "
                "condition such as '<= 15s', '== recovered' or true"
            )
        if (self.measure is None) == (self.series is None):
            raise ValueError("an expect line names either `measure` or `series`; write exactly one of them")
        stretches = [key for key in ("over", "for", "within", "from") if getattr(self, _ATTRIBUTES[key]) is not None]
        if self.series is None:
            if stretches or self.of:
                given = ", ".join([*stretches, *(["of"] if self.of else [])])
                raise ValueError(f"{given}: a measure is one number of a whole run; look at a `series`, or remove this")
            return self
        if self.compare is not None:
            raise ValueError("`compare` judges measures; write `series` with `variant` and '<= 0.5x variant NAME'")
        self._check_series(self.series)
        return self

    def _check_series(self, series: str) -> None:
        condition = self.is_
        assert isinstance(condition, Condition), "a line of one variant has a condition"
        if series not in SERIES:
            known = ", ".join(SERIES)
            raise ValueError(f"unknown series {series!r}; they are {known}{did_you_mean(series, SERIES)}")
        if self.of is not None and series not in PARTED:
            raise ValueError(
                f"`of` picks a component or a caller->callee of {', '.join(PARTED)}; {series} has no parts"
            )
        if (self.over is None) == (self.for_ is None):
            raise ValueError(
                "a series is looked at `over` a stretch (one value) or `for` one (every rolling window); write exactly "
                "one of them"
            )
        stretch = self.over or self.for_
        assert stretch is not None, "one of them is there"
        if stretch.phase and (self.from_ is not None or self.within_s is not None):
            raise ValueError(f"{stretch.phase} has its own beginning; `from` and `within` go with a length, as in 3s")
        if self.within_s is not None and self.for_ is None:
            raise ValueError("`within` says when a `for` may begin; `over` has one place only, given by `from`")
        if self.for_ is not None and condition.of in ("variant", "saved"):
            raise ValueError(f"{condition.text!r} relates one value to another; look at it `over` a stretch, not `for`")
        if not isinstance(condition.value, float) or condition.sense in ("==", "!="):
            raise ValueError(f"{condition.text!r} does not fit a series; write a bound, as in '<= 300ms'")
        if condition.of == "due" and SERIES[series] != "share":
            raise ValueError(f"{condition.text!r}: only goodput is a share of the operations due")
        timed = condition.text.rstrip().endswith(("s", "m", "min", "h")) and "/" not in condition.text
        if condition.of == "absolute" and timed != (SERIES[series] == "time"):
            wanted = "a duration, as in '<= 300ms'" if SERIES[series] == "time" else f"a {SERIES[series]}, not a time"
            raise ValueError(f"{condition.text!r} does not fit {series}; write {wanted}")


def read_expect(line: Mapping[str, Any]) -> Expect:
    """A line as a plan carries it. Raises SpecError when it is not one."""
    try:
        return Expect.model_validate(dict(line))
    except ValidationError as error:
        raise SpecError(f"expect {line.get('measure') or line.get('series')}: {error.errors()[0]['msg']}") from error


_ATTRIBUTES = {"over": "over", "for": "for_", "within": "within_s", "from": "from_"}
