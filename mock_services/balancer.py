"""The load balancer on the wire: `harness.models.balancer`, hosted.

POST /route {...}   /register {instance, zone?}   /deregister {instance}
faults      flap {share}   latency {mean | factor}   capacity {slots}   and those of every host
actions     failover_off   failover_on   add_capacity {slots}   drop_queue   and those of every host
gauges      healthy, targets, zones_in, capacity_share, waiting_checks, check_lateness_s, flaps_total, ...
"""

from __future__ import annotations

from mock_services.contract import Component, ServiceContext
from mock_services.host import host


async def build(context: ServiceContext) -> Component:
    """The balancer of this process. Raises SpecError for a bad mapping, RunError when a port is taken."""
    return await host(context)
