"""Knobs that several components share: connections, service times, a station's policies, and a hosted component.

`client` of a component that calls others is the experiment's client patched with the component's own part, done on
loading (`patch.py`), so what is here is complete.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.policies import server
from harness.policies.server import ServerSpec
from harness.spec.client import Client, ResolverSlot
from harness.spec.policy import Policy, Slot
from harness.spec.values import MaybeDuration, Model, PositiveDuration

Count = Annotated[int, Field(ge=1, le=100_000)]
Instances = Annotated[int, Field(ge=1, le=200)]
AdmissionSlot = Annotated[Policy | None, Slot("server", "admission")]
DisciplineSlot = Annotated[Policy | None, Slot("server", "discipline")]
DropSlot = Annotated[Policy | None, Slot("server", "drop")]
PrioritySlot = Annotated[Policy | None, Slot("server", "priority")]


class Connection(Model):
    """Connections a service accepts: older than `max_age_s` they are closed after a reply. None keeps them open."""

    max_age_s: MaybeDuration = Field(default=None, alias="max_age")


class Service(Model):
    """Service times of a station."""

    mean_s: PositiveDuration = Field(default=0.02, alias="mean")
    distribution: Literal["exponential", "fixed"] = "exponential"


def fifo() -> Policy:
    """The discipline of a station that says nothing else."""
    return Policy("server", "discipline", "fifo", {})


class Working(Model):
    """A station: worker slots, service times and the four server policies. Components with one derive from it."""

    slots: Count = 5
    service: Service = Service()
    admission: AdmissionSlot = None
    discipline: DisciplineSlot = Field(default_factory=fifo)
    drop: DropSlot = None
    priority: PrioritySlot = None

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


class Hosted(Model):
    """A component with a brain (`harness.models.component`) that may call others. `resolver` is its client's."""

    instances: Instances = 1
    depends_on: tuple[str, ...] = Field(default=(), strict=False)
    client: Client = Client()
    connection: Connection = Connection()
    resolver: ResolverSlot = Policy("client", "resolver", "ttl", {})


def only_a_door(priority: Policy | None) -> None:
    """Raises ValueError for a priority that orders a line, where there is none (in an app)."""
    if priority is not None and priority.kind != "partitioned":
        raise ValueError(
            f"priority: {priority.kind} orders a line, and an app has none; use {{kind: partitioned, limit: ...}}, or "
            f"give {priority.kind} to the store"
        )
