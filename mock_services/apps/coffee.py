"""Coffee on the wire: `harness.models.apps.coffee`, hosted.

    POST /order_ahead {user, item, key?}    /earn {user, points, key?}    /menu {store}

Faults and actions are those of every hosted component.
"""

from __future__ import annotations

from mock_services.contract import Component, ServiceContext
from mock_services.host import host


async def build(context: ServiceContext) -> Component:
    """The app of this process. Raises SpecError for a bad mapping, RunError when a port is taken."""
    return await host(context)
