"""Knobs, verbs, story and gauges of `airline`: check-in with a hard window, and crews that must be re-planned."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from harness.spec import verbs
from harness.spec.knobs import AdmissionSlot, Count, Hosted
from harness.spec.outbox import Outbox
from harness.spec.values import Duration, MaybeRate, Model, Period, PositiveDuration
from harness.spec.verbs import Story, Verb, Wish, with_heal


class Windows(Model):
    """Check-in closes for each of `groups` of passengers every `every`; nobody comes later than `lead` before."""

    groups: Count = 20
    every_s: Period = Field(default=20.0, alias="every")
    lead_s: Duration = Field(default=4.0, alias="lead")


class Solver(Model):
    """The crew planner: `base` x (1 + open / `k`) for one change, with at most `horizon` of them weighed (0: all)."""

    solvers: Count = 1
    base_s: PositiveDuration = Field(default=0.04, alias="base")
    k: Annotated[float, Field(gt=0.0, le=1e6)] = 20.0
    horizon: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    retry_wait_s: Period = Field(default=1.0, alias="retry_wait")


class Fallbacks(Model):
    """What is done without the store. `manual`: how many check-ins agents do on paper (none: nobody), with at most
    `manual_room` in line. `stale_pass`: how long a boarding pass is shown that cannot be read anew (0s: never)."""

    manual_per_s: MaybeRate = Field(default=4.0, alias="manual")
    manual_room: Count = 40
    stale_pass_s: Duration = Field(default=60.0, alias="stale_pass")


class Airline(Hosted):
    """Check-in with a hard window, and crews that must be re-planned. `paper` is what agents type in afterwards."""

    depends_on: tuple[str, ...] = Field(default=("kv",), strict=False)
    admission: AdmissionSlot = None
    idempotency_keys: bool = True
    probe_every_s: Period = Field(default=1.0, alias="probe_every")
    windows: Windows = Windows()
    solver: Solver = Solver()
    paper: Outbox = Outbox.model_validate({"senders": 4, "pace": "8/s"})
    fallbacks: Fallbacks = Fallbacks()


VERBS: Final[dict[str, Verb]] = with_heal(dict(verbs.HOSTED))
# Values are stand-ins: a passenger who is left behind, a pass not shown, a crew that is late.
STORIES: Final[dict[str, Story]] = {
    "airline": Story(
        "airline",
        ("dns", "kv", "airline"),
        {"check_in": 0.35, "boarding_pass": 0.6, "crew_change": 0.05},
        {
            "check_in": Wish(1, 20.0, "on paper, at the rate of agents, and entered later", "check_ins"),
            "boarding_pass": Wish(2, 1.0, "the pass last seen is shown"),
            "crew_change": Wish(
                1, 50.0, "taken at once; the crew keeps its old plan until it is re-planned", "crew_plans"
            ),
        },
        sector="travel",
    )
}
GAUGES: Final[tuple[str, ...]] = (
    "waiting_orbit", "in_flight", "refused_total", "throttled_client_total", "retries_refused_total", "kv_in_flight",
    "kv_attempts_total", "kv_calls_total", "degraded_total", "waiting_crew_changes", "crew_changes_sending",
    "crew_changes_added_total", "crew_changes_sent_total", "crew_changes_failed_total", "crew_changes_expired_total",
    "crew_changes_dropped_total", "waiting_paper", "paper_sending", "paper_added_total", "paper_sent_total",
    "paper_failed_total", "paper_expired_total", "paper_dropped_total", "waiting_agents", "agents_served_total",
    "turned_away_total", "stale_served_total", "windows_open", "windows_met_total", "windows_missed_total",
    "planned_total", "solver_busy_s_total", "plan_takes_s",
)  # fmt: skip
