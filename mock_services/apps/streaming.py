"""Streaming on the wire: `harness.models.apps.streaming`, hosted.

POST /manifest {user, title, stalled_s?, masked?}    /licence {user, title, key?}    /prefetch {user, title}
"""

from __future__ import annotations

from mock_services.contract import Component, ServiceContext
from mock_services.host import host


async def build(context: ServiceContext) -> Component:
    """The app of this process. Raises SpecError for a bad mapping, RunError when a port is taken."""
    return await host(context)
