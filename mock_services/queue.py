"""The component `queue`: messages over HTTP.

POST /send {body}   POST /receive {max, wait_s}   POST /delete {receipt | receipts}
faults    latency  capacity  errors  crash  partition
actions   purge  redrive  drop_queue  add_capacity  throttle_intake  open_intake  ramp  shed
gauges    waiting_messages in_flight oldest_message_s dead_letters, totals of every end, and the door's station
"""

from __future__ import annotations

from mock_services.contract import Component, ServiceContext
from mock_services.host import host


async def build(context: ServiceContext) -> Component:
    """The service of this run."""
    return await host(context)
