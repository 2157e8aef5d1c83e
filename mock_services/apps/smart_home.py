"""The smart home on the wire: `harness.models.apps.smart_home`, hosted.

    POST /connect {device}    /turn {device}    /report {device, session, batch, readings, dropped?}

Faults latency and capacity, actions add_capacity and drop_queue: of the session service.
"""

from __future__ import annotations

from mock_services.contract import Component, ServiceContext
from mock_services.host import host


async def build(context: ServiceContext) -> Component:
    """The app of this process. Raises SpecError for a bad mapping, RunError when a port is taken."""
    return await host(context)
