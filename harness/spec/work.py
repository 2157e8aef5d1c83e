"""What components do unasked, before anybody comes: how much of it, and when it is too much for any machine.

Leases are checked, targets are probed, positions are written down, again and again. Each knob of it is harmless and
their product is not: 20,000 droplets checked every 10 ms are two million calls a second, and a file that asks for them
looks like any other. So the product is estimated here. What would keep a processor busy for longer than a quarter of an
hour is refused; what takes half a minute is a note, because a run may be worth it.

    compute      every check asks the store, and every tick looks at every droplet
    balancer     every check looks at every target, to see which zones are in

The prices are those of a run in virtual time on one core of 2020; live, real sockets cost more. Leaves out: the load
itself, which `checks.py` bounds, and what an overload makes of all this.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from harness.spec.experiment import Experiment
from harness.spec.region import Region

CALL_S: Final = 1.2e-4  # one call to the store, with its reply and its rows
LOOK_S: Final = 2e-7  # at one droplet, in one tick
SCAN_S: Final = 1e-7  # of one target, in one check
REFUSED_S: Final = 900.0
NOTED_S: Final = 30.0


def unasked_per_s(region: Region) -> float:
    """Calls per second on `kv` that components make unasked: checks of leases, probes, replication, checkpoints."""
    calls = 0.0
    if region.compute is not None:
        calls += region.compute.droplets / region.compute.leases.check_every_s
    if region.status is not None and "kv" in region.status.depends_on:
        calls += 1.0 / region.status.probe_every_s
    if region.provider is not None and "kv" in region.provider.depends_on:
        calls += 1.0 / region.provider.replicate_every_s
    functions = region.functions
    if functions is not None and {"kv", "queue"} <= set(functions.depends_on):
        calls += 1.0 / functions.poller.checkpoint_every_s
    return calls


def heavy(experiment: Experiment) -> Iterator[tuple[str, float, str]]:
    """(component, seconds of computing for the whole run, what it does) of those that take longest unasked."""
    length_s = experiment.spans()["drain"].end_s
    compute, balancer = experiment.region.compute, experiment.region.balancer
    if compute is not None:
        leases = compute.leases
        checks_per_s = compute.droplets / max(leases.check_every_s, leases.tick_s)
        cost = checks_per_s * CALL_S + compute.droplets / leases.tick_s * LOOK_S
        often = f"{checks_per_s:,.0f} checks of leases and {1 / leases.tick_s:g} ticks a second"
        yield "compute", length_s * cost, f"{compute.droplets:,} droplets, {often}"
    if balancer is not None:
        targets = balancer.zones * balancer.targets_per_zone
        checks_per_s = min(targets / balancer.check_every_s, balancer.checkers / balancer.check_time_s)
        cost = checks_per_s * (targets * SCAN_S + 1e-5)
        yield "balancer", length_s * cost, f"{targets:,} targets and {checks_per_s:,.0f} checks a second"


def refused(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """(component, complaint) for what no machine could do."""
    for component, cost_s, done in heavy(experiment):
        if cost_s > REFUSED_S:
            yield component, f"{done}: {_takes(cost_s)}, more than {REFUSED_S / 60:g} min; {_ADVICE}"


def noted(experiment: Experiment) -> list[str]:
    """What takes long, in words."""
    return [
        f"{component} has {done}: {_takes(cost_s)} besides the load; {_ADVICE}"
        for component, cost_s, done in heavy(experiment)
        if cost_s > NOTED_S
    ]


_ADVICE: Final = "have fewer of them, do it less often, or shorten the run"


def _takes(cost_s: float) -> str:
    return f"a simulated run would compute for about {cost_s / 60:,.0f} min on that alone"
