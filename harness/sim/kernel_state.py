"""What the kernel remembers while it runs: a few tables of plain numbers, as large as the work in flight.

Objects of the world become rows of tables: a slot number stands for a reference, -1 for none, and lists are threaded
through the rows themselves, so nothing is allocated per event. A slot is used again as soon as its row means nothing
to anybody; tables double when they are full. Times in seconds from the run's zero.

    RULES     what does not change in a run         NOW       one row: counters, list ends, what is due singly
    EXCHANGE  one attempt, from leaving its caller until its last trace (a late reply, say) is gone; also a job
    TALK      one operation with its call           TIMED     heap of waits and shortened timeouts
    END       heap of services that end             EDGE      the timeline
"""

from __future__ import annotations

from typing import Any, Final

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
    floats="end_s window_s timeout_s deadline_s one_way_s query_s connect_s max_age_s dns_keep_s mean_s lifo_after_s",
    ints="attempts propagate late cancellation at_acceptance silent distribution order slots refusal "
    "refusal_status admission_draws keep_rows app target",
    hashes="service backoff limiter admission errors age",
)
NOW: Final = _table(
    floats="now_s station_s mean_s slowdown error_share wake_s asked_s dns_until_s line_empty_s window_end_s due_s",
    ints="births numbers waiting running slots line_first line_last ends timed wake_birth timer_first timer_last "
    "road_first road_last connect_first connect_last found_first found_last asking_first asking_last asking "
    "asked_birth idle done_first done_last free_exchange free_talk operations attempts served in_exchanges "
    "in_talks between window events edge due due_birth left_first",
    hashes="op",
)
EXCHANGE: Final = _table(
    floats="sent_s born_s deadline_s timer_s road_s arrived_s began_s service_s done_s",
    ints="timer_birth road_birth number",
    hashes="attempt op",
    shorts="talk n over gone answered kept kept_after arrived path timer "
    "timer_before timer_after road_after result status cause job inside "
    "line_before line_after done_cause done_after free_after",
)
TALK: Final = _table(
    floats="intended_s deadline_s wait_s until_s since_s",
    ints="ticket",
    hashes="op key",
    shorts="state n ask exchange timed_out throttled result kept_first kept_last free_after",
)
TIMED: Final = _table(floats="at_s", ints="birth ref")
END: Final = _table(floats="at_s", ints="number slot")
EDGE: Final = _table(floats="at_s value factor", ints="deed")
WINDOW: Final = _table(
    floats="delay_s",
    ints="due good late failed throttled unfinished attempts began queue orbit open",
)

# EXCHANGE.timer, .job and TALK.state
OFF, LISTED, HEAPED = 0, 1, 2
NOWHERE, WAITING, RUNNING = 0, 1, 2
FREE, SENDING, BETWEEN = 0, 1, 2
# RULES.distribution and .order
EXPONENTIAL, FIXED, WEIBULL = 0, 1, 2
FIFO, LIFO, ADAPTIVE_LIFO = 0, 1, 2
# EDGE.deed
SET_SPEED, SET_SLOTS, SET_ERRORS, DROP_QUEUE = range(4)
