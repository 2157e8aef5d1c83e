"""The component `status`: the public health page over HTTP.

    POST /page {}
    faults    errors  crash  partition
    actions   throttle_intake  open_intake  ramp  shed
    gauges    state (1 red) found posts_total posts_pending probes_total probes_failed_total pages_total

The brain is `harness.models.status`.
"""

from __future__ import annotations

from mock_services.contract import Component, ServiceContext
from mock_services.host import host


async def build(context: ServiceContext) -> Component:
    """The service of this run."""
    return await host(context)
