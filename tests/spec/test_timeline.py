"""The timeline: resolved to seconds and SI, with every way to get it wrong."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from harness.spec import ExperimentFile
from harness.spec.events import events_of
from harness.spec.vocabulary import VERBS

FAULT = "  - {at: outage.start, do: kv.latency, with: {mean: 100ms}}"
HEAL = "  - {at: outage.end, do: kv.heal, with: {fault: latency}, fix: true}"


def test_a_fault_that_is_healed_ends_with_its_heal(changed: Callable[..., ExperimentFile]) -> None:
    fault, heal = events_of(changed().variant("plain")).events
    assert (fault.at_s, fault.ends_s, fault.kind, fault.arguments) == (7.0, 9.0, "fault", {"mean_s": 0.1})
    assert (heal.at_s, heal.kind, heal.fix, heal.arguments) == (9.0, "heal", True, {"fault": "latency"})
    assert math.isnan(heal.ends_s)


def test_a_fault_with_a_length_ends_by_itself_or_sooner_by_a_heal(changed: Callable[..., ExperimentFile]) -> None:
    longer = changed("mean: 100ms", "mean: 100ms, for: 5s").variant("plain")
    shorter = changed("mean: 100ms", "mean: 100ms, for: 1s").variant("plain")
    assert [events_of(experiment).events[0].ends_s for experiment in (longer, shorter)] == [9.0, 8.0]


def test_events_are_in_order_of_time_and_keep_their_place_in_the_file(changed: Callable[..., ExperimentFile]) -> None:
    action = "  - {at: baseline.start, do: kv.drop_queue}"
    found = events_of(changed(HEAL, f"{HEAL}\n{action}").variant("plain")).events
    assert [(event.what, event.number) for event in found] == [("kv.drop_queue", 2), ("kv.latency", 0), ("kv.heal", 1)]
    assert len({event.id for event in found}) == 3


def test_phases_moved_by_a_variant_move_the_events(changed: Callable[..., ExperimentFile]) -> None:
    experiment = changed("plain: {}", "plain: {phases: {outage: 400ms}}").variant("plain")
    assert [event.at_s for event in events_of(experiment).events] == [7.0, 7.4]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (HEAL, HEAL.replace(", fix: true", ""), "timeline: no event has `fix: true`"),
        (FAULT, FAULT.replace("}}", "}, fix: true}"), "a second fix; the first is at outage.start"),
        (FAULT, FAULT.replace("kv.latency", "kv.latencie"), "kv has no 'latencie'; it takes latency, capacity"),
        (
            FAULT,
            FAULT.replace("kv.latency", "k.latency"),
            "no component 'k'; components are dns, kv, mobile_banking; did you mean 'kv'",
        ),
        (FAULT, FAULT.replace("kv.latency", "mobile_banking.latency"), "no 'latency'; it takes errors, crash"),
        (FAULT, FAULT.replace("kv.latency", "latency"), "is not of the form component.verb"),
        (FAULT, FAULT.replace("mean: 100ms", "mean: 100"), "100 is not a duration"),
        (
            FAULT,
            FAULT.replace("mean: 100ms", "maen: 100ms"),
            "unknown argument 'maen'; kv.latency takes mean, factor, for",
        ),
        (FAULT, FAULT.replace("mean: 100ms", "mean: 100ms, factor: 4"), "needs exactly one of mean and factor"),
        (FAULT, FAULT.replace("mean: 100ms", "factor: -1"), "-1 is not a number above 0"),
        (FAULT, FAULT.replace(", with: {mean: 100ms}", ""), "needs exactly one of mean and factor"),
        (FAULT, FAULT.replace("kv.latency, with: {mean: 100ms}", "kv.capacity"), "kv.capacity needs slots"),
        (FAULT, FAULT.replace("mean: 100ms", "mean: 100ms, for: 0s"), "it must be above 0 s"),
        (FAULT, FAULT.replace("outage.start", "drain.end"), "is 32 s, outside the load (0 s to 29 s)"),
        (FAULT, FAULT.replace("outage.start", "warm_up.start - 1s"), "is -1 s, outside the load"),
        (FAULT, FAULT.replace("outage.start", "recovery.start + 1s"), "the fix at 9 s comes before any fault"),
        (HEAL, HEAL.replace("latency", "errors"), "no fault 'errors' has begun by then"),
        (HEAL, HEAL.replace("latency", "latancy"), "did you mean 'latency'?"),
        (HEAL, HEAL.replace("outage.end", "recovery.end"), "kv.latency ends at 29 s, when the load (to 29 s) is over"),
        (HEAL, "  - {at: outage.end, do: dns.restore, fix: true}", "kv.latency never ends"),
        (f"{FAULT}\n", "", "the fix at 9 s comes before any fault"),
        (FAULT, f"{FAULT}\n  - {{at: 3s, do: kv.errors, with: {{share: 5%, for: 1m}}}}", "kv.errors ends at 63 s"),
        (FAULT, f"{FAULT}\n  - {{at: 3s, do: kv.errors, with: {{share: 0, for: 1s}}}}", "between 0% and 100%, and"),
        (FAULT, f"{FAULT}\n  - {{at: 3s, do: kv.capacity, with: {{slots: -1, for: 1s}}}}", "number of at least 0"),
        (FAULT, f"{FAULT}\n  - {{at: 3s, do: kv.drop_queue, with: {{x: 1}}}}", "kv.drop_queue takes nothing"),
        (FAULT, f"{FAULT}\n  - {{at: 3s, do: dns.empty_record, fix: true, with: {{for: 1s}}}}", "starts a fault"),
        ("plain: {}", "plain: {region: {mobile_banking: null}}", "needs mobile_banking, which is absent"),
        ("  kv: {slots", "  kv: null\n  xx: {slots", "unknown key; known here: preset, dns, kv, mobile_banking"),
        ("plain: {}", "plain: {region: {kv: null}}", "'kv.latency': kv is absent from this region"),
        (FAULT, f"{FAULT}\n  - {{at: 3s, do: cache.flush}}", "here it is mobile_banking.flush_cache"),
        (FAULT, f"{FAULT}\n  - {{at: 3s, do: gateway.ramp}}", "here it is mobile_banking.ramp"),
        ("plain: {}", "plain: {timeline: []}", "no event has `fix: true`"),
    ],
)
def test_a_timeline_that_cannot_be_judged_is_refused(
    spoilt: Callable[[str, str], str], old: str, new: str, said: str
) -> None:
    assert said in spoilt(old, new)


def test_every_fault_can_be_healed_by_its_component() -> None:
    for verbs in VERBS.values():
        faults = {name for name, verb in verbs.items() if verb.kind == "fault"}
        healable = set(verbs["heal"].arguments[0].choices) if "heal" in verbs else set()
        assert faults == healable
