"""The load balancer's brain, from its knobs."""

from __future__ import annotations

from harness import build
from harness.models.balancer import Balancer as Brain
from harness.models.balancer import BalancerSpec
from harness.models.balancer_routing import RoutingSpec
from harness.models.component import Given
from harness.models.health_checks import CheckSpec
from harness.spec.components.balancer import Balancer


def spec_of(knobs: Balancer) -> BalancerSpec:
    """The balancer's spec. Raises ValueError for what cannot work together."""
    checks = CheckSpec(
        every_s=knobs.check_every_s,
        check_s=knobs.check_time_s,
        change_s=knobs.re_evaluation_s,
        late_s=knobs.late_after_s,
        workers=knobs.checkers,
        unhealthy_after=knobs.unhealthy_after,
        healthy_after=knobs.healthy_after,
    )
    routing = RoutingSpec(
        zones=knobs.zones,
        zone_threshold=knobs.zone_threshold,
        fail_open=knobs.fail_open,
        velocity=knobs.velocity_limit,
        velocity_period_s=knobs.velocity_period_s,
        name_in_full=knobs.name_in_full,
    )
    slots_per_target = knobs.slots // (knobs.zones * knobs.targets_per_zone)
    return BalancerSpec(
        knobs.targets_per_zone, slots_per_target, checks, routing, knobs.client.policy(), knobs.depends_on
    )


def brain(knobs: Balancer, given: Given) -> Brain:
    """The brain of this run. Raises ValueError for what cannot work together."""
    return Brain(spec_of(knobs), build.workplace(knobs, given), given)
