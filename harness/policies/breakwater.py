"""Breakwater: clients may send only what they hold credits for, and the delay of the queue sets how many there are.

Refusing is cheap but not free, and a client learns of it a round trip late. Breakwater moves the decision to before the
request is sent: the server issues credits, and a request spends one. The number in circulation follows the delay of
the oldest waiting request, d, against a target, once per round trip:

    d < target    ->  credits + max(increase x clients, 1)
    d >= target   ->  credits x max(1 - decrease x (d - target) / target, 0.5)
    and a request that finds d above drop_at x target at the door is refused at once (the AQM)

The server's part is `admit`: a request is let in while fewer requests are inside than there are credits. That is the
credit rule enforced at the door: it admits what clients obeying the rule could have sent, and refuses what they would
not have sent.

The client's part is `grant`: how many credits one client should hold after its message, told with each reply. Its
demand plus some overcommitment, because most clients use no credit most of the time:

    overcommit = max((credits - issued) / clients, 1)
    issued < credits:  min(demand + overcommit, held + credits - issued)       else:  min(demand + overcommit, held - 1)

A client without a credit waits or fails locally. Apps in this region do not speak credits on the wire, so a region
under `breakwater` measures the server's part alone: refusals cost a round trip which the paper's clients do not pay.

The bound on credits (64 per client) is ours, standing for the source's window per session: without one, an idle server
would mint credits for ever. Source: Cho et al., "Overload control for us-scale RPCs with Breakwater", OSDI 2020;
bw_config.h (0.1 %, 2 %, target 80 us and AQM 160 us for 10 us jobs, update each 10 us).
"""

from __future__ import annotations

from typing import NamedTuple

from harness.policies.entry import REQUIRED, Entry, count, number, seconds, share
from harness.policies.server_steps import QUEUE_FULL, AdmissionSteps

_CREDITS_PER_CLIENT_MAX = 64.0


class BreakwaterSpec(NamedTuple):
    """Times in seconds; `increase` and `decrease` are shares, `drop_at` a multiple of the target."""

    target_s: float
    every_s: float
    clients: int
    initial: int
    increase: float
    decrease: float
    drop_at: float


class Breakwater(NamedTuple):
    """Credits in circulation (named `limit`, being the most that may be inside) and the next update."""

    limit: float
    update_at_s: float


def start(spec: BreakwaterSpec, now_s: float) -> Breakwater:
    """At the initial number of credits."""
    return Breakwater(float(spec.initial), now_s + spec.every_s)


def admit(
    spec: BreakwaterSpec,
    state: Breakwater,
    now_s: float,
    in_service: int,
    queued: int,
    oldest_wait_s: float,
    u: float,
) -> tuple[Breakwater, bool]:
    """Whether a credit is free and the line is not too slow; updates the credits when a round trip has passed."""
    if now_s >= state.update_at_s:
        credit = state.limit
        if oldest_wait_s < spec.target_s:
            credit += max(spec.increase * spec.clients, 1.0)
        else:
            credit *= max(1.0 - spec.decrease * (oldest_wait_s - spec.target_s) / spec.target_s, 0.5)
        credit = min(max(credit, 1.0), _CREDITS_PER_CLIENT_MAX * spec.clients)
        state = Breakwater(credit, now_s + spec.every_s)
    free = in_service + queued < int(state.limit)
    return state, free and oldest_wait_s <= spec.drop_at * spec.target_s


def grant(credit: float, issued: int, clients: int, held: int, demand: int) -> int:
    """How many credits a client with `held` credits and `demand` waiting requests should hold from now on."""
    wanted = demand + max((credit - issued) / clients, 1.0)
    room = held + credit - issued if issued < credit else held - 1.0
    return int(max(min(wanted, room), 0.0))


def build(
    target: float, every: float, clients: float, initial: float, increase: float, decrease: float, drop_at: float
) -> BreakwaterSpec:
    """From the parameters of the catalogue."""
    return BreakwaterSpec(target, every, int(clients), int(initial), increase, decrease, drop_at)


ADMISSION = {BreakwaterSpec: AdmissionSteps(start, admit, None, QUEUE_FULL, False)}

ENTRIES: tuple[Entry, ...] = (
    Entry(
        kind="breakwater",
        side="server",
        slot="admission",
        rule="as many inside as credits: + max(increase x clients, 1) while the line is fast, x less while it is slow",
        params=(
            seconds("target", REQUIRED, "acceptable wait of the oldest waiting job; about 8 service times"),
            seconds("every", 0.01, "between updates: one round trip"),
            count("clients", 1, "clients that hold credits"),
            count("initial", 10, "credits at the start"),
            share("increase", 0.001, "credits per client and update while the line is fast", open_=True),
            share("decrease", 0.02, "cut per relative excess of the wait", open_=True),
            number("drop_at", 2.0, "refuse at once when the wait exceeds this many targets", low=1.0, open_=False),
        ),
        source="Cho et al., OSDI 2020; bw_config.h",
        build=build,
        check=lambda params: (
            None
            if params["initial"] <= _CREDITS_PER_CLIENT_MAX * params["clients"]
            else f"initial {params['initial']:g} is above {_CREDITS_PER_CLIENT_MAX:g} credits for each of "
            f"{params['clients']:g} clients; lower initial or raise clients"
        ),
    ),
)
