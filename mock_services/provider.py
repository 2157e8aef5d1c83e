"""The component `provider`: a second table store over HTTP.

    POST /read {table, key, seen_s?}   POST /write {writes, token?, seen_s?}
    faults    latency  capacity  errors  crash  partition
    actions   drop_queue  add_capacity  throttle_intake  open_intake  ramp  shed
    gauges    the workers' station, items stale_reads_total divergent_writes_total divergent_items replication_lag_s

The brain is `harness.models.provider`.
"""

from __future__ import annotations

from mock_services.contract import Component, ServiceContext
from mock_services.host import host


async def build(context: ServiceContext) -> Component:
    """The service of this run."""
    return await host(context)
