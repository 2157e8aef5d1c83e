"""The columns of every row file, with units and what missing means.

Rows, not summaries: one row per operation, attempt and served request, so an old run can always be judged again. All
`_ns` columns are nanoseconds from the run's zero on CLOCK_MONOTONIC, as int64; -1 means it did not happen. Ids of
stories, apps, components and targets index the `names` lists in the file's header.

operation   one per operation the load generator was due to start
attempt     one per attempt, written by its caller; `layer` 0 is the outermost client
served      one per attempt that reached a server, written by that server
gauge       one per gauge reading taken by the orchestrator (4 a second)

`served.attempt` always has an attempt row, and an attempt has a served row or a cause.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

MAGIC: Final = b"BSROWS01"
TRAILER: Final = b"BSEND"


class Outcome(IntEnum):
    """How one operation ended (operation rows, column `outcome`)."""

    GOOD = 0  # succeeded within its deadline
    LATE = 1  # succeeded after its deadline
    FAILED = 2
    THROTTLED = 3  # refused on purpose, by a server or a client-side limiter
    DROPPED = 4  # never started: the generator had no room (a generator fault)
    UNFINISHED = 5  # still open when the drain ended: right-censored

    @classmethod
    def of(cls, ok: bool, refused: bool, ended_s: float, deadline_s: float) -> Outcome:
        """The outcome of an operation that ended; `deadline_s` is absolute, from the intended start."""
        if ok:
            return cls.GOOD if ended_s <= deadline_s else cls.LATE
        return cls.THROTTLED if refused else cls.FAILED


# numpy-style (name, little-endian format) pairs; sizes in bytes follow from the formats
OPERATION: Final = (
    ("op", "<u8"),  # operation id, 1 and up; the index in the plan's schedule plus one
    ("story", "<u2"),
    ("app", "<u2"),
    ("worker", "<u2"),
    ("intended_ns", "<i8"),
    ("started_ns", "<i8"),
    ("finished_ns", "<i8"),
    ("deadline_ns", "<i8"),  # absolute; -1 for none
    ("outcome", "<u1"),
    ("attempts", "<u2"),  # attempts that left the outermost client
)
ATTEMPT: Final = (
    ("op", "<u8"),
    ("layer", "<u1"),
    ("parent", "<u8"),  # attempt id of the caller's own attempt, 0 for none
    ("attempt", "<u8"),  # this attempt's id
    ("n", "<u2"),  # 0 is the first try
    ("target", "<u2"),
    ("sent_ns", "<i8"),
    ("ended_ns", "<i8"),  # when the caller stopped waiting; -1 unfinished
    ("result", "<u1"),  # harness.flows.wants.Result
    ("status", "<u2"),
    ("cause", "<u1"),  # harness.flows.wants.Cause
)
SERVED: Final = (
    ("attempt", "<u8"),
    ("component", "<u2"),
    ("arrived_ns", "<i8"),
    ("began_ns", "<i8"),  # service began; -1 when it never did (refused or dropped)
    ("ended_ns", "<i8"),  # reply ready, or refusal; -1 unfinished
    ("service_ns", "<i8"),  # worker time spent on it
    ("abandoned", "<u1"),  # 1 when the server saw the caller go before the end
)
GAUGE: Final = (
    ("t_ns", "<i8"),
    ("component", "<u2"),
    ("gauge", "<u2"),
    ("value", "<f8"),
)
LAYOUTS: Final = {"operation": OPERATION, "attempt": ATTEMPT, "served": SERVED, "gauge": GAUGE}
