"""The airline on the wire: `harness.models.apps.airline`, hosted.

    POST /check_in {user, key?}    /boarding_pass {user}    /crew_change {crew, key?}

Faults and actions are those of every hosted component.
"""

from __future__ import annotations

from mock_services.contract import Component, ServiceContext
from mock_services.host import host


async def build(context: ServiceContext) -> Component:
    """The app of this process. Raises SpecError for a bad mapping, RunError when a port is taken."""
    return await host(context)
