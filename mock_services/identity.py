"""The component `identity`: tokens over HTTP.

    POST /token {client}   POST /check {token}
    faults    latency  capacity  errors  crash  partition
    actions   drop_queue  add_capacity  throttle_intake  open_intake  ramp  shed
    gauges    the workers' station, tokens_issued_total checks_total checks_failed_total dependency_failed_total

The brain is `harness.models.identity`.
"""

from __future__ import annotations

from mock_services.contract import Component, ServiceContext
from mock_services.host import host


async def build(context: ServiceContext) -> Component:
    """The service of this run."""
    return await host(context)
