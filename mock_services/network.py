"""The network manager on the wire: `harness.models.network`, hosted.

POST /attach {instance}   /detach {instance}   /reachable {instance}   /reachable_many {instances}
faults      latency {mean | factor}   capacity {slots}   and those of every host: errors, crash, partition
actions     limit_by_queue {limit}   add_capacity {slots}   drop_queue   and those of every host
gauges      waiting_changes, oldest_change_s, reachable, propagated_total, refused_by_queue_total, ...
"""

from __future__ import annotations

from mock_services.contract import Component, ServiceContext
from mock_services.host import host


async def build(context: ServiceContext) -> Component:
    """The network manager of this process. Raises SpecError for a bad mapping, RunError when a port is taken."""
    return await host(context)
