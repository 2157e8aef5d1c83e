"""What the kernel remembers while it runs: a few tables of plain numbers, as large as the work in flight.

Objects of the world become rows of tables: a slot number stands for a reference, -1 for none, and lists are threaded
through the rows themselves, so nothing is allocated per event. A slot is used again as soon as its row means nothing
to anybody; tables double when they are full. Times in seconds from the run's zero.

    RULES     what does not change in a run         NOW       one row: counters, list ends, what is due singly
    LINK      one caller and what it calls          EXCHANGE  one attempt, until its last trace is gone; also a job
    TALK      a conversation with its present call  TIMED     heap of waits and shortened timeouts
    END       heap of services that end             EDGE      the timeline
    IDLE      open connections that nobody uses

and, where an app stands between callers and store (`kernel_app.py`):

    APP       its knobs, counters and gate          STEP      the calls of its operations, as data
    SESSION   until when each user has one          WISH      an operation, while anybody works for it or owes it
    DUE       heap of what is owed, by when it may go

`Kernel` and `App` are the pointers to all of it that compiled functions pass on (`kernel_memory.py`).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from harness.record.layouts import LAYOUTS

OPERATION_ROW: Final = np.dtype(list(LAYOUTS["operation"]))
ATTEMPT_ROW: Final = np.dtype(list(LAYOUTS["attempt"]))
SERVED_ROW: Final = np.dtype(list(LAYOUTS["served"]))


def _table(floats: str = "", ints: str = "", hashes: str = "", shorts: str = "") -> np.dtype[Any]:
    columns = [(name, "<f8") for name in floats.split()]
    columns += [(name, "<i8") for name in ints.split()]
    columns += [(name, "<u8") for name in hashes.split()]
    columns += [(name, "<i4") for name in shorts.split()]
    return np.dtype(columns, align=True)


RULES: Final = _table(
    floats="end_s window_s one_way_s query_s connect_s mean_s lifo_after_s",
    ints="late cancellation at_acceptance silent distribution order slots refusal refusal_status admission_draws "
    "keep_rows app windows edges closing",
    hashes="service admission errors age",
)
NOW: Final = _table(
    floats="now_s mean_s slowdown error_share wake_s line_empty_s window_end_s due_s",
    ints="due more_due births numbers waiting running slots line_first line_last ends timed wake_birth "
    "road_first road_last connect_first connect_last found_first found_last done_first done_last "
    "free_exchange free_talk operations served in_exchanges in_talks open window events edge due_birth "
    "room_exchanges room_talks room_timed room_ends room_operations room_served",
)
LINK: Final = _table(
    floats="timeout_s deadline_s max_age_s keep_found_s keep_empty_s stale_s_max recheck_s until_s stale_until_s "
    "asked_s first_empty_s",
    ints="attempts propagate target layer empty_is_failure record_kind known said asking asking_first "
    "asking_last asking_n asked_birth empty_cause timer_first timer_last idle between sent written room_rows",
    hashes="backoff limiter",
)
EXCHANGE: Final = _table(
    floats="born_s deadline_s timer_s road_s arrived_s began_s service_s done_s",
    ints="timer_birth road_birth number",
    hashes="attempt",
    shorts="talk layer over gone answered kept kept_after arrived path timer "
    "timer_before timer_after road_after result status cause job inside "
    "line_before line_after done_cause done_after free_after told served wish",
)
TALK: Final = _table(
    floats="intended_s deadline_s wait_s since_s sent_s",
    ints="ticket number",
    hashes="op key parent",
    shorts="state layer n ask exchange timed_out throttled result final ok limited kept_first kept_last free_after "
    "wish step at tries inbound behind",
)
TIMED: Final = _table(floats="at_s", ints="birth ref")
END: Final = _table(floats="at_s", ints="number slot")
EDGE: Final = _table(floats="at_s value factor", ints="deed link")
IDLE: Final = _table(floats="born_s")
WINDOW: Final = _table(
    floats="delay_s",
    ints="due good late failed throttled unfinished attempts began queue orbit open "
    "app_first_tries app_attempts app_orbit outbox",
)

APP: Final = _table(
    floats="ttl_s interval_s retry_wait_s pace_tat_s wake_s error_share",
    ints="users kinds calls_per_try paced burst senders capacity door_refusal door_refusal_status door_draws inside "
    "is_open sending items queued due births wake_birth free_wish wishes served room_wishes room_due room_served",
    hashes="user_luck kind_luck door_luck retry_luck",
)
KIND: Final = _table(floats="share_up_to", ints="first_step end_step owes")
STEP: Final = _table(ints="call_no without_session")
SESSION: Final = _table(floats="until_s")
WISH: Final = _table(ints="queued", hashes="op", shorts="refs kind user tries confirmed boxed sending free_after")
DUE: Final = _table(floats="at_s", ints="birth ref")

# EXCHANGE.timer, .job and TALK.state
OFF, LISTED, HEAPED = 0, 1, 2
NOWHERE, WAITING, RUNNING = 0, 1, 2
FREE, SENDING, BETWEEN = 0, 1, 2
# RULES.distribution and .order
EXPONENTIAL, FIXED, WEIBULL = 0, 1, 2
FIFO, LIFO, ADAPTIVE_LIFO = 0, 1, 2
# EDGE.deed
SET_SPEED, SET_SLOTS, SET_ERRORS, DROP_QUEUE, SET_RECORD, SET_APP_ERRORS = range(6)
# LINK.known: nothing, addresses, or an answer without them
UNKNOWN, KNOWN, KNOWN_EMPTY = range(3)


class ClientSpecs(NamedTuple):
    """The rules of one client; None in a slot without one."""

    backoff: Any
    budget: Any
    breaker: Any
    limiter: Any


class ClientStates(NamedTuple):
    """What the rules of one client remember."""

    budget: Any
    breaker: Any
    limiter: Any


class Tables(NamedTuple):
    """The tables of a run, as arrays."""

    now: Any
    rules: Any
    edges: Any
    exchanges: Any
    talks: Any
    timed: Any
    ends: Any
    operations: Any
    served: Any
    windows: Any
    link: Any
    idle: Any
    attempts: Any


class AppTables(NamedTuple):
    """The tables of an app, as arrays."""

    app: Any
    kinds: Any
    steps: Any
    sessions: Any
    wishes: Any
    due: Any
    served: Any
    link: Any
    idle: Any
    attempts: Any


class Policy(NamedTuple):
    """A slot of a client or a server, as cells: the rule and what it remembers; both None where there is no rule."""

    spec: Any
    state: Any


class Caller(NamedTuple):
    """One client towards one target."""

    link: Any
    idle: Any
    rows: Any  # of attempts
    backoff: Any  # a cell with the spec
    budget: Policy
    breaker: Policy
    limiter: Policy


class Kernel(NamedTuple):
    """What every part of the loop works on: first rows of tables, and the policies."""

    w: Any
    r: Any
    edges: Any
    xs: Any
    ts: Any
    timed: Any
    ends: Any
    operations: Any
    served: Any
    windows: Any
    user: Caller
    admission: Policy
    drop: Policy


class App(NamedTuple):
    """What an app between the callers and the store works on beside."""

    a: Any
    caller: Caller
    kinds: Any
    steps: Any
    sessions: Any
    wishes: Any
    due: Any
    served: Any
    door: Policy
