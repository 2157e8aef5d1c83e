"""The component `functions`: code run on demand, over HTTP.

POST /invoke {function}   POST /invoke_async {function}
faults    kill_poller  latency  capacity  errors  crash  partition
actions   restart_poller  prioritise_sync  treat_alike  drop_queue  add_capacity
          throttle_intake  open_intake  ramp  shed
gauges    environments by kind of work, refusals by kind and reason, waiting_async, poller_*, hosts_*, the station
"""

from __future__ import annotations

from mock_services.contract import Component, ServiceContext
from mock_services.host import host


async def build(context: ServiceContext) -> Component:
    """The service of this run."""
    return await host(context)
