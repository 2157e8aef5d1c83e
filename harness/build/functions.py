"""The brain of the functions, from its knobs; and a fleet's, for whoever scales through `compute`."""

from __future__ import annotations

import math

from harness.flows.client import Client
from harness.models.component import Given
from harness.models.fleet import COMPUTE, NETWORK
from harness.models.fleet import Fleet as FleetBrain
from harness.models.fleet_hosts import FleetSpec
from harness.models.fleet_targets import BALANCER, Targets
from harness.models.functions import Functions as Brain
from harness.models.functions import FunctionsSpec
from harness.models.functions_environments import EnvironmentsSpec
from harness.models.functions_events import EventsSpec
from harness.models.pollers import QUEUE, STORE, PollerSpec
from harness.models.station import Station, StationSpec
from harness.models.workplace import Workplace
from harness.policies.backoff import JITTER_EQUAL, BackoffSpec
from harness.policies.client import ClientSpec
from harness.policies.pacing import PaceSpec
from harness.policies.server import ServerSpec
from harness.spec.components.functions import Fleet, Functions


def fleet_of(knobs: Fleet, owner: str, client: ClientSpec, given: Given) -> FleetBrain:
    """The fleet of `owner`. Raises ValueError where there is no `compute` to launch hosts."""
    if COMPUTE not in given.region:
        raise ValueError(f"{owner}: a fleet launches its hosts through compute, which this region does not have")
    if not knobs.minimum <= knobs.initial <= knobs.maximum:
        found = f"minimum {knobs.minimum}, initial {knobs.initial}, maximum {knobs.maximum}"
        raise ValueError(f"{owner}: fleet has {found}; write them in rising order")
    spec = FleetSpec(
        knobs.initial,
        knobs.minimum,
        knobs.maximum,
        knobs.slots_per_host,
        knobs.target,
        knobs.scale_every_s,
        knobs.cooldown_s,
        knobs.step,
        knobs.boot_s,
        math.inf if knobs.host_life_s is None else knobs.host_life_s,
        math.inf if knobs.replace_after_s is None else knobs.replace_after_s,
        knobs.unhealthy_step,
    )
    asks = {name: Client(client, given.seed, f"{owner}/{name}", given.now_s) for name in (COMPUTE, NETWORK)}
    network = asks[NETWORK] if NETWORK in given.region else None
    targets = None
    if knobs.behind_balancer:
        grace_s = math.inf if knobs.grace_s is None else knobs.grace_s
        targets = Targets(Client(client, given.seed, f"{owner}/{BALANCER}", given.now_s), owner, grace_s)
    return FleetBrain(spec, owner, asks[COMPUTE], network, given.note, given.seed, given.now_s, targets)


def spec_of(knobs: Functions, there: tuple[str, ...]) -> FunctionsSpec:
    """The functions' rules; `there` are the dependencies that this region has."""
    waits = knobs.async_
    keep_warm_s = math.inf if knobs.keep_warm_s is None else knobs.keep_warm_s
    ramp = None if knobs.ramp_per_s is None else PaceSpec(1.0 / knobs.ramp_per_s, knobs.ramp_burst)
    slots = knobs.hosts * knobs.slots_per_host
    most = slots if knobs.fleet is None else knobs.fleet.initial * knobs.fleet.slots_per_host
    delays_s = tuple(waits.retry_wait_s * nth for nth in range(1, waits.retries + 1))
    throttle = BackoffSpec(waits.throttle_wait_s, waits.throttle_cap_s, 2.0, JITTER_EQUAL)
    return FunctionsSpec(
        EnvironmentsSpec(keep_warm_s, ramp, most if knobs.prewarmed else 0),
        EventsSpec(delays_s, throttle, waits.max_age_s, waits.capacity),
        slots,
        knobs.service.mean_s,
        knobs.cold_start_s,
        knobs.async_share,
        knobs.priority_share,
        knobs.sync_first,
        knobs.touches_store,
        knobs.writes_results,
        _poller(knobs, there) if QUEUE in there else None,
    )


def _poller(knobs: Functions, there: tuple[str, ...]) -> PollerSpec:
    own = knobs.poller
    if own.wait_s >= knobs.client.timeout_s:
        raise ValueError(
            f"functions: the poller's receive waits {own.wait_s:g} s, and its client gives up after "
            f"{knobs.client.timeout_s:g} s; make poller.wait shorter than client.timeout"
        )
    return PollerSpec(
        own.batch,
        own.wait_s,
        own.patience_s,
        own.checkpoint_every_s if STORE in there else math.inf,
        own.lanes,
        max(own.lanes, own.most_lanes),
        own.lane_ramp_per_s,
        own.retry_wait_s,
        own.hold_s,
    )


def brain(knobs: Functions, given: Given) -> Brain:
    """The brain of this run. Raises ValueError for what cannot work together."""
    there = tuple(name for name in knobs.depends_on if name in given.region)
    client = knobs.client.policy()
    clients = {name: Client(client, given.seed, f"functions/{name}", given.now_s) for name in there}
    fleet = None if knobs.fleet is None else fleet_of(knobs.fleet, "functions", client, given)
    spec = spec_of(knobs, there)
    limit = spec.slots if fleet is None else fleet.slots(given.now_s)
    station = StationSpec(
        limit, knobs.service.mean_s, knobs.service.distribution, ServerSpec(), given.service_draw, given.cancellation
    )
    place = Workplace(Station(station, given.seed, given.now_s), given.seed)
    return Brain(spec, place, clients, fleet, given)
