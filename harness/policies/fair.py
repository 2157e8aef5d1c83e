"""Fair queueing: one line per tenant, served in turn, so that a flood from one is that one's problem.

In a shared line everybody waits behind whoever sends most. With a line per tenant and one job from each in turn, a
tenant that sends less than its fair share sees a short line whatever the others do, and one that floods the server
waits in its own line only.

    pop: the oldest job of the tenant whose turn it is; that tenant then goes to the end of the round
    room: a tenant may have at most `per_tenant` jobs waiting (0: no bound)

While two tenants both have jobs waiting, the numbers served of each never differ by more than one. A tenant that comes
back after a pause joins at the end of the round: idle time earns no credit. Turns count jobs, not service time, which
the server does not know in advance.

A shared bound on the line (`admission: queue`) in front of this would let the flood fill the bound and keep everybody
out: use `per_tenant`. Each operation is O(1). Leaves out: weights, and splitting a tenant's flood over many names
(shuffle sharding). Source: Nagle, "On packet switches with infinite storage", RFC 970; Amazon Builders' Library,
"Fairness in multi-tenant systems".
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from harness.policies.entry import Entry, count


class FairSpec(NamedTuple):
    """At most `per_tenant` waiting jobs of each tenant; 0 for no bound."""

    per_tenant: int


class Fair:
    """Lines by tenant, in turn."""

    def __init__(self, per_tenant: int) -> None:
        self._per_tenant = per_tenant
        self._lines: OrderedDict[int, OrderedDict[int, None]] = OrderedDict()  # the first has its turn
        self._tenant_of: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._tenant_of)

    def has_room(self, tenant: int) -> bool:
        """Whether the tenant's own line is short enough."""
        return self._per_tenant == 0 or len(self._lines.get(tenant, ())) < self._per_tenant

    def push(self, job: int, tenant: int, now_s: float) -> None:
        """Join the tenant's line; a tenant without one joins the round at its end."""
        self._lines.setdefault(tenant, OrderedDict())[job] = None
        self._tenant_of[job] = tenant

    def pop(self, now_s: float) -> int:
        """The oldest job of the tenant whose turn it is."""
        tenant, line = next(iter(self._lines.items()))
        job, _ = line.popitem(last=False)
        del self._tenant_of[job]
        if line:
            self._lines.move_to_end(tenant)
        else:
            del self._lines[tenant]
        return job

    def remove(self, job: int) -> None:
        """Withdraw a waiting job; a line left empty leaves the round."""
        tenant = self._tenant_of.pop(job)
        line = self._lines[tenant]
        del line[job]
        if not line:
            del self._lines[tenant]


LINES = {FairSpec: lambda spec, now_s: Fair(spec.per_tenant)}

ENTRIES: tuple[Entry, ...] = (
    Entry(
        kind="fair",
        side="server",
        slot="discipline",
        rule="one line per tenant, one job from each in turn",
        params=(count("per_tenant", 0, "waiting jobs a tenant may have, 0 for no bound", low=0.0),),
        source="RFC 970; Amazon Builders' Library, Fairness in multi-tenant systems",
        build=lambda per_tenant: FairSpec(int(per_tenant)),
    ),
)
