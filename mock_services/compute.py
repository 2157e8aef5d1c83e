"""The component `compute`: launches over HTTP, and the lease manager behind them.

    POST /launch {purpose?, owner?, run_for_s?, token?}
    POST /terminate {instance | owner}
    POST /describe {instance?}
    faults    errors  crash  partition
    actions   throttle_intake {cap?}  open_intake  restart_managers  throttle_api {rate}  open_api  ramp  shed
    gauges    leased waiting_leases lease_line oldest_lease_wait_s lease_worker_busy instances droplets_launchable,
              totals of attempts, wasted attempts, checks, launches, and refusals by cause

The throttle of the intake is that of the lease manager's line, not of the interface, which has `throttle_api`.
"""

from __future__ import annotations

from mock_services.contract import Component, ServiceContext
from mock_services.host import host


async def build(context: ServiceContext) -> Component:
    """The service of this run."""
    return await host(context)
