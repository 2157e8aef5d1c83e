"""All that decides a kernel's run, in values: who calls, what stands in between, what serves, and what happens to it.

`kernel_plan.model_of` makes a Model of an experiment; tests and benchmarks write their own.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.flows.stories import kv_reads
from harness.flows.wants import Cause
from harness.models.apps.mobile_banking import BankingSpec
from harness.models.station import StationSpec
from harness.plan import Plan
from harness.policies.client import ClientSpec
from harness.sim.network import Delays


class Edge(NamedTuple):
    """One thing that happens to the station or to a name. `deed` is a code of kernel_state, and says what `value` is:
    the mean service time in seconds (SET_SPEED), the number of slots, the share of errors (of the store, or of the app:
    SET_APP_ERRORS), nothing (DROP_QUEUE), or the kind of answer that the name behind `link` gives from now on
    (SET_RECORD).
    """

    at_s: float
    deed: int
    value: float = 0.0
    factor: float = 1.0  # SET_SPEED only: service times are this much longer
    link: int = 0  # SET_RECORD only: 0 the callers' name, 1 the app's


class Names(NamedTuple):
    """What a caller's resolver makes of answers; see `kernel_names`. `empty_cause`: why an attempt then never left."""

    keep_found_s: float = math.inf
    keep_empty_s: float = 0.0
    empty_cause: int = int(Cause.DNS_EMPTY)
    empty_is_failure: bool = False
    stale_s_max: float = 0.0
    recheck_s: float = 0.0


class AppModel(NamedTuple):
    """The app between the callers and the station."""

    spec: BankingSpec
    users: int  # of the story
    mix: tuple[tuple[str, float], ...]  # operations and their shares
    max_age_s: float  # of connections to the store
    names: Names = Names()
    target: int = 0  # the store's number in rows


class Model(NamedTuple):
    """All that decides a run. `due_s` overrides `process` and `rate_per_s` with given moments, ascending."""

    seed: int
    client: ClientSpec
    station: StationSpec
    rate_per_s: float
    load_end_s: float
    end_s: float
    process: str = "poisson"  # or "even"
    due_s: NDArray[np.float64] | None = None
    late_replies: bool = False
    silent: bool = False
    edges: tuple[Edge, ...] = ()
    delays: Delays = Delays()
    max_age_s: float = math.inf  # of the callers' connections
    names: Names = Names()
    story: str = kv_reads.STORY.name  # keys the draws of arrivals and backoff
    app: int = 0  # the number in rows of what the callers ask
    inner: AppModel | None = None
    surging: Plan | None = None  # where the load surges: whose schedule, of any seed, says when operations are due
