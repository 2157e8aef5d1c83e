"""The region of an experiment: its components, each with its knobs, and the preset they start from.

The defaults below are the preset `small`: three DNS enactors, one table store of 250 requests a second behind two
addresses, one banking app. They are the values at which the flagship outage was tried on real sockets. A component set
to null is absent. `client` of an app is the experiment's client patched with the app's own part, done on loading, so
what is here is complete.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from harness.policies import server
from harness.policies.server import ServerSpec
from harness.spec.client import Client, ResolverSlot
from harness.spec.policy import Policy, Slot
from harness.spec.values import Duration, MaybeDuration, MaybeRate, Model, PositiveDuration

# A preset is a patch over the defaults of the models.
PRESETS: Final[dict[str, dict[str, Any]]] = {"small": {}}
APPS: Final = ("mobile_banking",)  # components that call others, and so have a client

Count = Annotated[int, Field(ge=1, le=100_000)]
Instances = Annotated[int, Field(ge=1, le=200)]
AdmissionSlot = Annotated[Policy | None, Slot("server", "admission")]
DisciplineSlot = Annotated[Policy | None, Slot("server", "discipline")]
DropSlot = Annotated[Policy | None, Slot("server", "drop")]
PrioritySlot = Annotated[Policy | None, Slot("server", "priority")]
RaceFix = Literal[
    "none",
    "recheck",
    "compare_and_set",
    "lease_no_fencing",
    "lease_fencing",
    "reachability",
    "refuse_empty",
    "self_heal",
    "velocity_limit",
]


class Connection(Model):
    """Connections a service accepts: older than `max_age_s` they are closed after a reply. None keeps them open."""

    max_age_s: MaybeDuration = Field(default=None, alias="max_age")


class Service(Model):
    """Service times of a station."""

    mean_s: PositiveDuration = Field(default=0.02, alias="mean")
    distribution: Literal["exponential", "fixed"] = "exponential"


class Dns(Model):
    """Planner, enactors, clean-up and the zone they write."""

    enactors: Annotated[int, Field(ge=1, le=26)] = 3
    plan_every_s: PositiveDuration = Field(default=0.5, alias="plan_every")
    keep_generations: Annotated[int, Field(ge=1, le=1000)] = 3
    clean_after_s: Duration = Field(default=0.3, alias="clean_after")  # from the end of an apply to its clean-up
    apply_gap_s: Duration = Field(default=0.005, alias="apply_gap")  # between two endpoints of one apply
    race_fix: RaceFix = "none"
    ttl_s: Duration = Field(default=1.0, alias="ttl")
    negative_ttl_s: Duration = Field(default=1.0, alias="negative_ttl")
    answer_kind: Literal["nodata", "nxdomain", "servfail"] = "nodata"
    negative_ns: bool = False  # an NS record beside the empty answer


def _fifo() -> Policy:
    return Policy("server", "discipline", "fifo", {})


class Kv(Model):
    """The table store: `slots` workers shared by all instances (one process, one station)."""

    instances: Instances = 2
    slots: Count = 5
    service: Service = Service()
    admission: AdmissionSlot = None
    discipline: DisciplineSlot = Field(default_factory=_fifo)
    drop: DropSlot = None
    priority: PrioritySlot = None
    connection: Connection = Connection.model_validate({"max_age": "1s"})

    def capacity_per_s(self) -> float:
        """Requests per second all slots finish when always busy."""
        return self.slots / self.service.mean_s

    def server(self) -> ServerSpec:
        """The composed server policy. Raises ValueError with the reason for a combination that cannot work."""
        return server.compose(
            {
                "admission": self.admission and self.admission.filled(),
                "discipline": self.discipline and self.discipline.filled(),
                "drop": self.drop and self.drop.filled(),
                "priority": self.priority and self.priority.filled(),
            }
        )


class Sessions(Model):
    """Sessions the app caches: each lives `ttl_s`, then is rebuilt from the store; `prewarmed` starts with all."""

    ttl_s: PositiveDuration = Field(default=8.0, alias="ttl")
    prewarmed: bool = True


class Outbox(Model):
    """Work accepted but not done, replayed by `senders` at once and at most `pace_per_s` (None: as fast as it goes)."""

    senders: Count = 35
    pace_per_s: MaybeRate = Field(default=None, alias="pace")
    retry_wait_s: PositiveDuration = Field(default=20.0, alias="retry_wait")
    capacity: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000


class MobileBanking(Model):
    """The banking app. `resolver` is its client's resolver, given here or there."""

    instances: Instances = 1
    depends_on: tuple[Literal["kv"], ...] = Field(default=("kv",), strict=False)
    client: Client = Client()
    sessions: Sessions = Sessions()
    outbox: Outbox = Outbox()
    idempotency_keys: bool = True
    connection: Connection = Connection()
    admission: AdmissionSlot = None
    resolver: ResolverSlot = Policy("client", "resolver", "ttl", {})


class Region(Model):
    """The components of a run; None is absent."""

    preset: Literal["small"] = "small"
    dns: Dns | None = Dns()
    kv: Kv | None = Kv()
    mobile_banking: MobileBanking | None = MobileBanking()

    def instances(self) -> dict[str, int]:
        """How many of each component there are, absent ones left out, in the order of their addresses."""
        counts = {"dns": 1 if self.dns else 0, "kv": self.kv.instances if self.kv else 0}
        counts["mobile_banking"] = self.mobile_banking.instances if self.mobile_banking else 0
        return {name: count for name, count in counts.items() if count}
