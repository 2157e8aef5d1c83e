"""The hospital on the wire: `harness.models.apps.hospital`, hosted.

POST /read {patient}    /chart {patient, key?}    /page {ward}    /schedule {ward}
"""

from __future__ import annotations

from mock_services.contract import Component, ServiceContext
from mock_services.host import host


async def build(context: ServiceContext) -> Component:
    """The app of this process. Raises SpecError for a bad mapping, RunError when a port is taken."""
    return await host(context)
