"""What is allowed but doubtful: notes that `check` prints beside the plan.

An experiment can be correct and still unable to answer its question. The commonest ways:

    horizon     the recovery phase ends before a healthy but slow drain would:
                    backlog / |capacity - load x (1 + retries)|
    window      the load after the fix is shorter than one window in which steadiness is judged
    capacity    the offered load alone is near or over what a station serves, so no policy could recover
    drain       shorter than the deadline, so operations are still open when the run is cut
    fix         a fault is still on when it comes
    stall       shorter than the DNS race needs to be lost

Loads are nominal: what each operation asks of a station in calm weather, sessions rebuilt included, from the region's
own numbers. Leaves out: what only a run can tell (CPU, the backlog that really forms); the backlog here is the most
that callers who wait their whole deadline, and an outbox, could hold at the fix.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from harness.spec.deeds import on_the_dead, replacements
from harness.spec.events import events_of
from harness.spec.experiment import Experiment
from harness.spec.lines import LEAST_DUE, ROLLING_S
from harness.spec.timed import Timed
from harness.spec.vocabulary import STORIES
from harness.spec.work import noted, unasked_per_s
from harness.units import show_s

STEADY_UTILISATION = 0.75  # above this a recovery is slow for reasons that are not the policy's


class Station(NamedTuple):
    """A component with worker slots: calls per second asked of it in calm weather, and served at most."""

    component: str
    demand_per_s: float
    capacity_per_s: float

    @property
    def utilisation(self) -> float:
        """Demand over capacity."""
        return self.demand_per_s / self.capacity_per_s


def store_demand_per_s(experiment: Experiment) -> float:
    """Calls per second on `kv` without any failure: those of operations, of sessions rebuilt, and what is unasked.

    A user's session is rebuilt at the first operation after it expires, so once per ttl + mean time between operations.
    """
    demand = unasked_per_s(experiment.region)
    for story, load in experiment.load.items():
        rate = load.rate_per_s
        demand += rate * sum(share * STORIES[story].calls_of(kind) for kind, share in experiment.mix(story).items())
        app = experiment.region.mobile_banking
        if story == "mobile_banking" and app is not None:
            demand += load.users / (app.sessions.ttl_s + load.users / rate)
    return demand


def station(experiment: Experiment) -> Station | None:
    """The table store under its nominal load; None when it is absent."""
    kv = experiment.region.kv
    return Station("kv", store_demand_per_s(experiment), kv.capacity_per_s()) if kv is not None else None


def needed_recovery_s(experiment: Experiment) -> float:
    """How long the slowest drain or build-up that decides this run may take, in seconds; nan when nothing decides.

    backlog / |capacity - load x (1 + retries)|, once with no retries (a drain) and once with all of them (a stuck
    state), whichever is longer. The backlog is what can have gathered by the fix: the attempts callers keep open at
    the store, bounded by timeout x retried load, and the transfers an outbox took in.
    """
    store = station(experiment)
    if store is None:
        return math.nan
    spans = experiment.spans()
    outage_s = spans["outage"].end_s - spans["outage"].start_s
    attempts, backlog = 1.0, 0.0
    for story, load in experiment.load.items():
        app = experiment.region.mobile_banking if story == "mobile_banking" else None
        layers = load.client.attempts * (app.client.attempts if app else 1)
        attempts = max(attempts, float(layers))
        backlog += load.rate_per_s * min(load.client.deadline_s, outage_s) * load.client.attempts
        if app is not None:
            owed = load.rate_per_s * experiment.mix(story).get("transfer", 0.0) * outage_s
            backlog += min(owed, float(app.outbox.capacity))
    drain = abs(store.capacity_per_s - store.demand_per_s)
    stuck = abs(store.capacity_per_s - store.demand_per_s * attempts)
    return max((backlog / gap if gap > 0 else math.inf) for gap in (drain, stuck))


def notes(experiment: Experiment) -> list[str]:
    """Everything doubtful about one variant, one sentence or two each; [] when nothing is."""
    found: list[str] = []
    store = station(experiment)
    if store is not None:
        load = f"{store.demand_per_s:.0f} calls/s on kv, {store.utilisation:.0%} of its {store.capacity_per_s:g}/s"
        if store.utilisation >= 1.0:
            found.append(
                f"offered load is {load}: overloaded, no recovery can be expected; lower the rate or add slots"
            )
        elif store.utilisation > STEADY_UTILISATION:
            found.append(f"offered load is {load}: above {STEADY_UTILISATION:.0%} any policy recovers slowly")
    fix_s = _earliest_fix_s(experiment)
    horizon_s = experiment.load_end_s - fix_s
    needed_s = needed_recovery_s(experiment)
    window_s = max(ROLLING_S, LEAST_DUE / sum(load.rate_per_s for load in experiment.load.values()))
    if max(window_s, experiment.steady_state.for_s) > horizon_s:
        found.append(
            f"the load goes on for {show_s(horizon_s)} after the fix, but steadiness is judged in windows of "
            f"{show_s(window_s)} ({LEAST_DUE} operations) and must hold for {show_s(experiment.steady_state.for_s)}: "
            "the run will be invalid; lengthen phases.recovery or raise the rate"
        )
    if needed_s + experiment.steady_state.for_s > horizon_s:
        found.append(
            f"the load goes on for {show_s(horizon_s)} after the fix, but a drain of what may have gathered takes "
            f"{_at_most(needed_s)} and must then hold for {show_s(experiment.steady_state.for_s)}: too short to tell a "
            "slow drain from a stuck state; lengthen phases.recovery"
        )
    return [
        *found,
        *_unknown_fix(experiment, horizon_s),
        *_callers(experiment),
        *_replay(experiment, horizon_s),
        *_steadiness(experiment),
        *_stalls(experiment),
        *_outlive(experiment, fix_s),
        *replacements(events_of(experiment).events),
        *on_the_dead(events_of(experiment).events),
        *noted(experiment),
    ]


def _earliest_fix_s(experiment: Experiment) -> float:
    """The moment of the fix; of one with a condition, the first at which it can come."""
    events = {event.id: event for event in events_of(experiment).events}
    fix = next((event for event in events.values() if event.fix), None)
    return experiment.spans()["outage"].end_s if fix is None else _earliest_s(fix, events)


def _earliest_s(event: Timed, events: Mapping[str, Timed]) -> float:
    trigger = event.trigger
    if trigger is None:
        return event.at_s
    first_s = trigger.after_s if trigger.component else 0.0
    if trigger.after_event:
        first_s = max(first_s, _earliest_s(events[trigger.after_event], events))
    return first_s + trigger.for_s + trigger.delay_s


def _unknown_fix(experiment: Experiment, horizon_s: float) -> list[str]:
    """A fix that waits for a condition: whether there is a recovery to judge is known only afterwards."""
    fix = next((event for event in events_of(experiment).events if event.fix), None)
    if fix is None or fix.trigger is None:
        return []
    return [
        f"the fix {fix.what} waits for a condition ({fix.trigger.told}): the load goes on for at most "
        f"{show_s(horizon_s)} after it, and in a run in which it never comes there is no recovery to time"
    ]


def _at_most(seconds: float) -> str:
    return "for ever at this load" if math.isinf(seconds) else f"up to {show_s(seconds)}"


def _callers(experiment: Experiment) -> list[str]:
    """Bounds of a call that do not fit each other, or the drain."""
    found = []
    drain_s = experiment.phases.drain_s
    for story, load in experiment.load.items():
        client = load.client
        timeout, deadline = show_s(client.timeout_s), show_s(client.deadline_s)
        if client.timeout_s > client.deadline_s:
            found.append(
                f"{story}: the timeout of {timeout} ends nothing before the deadline of {deadline}; shorten it"
            )
        elif client.timeout_s * client.attempts > client.deadline_s + 1e-9:
            found.append(
                f"{story}: {client.attempts} attempts of {timeout} do not fit its deadline of {deadline}; the last "
                "ones are cut short or never sent"
            )
        if drain_s < client.deadline_s:
            found.append(
                f"the drain of {show_s(drain_s)} is shorter than {story}'s deadline of {deadline}: operations will be "
                "open when the run is cut; lengthen phases.drain"
            )
    return found


def _replay(experiment: Experiment, horizon_s: float) -> list[str]:
    """A paced outbox that cannot be empty before the load ends: its backlog is then still there at the end."""
    app, load = experiment.region.mobile_banking, experiment.load.get("mobile_banking")
    if app is None or load is None or app.outbox.pace_per_s is None:
        return []
    transfers_per_s = load.rate_per_s * experiment.mix("mobile_banking").get("transfer", 0.0)
    owed = min(transfers_per_s * experiment.phases.outage_s, float(app.outbox.capacity))
    if owed / app.outbox.pace_per_s <= horizon_s:
        return []
    return [
        f"the outbox may owe {owed:.0f} transfers at the fix and sends {app.outbox.pace_per_s:g}/s: up to "
        f"{show_s(owed / app.outbox.pace_per_s)}, longer than the load after the fix; users may be well long before"
    ]


def _steadiness(experiment: Experiment) -> list[str]:
    baseline_s = experiment.phases.baseline_s
    if baseline_s < 2 * experiment.steady_state.for_s:
        return [
            f"the baseline of {show_s(baseline_s)} is shorter than twice the {show_s(experiment.steady_state.for_s)} "
            "for which steadiness must hold: medians over it are uncertain; lengthen phases.baseline"
        ]
    return []


def _stalls(experiment: Experiment) -> list[str]:
    """Stalls too short to lose the race: a sleeper must come back after its plan became one to clean up."""
    dns = experiment.region.dns
    found = []
    for event in events_of(experiment).events if dns is not None else ():
        length_s = event.ends_s - event.at_s
        if dns is None or event.verb != "stall_enactor" or math.isnan(length_s):
            continue
        needed_s = (dns.keep_generations + 1) * dns.plan_every_s + (dns.clean_after_s / 2) % dns.plan_every_s
        if length_s < needed_s:
            found.append(
                f"{event.what} for {show_s(length_s)} may be too short to empty the record: {show_s(needed_s)} is sure "
                f"({dns.keep_generations} generations are kept, one every {show_s(dns.plan_every_s)})"
            )
    return found


def _outlive(experiment: Experiment, fix_s: float) -> list[str]:
    """Faults still on at the fix: what looks stuck afterwards may only be the trigger."""
    if any(event.fix and event.trigger is not None for event in events_of(experiment).events):
        return []  # when the fix comes is not known
    return [
        f"{event.what} is on until {show_s(event.ends_s)}, but the fix is at {show_s(fix_s)}: measures count from a "
        "moment at which a trigger is not gone; end it sooner or move the fix"
        for event in events_of(experiment).events
        if event.kind == "fault" and fix_s + 1e-9 < event.ends_s < math.inf
    ]
