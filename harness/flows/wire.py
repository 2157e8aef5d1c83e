"""How an attempt looks on the wire, for every driver and every service.

    POST http://<name>:8000/<operation>      JSON body: the request's params
    X-Blackstart-Attempt: <attempt id, decimal>
    X-Blackstart-Context: op=<int>;layer=<int>;n=<int>;deadline_ns=<int, -1 for none>;criticality=<int>

The attempt id joins the caller's row to the server's row; without it a timed-out attempt and the work it left behind
could never be matched. Always POST: clients repeat idempotent methods by themselves on a broken connection, and a
repeat nobody counted is a retry policy nobody chose.

Answers are 200 with JSON, or a failure whose body says `{"code": "<cause in lower case>"}`, so that a refusal on
purpose (429, or 503 with a throttling code) is told from a failure (any other 5xx) without guessing. An optional
`Retry-After` gives seconds, with fractions allowed here (RFC 9110 has whole seconds or a date; dates are ignored).
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from harness.flows.wants import Cause, Result, Send

ATTEMPT_HEADER = "X-Blackstart-Attempt"
CONTEXT_HEADER = "X-Blackstart-Context"
RETRY_AFTER_HEADER = "Retry-After"

# What a server answers for a cause. DEPENDENCY shares 503 with refusals; its code tells them apart.
STATUS_OF: dict[Cause, int] = {
    Cause.QUEUE_FULL: 503,
    Cause.THROTTLED: 429,
    Cause.DROPPED: 503,
    Cause.DEPENDENCY: 503,
    Cause.CONFLICT: 409,
    Cause.SERVER_ERROR: 500,
    Cause.INJECTED: 500,
}
_REFUSALS = frozenset({Cause.QUEUE_FULL, Cause.THROTTLED, Cause.DROPPED})
_CAUSE_OF_CODE = {cause.name.lower(): cause for cause in STATUS_OF}
_OP_MAX, _NS_MAX = (1 << 64) - 1, (1 << 63) - 1
_FIELDS = ("op", "layer", "n", "deadline_ns", "criticality")
_USUAL = re.compile(r"op=(\d+);layer=(\d+);n=(\d+);deadline_ns=(-?\d+);criticality=(\d+)", re.ASCII).fullmatch


class Context(NamedTuple):
    """What a server may know about the attempt it serves."""

    op: int = 0
    layer: int = 0
    n: int = 0
    deadline_ns: int = -1  # absolute, from the run's zero; -1 for none
    criticality: int = 0

    @property
    def deadline_s(self) -> float:
        """The deadline in seconds from zero; inf for none."""
        return self.deadline_ns * 1e-9 if self.deadline_ns >= 0 else math.inf


def code_of(cause: Cause) -> str:
    """The `code` a server puts into a failure's body."""
    return cause.name.lower()


def url(name: str, port: int, operation: str) -> str:
    """Where an operation of a component is asked for."""
    return f"http://{name}:{port}/{operation}"


def headers_of(send: Send) -> dict[str, str]:
    """The two headers of an attempt."""
    deadline_ns = -1 if math.isinf(send.deadline_s) else round(send.deadline_s * 1e9)
    context = f"op={send.op};layer={send.layer};n={send.n};deadline_ns={deadline_ns};criticality={send.criticality}"
    return {ATTEMPT_HEADER: str(send.attempt_id), CONTEXT_HEADER: context}


def parse_attempt(text: str | None) -> int:
    """The attempt id in a header, 0 when there is none. Raises ValueError when it is no id."""
    if text is None:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > 20 or (number := int(text)) >= 1 << 64:
        raise ValueError(f"{ATTEMPT_HEADER}: {text[:40]!r} is not an attempt id; send an unsigned 64-bit decimal")
    return number


def parse_context(text: str | None) -> Context:
    """The context in a header; missing fields get their defaults. Raises ValueError naming what is wrong."""
    if text is None:
        return Context()
    usual = _USUAL(text)
    if usual is not None:
        return _held(Context._make(map(int, usual.groups())))
    values = {}
    for part in text.split(";"):
        name, _, number = part.partition("=")
        if name not in _FIELDS:
            raise ValueError(f"{CONTEXT_HEADER}: unknown field {name[:40]!r}; there are: {', '.join(_FIELDS)}")
        try:
            values[name] = int(number)
        except ValueError:
            raise ValueError(f"{CONTEXT_HEADER}: {name} is {number[:40]!r}, not an integer") from None
    return _held(Context(**values))


def _held(context: Context) -> Context:
    """The same context, if rows can hold it. Raises ValueError naming what is out of range."""
    op, layer, n, deadline_ns, criticality = context
    if 0 <= op <= _OP_MAX and 0 <= layer <= 255 and 0 <= n <= 65_535 and 0 <= criticality <= 255 and (
        -1 <= deadline_ns <= _NS_MAX
    ):  # fmt: skip
        return context
    ranges = f"op to {_OP_MAX}, layer and criticality to 255, n to 65535, deadline_ns from -1"
    raise ValueError(f"{CONTEXT_HEADER}: {str(tuple(context))[:80]} is out of range; they go from 0: {ranges}")


def classify(status: int, code: str | None) -> tuple[Result, Cause]:
    """What an answer means to its caller, from its status and the `code` in its body."""
    if 200 <= status < 300:
        return Result.OK, Cause.NONE
    cause = _CAUSE_OF_CODE.get(code or "")
    if cause is None:
        return (Result.REFUSED, Cause.THROTTLED) if status == 429 else (Result.ERROR, Cause.SERVER_ERROR)
    return (Result.REFUSED if cause in _REFUSALS else Result.ERROR), cause


def parse_retry_after_s(text: str | None) -> float:
    """Seconds in a `Retry-After` header; nan for none, for a date, and for what is no number."""
    if text is None:
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan
