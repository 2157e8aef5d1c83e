"""A failing schedule as an experiment: the same race on real sockets, by one fault and nothing else.

A schedule orders steps; live, steps are ordered by timers. The one thing the live automation lets us stretch is the gap
between an enactor's freshness check and its first write (`dns.stall_enactor`). So the schedule is read for what the
fault needs: who is slow (who wrote over a newer generation), which generation it held, and after which generation the
clean-up ran that deleted it. Between those two lie `k` planning periods P (and one more for every generation that is
kept live beyond what the search kept).

A fault that a process is told of over HTTP begins when the message comes: 6 ms of grace between the beginning of the
stall and the enactor's write are none at all. So both ends lie in the middle of a gap in which nobody writes:

    stall begins   P / 2 before plan g appears (the outage starts there; plans appear at whole periods from zero)
    stall ends     k P + retry phase later: half a period after the slow enactor was last refused, and half a period
                   before it tries again; by then the newer plan is applied
    then           it tries again, writes g over the newer plan, and the others' clean-up deletes g

Before the file is written the automation itself is run in its logical time with exactly this stall, and with each end
up to `LATE_S` early or late. If it does not delete a live plan every time (a lease first has to expire, say), the stall
is lengthened by a period at a time; a schedule that needs a gap elsewhere cannot be replayed, and that is said.

Leaves out: schedules that leave no record empty.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from harness.errors import SpecError
from harness.flows.dns_control import ControlSpec, control_spec
from harness.models.dns_automation import DnsAutomation
from harness.sim.explore_trace import Schedule
from harness.units import duration_s

EXTRA_PERIODS = 8
LATE_S = 0.05  # how much an injection, and the end of a stall, may come too early or too late
_SHIFTS_S = (-LATE_S, -LATE_S / 2, 0.0, LATE_S / 2, LATE_S)
_PHASES = {"warm_up": "2s", "baseline": "7.75s", "outage": "12.25s", "recovery": "20s", "drain": "2s"}
_OUTAGE_S = duration_s(_PHASES["warm_up"]) + duration_s(_PHASES["baseline"])  # half a period before a plan appears
LEAST_KEPT = 1  # an experiment file cannot keep fewer generations; the search can


class Stall(NamedTuple):
    """The fault that replays a schedule, where `slow` held `generation` and clean-up ran after `newer` was applied."""

    slow: str
    generation: int
    newer: int
    for_s: float


def stall_of(schedule: Schedule) -> Stall:
    """The stall that makes the live automation fail as the schedule does. SpecError when no stall does."""
    slow, generation, newer = _losers(schedule)
    control = control_spec(_knobs(schedule.spec))
    periods = newer - generation + control.keep_generations - schedule.spec.keep_generations
    for more in range(EXTRA_PERIODS + 1):
        for_s = round((periods + more) * control.plan_every_s + control.retry_phase_s, 6)
        if all(deletes(control, slow, for_s, begin_s, end_s) for begin_s in _SHIFTS_S for end_s in _SHIFTS_S):
            return Stall(slow, generation, newer, for_s)
    raise SpecError(
        f"fix {schedule.spec.race_fix.value}: no stall of {slow} between its check and its first write makes the live "
        "clean-up delete the active plan; the schedule stretches another gap, and no fault does that. Replay another "
        "fix's schedule, as in --fix none"
    )


def deletes(control: ControlSpec, slow: str, for_s: float, begin_late_s: float = 0.0, end_late_s: float = 0.0) -> bool:
    """Whether a live plan is deleted when the automation runs in its logical time with this stall.

    The stall begins and ends so many seconds late, early where these are below zero.
    """
    automation = DnsAutomation(control, (("kv", ("192.0.2.1", "192.0.2.2")),))
    end_s = _OUTAGE_S + for_s + end_late_s
    automation.stall(slow, _OUTAGE_S + begin_late_s)
    events = automation.unstall(slow, end_s)
    events += automation.advance(end_s + 2 * control.plan_every_s)
    return any(event.note.kind == "active_plan_deleted" for event in events)


def experiment(schedule: Schedule) -> str:
    """The experiment file (YAML) that replays the schedule."""
    stall = stall_of(schedule)
    knobs = ", ".join(f"{key}: {value}" for key, value in _knobs(schedule.spec).items())
    phases = ", ".join(f"{name}: {length}" for name, length in _PHASES.items())
    order = " ".join(schedule.actors)
    return f"""\
# Written by `blackstart explore dns`: the shortest failing schedule ({len(schedule.actors)} steps), on real sockets.
# Order of steps: {order}
# There {stall.slow} checks generation {stall.generation}, writes it when {stall.newer} is live; clean-up deletes it.
# Here {stall.slow} holds the first generation planned in the outage, which starts half a planning period before it.
# Either end of the stall may come {LATE_S * 1e3:g} ms early or late; it is shorter than one that is sure to do harm
# whenever it begins.
title: The shortest failing schedule of the DNS automation, replayed
description: Does the race that the search found empty the record live, too?
seed: 7

region:
  preset: small
  dns: {{{knobs}}}

client:
  deadline: 1500ms
  timeout: 500ms
  attempts: 3
  retry_budget: {{ratio: 0.1, burst: 100}}
  backoff: {{kind: exponential, base: 50ms, jitter: full}}

load:
  kv_reads: {{arrivals: {{rate: 100/s, process: poisson}}, users: 100}}

phases: {{{phases}}}

timeline:
  - {{at: outage.start, do: dns.stall_enactor, with: {{enactor: {stall.slow}, for: {stall.for_s:g}s}}}}
  - {{at: outage.end, do: dns.restore, fix: true}}

variants:
  schedule: {{}} # the race as it was found
  fixed: # the same stall, but the transaction refuses an older plan
    region: {{dns: {{race_fix: compare_and_set}}}}

expect:
  - {{variant: schedule, measure: verdict, is: "== recovered"}}
  - {{variant: fixed, measure: verdict, is: "== never_failed"}}
"""


def _losers(schedule: Schedule) -> tuple[str, int, int]:
    """Who wrote an old plan over a newer one, which, and after which newer one the clean-up deleted it."""
    slow = {}
    for moved in schedule.moves:
        facts: dict[str, dict[str, Any]] = {note.kind: dict(note.fields) for note in moved.notes}
        if "stale_apply" in facts:
            slow[int(facts["stale_apply"]["generation"])] = str(facts["stale_apply"]["enactor"])
        if "active_plan_deleted" in facts:
            gone = int(facts["active_plan_deleted"]["generation"])
            if gone in slow:
                return slow[gone], gone, int(facts["clean"]["mine"])
    raise SpecError("this schedule deletes no plan that was written over a newer one, so there is nothing to replay")


def _knobs(spec: ControlSpec) -> dict[str, Any]:
    """The knobs of the live automation; what is not said here is the preset's."""
    kept = max(LEAST_KEPT, spec.keep_generations)
    return {"enactors": spec.enactors, "keep_generations": kept, "race_fix": spec.race_fix.value}
