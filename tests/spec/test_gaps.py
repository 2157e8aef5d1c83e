"""What each value alone may be and together cannot: knobs that contradict each other, deeds that ask for nothing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.cli.check import check
from harness.errors import SpecError
from harness.models.status import PROBES
from harness.policies import deeds
from harness.spec import parse_experiment
from harness.spec.components.status import WATCHED
from harness.spec.events import events_of
from harness.spec.notes import notes, store_demand_per_s
from harness.spec.work import heavy, unasked_per_s

REGION = "region: {preset: region}"
FAULT = "  - {at: outage.start, do: kv.latency, with: {factor: 2, for: 1s}}\n"
TEXT = f"""\
title: A region
{REGION}
load:
  kv_reads: {{arrivals: {{rate: 50/s}}}}
phases: {{warm_up: 1s, baseline: 6s, outage: 2s, recovery: 12s, drain: 3s}}
timeline:
{FAULT}  - {{at: outage.end, do: kv.drop_queue, fix: true}}
"""


def region(part: str) -> str:
    return TEXT.replace(REGION, f"region: {{preset: region, {part}}}")


def entries(*lines: str) -> str:
    return TEXT.replace(FAULT, FAULT + "".join(f"  - {{{line}}}\n" for line in lines))


def said(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        parse_experiment(text, "t")
    assert all(line.startswith("t.yaml:") for line in str(caught.value).split("\n"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ("functions: {fleet: {minimum: 5, initial: 4, maximum: 3}}", "2:45: region.functions.fleet: fleet has minimum"),
        ("compute: null, functions: {depends_on: [kv], fleet: {}}", "launches its hosts through compute, which this"),
        ("functions: {poller: {lanes: 30}}", "it begins with 30 lanes and has at most 20; lower lanes, or raise"),
        ("functions: {poller: {wait: 3s}}", "the poller's receive waits 3 s, and its client gives up after 0.5 s"),
        ("compute: {depends_on: [kv, kv]}", "2:53: region.compute.depends_on[1]: kv is named twice; name it once"),
        ("compute: {depends_on: []}", "compute keeps what it knows in kv, which is not among []; add kv"),
        ("mobile_banking: {depends_on: [provider]}", "mobile_banking keeps what it knows in kv"),
        ("hospital: {depends_on: [queue]}", "names 'queue' first; an app writes to the store that it names first"),
        ("coffee: {depends_on: []}", "coffee depends on nothing; an app writes to the store that it names first"),
        ("compute: {depends_on: [kv, dns]}", "everybody asks dns for names, and nobody calls it otherwise"),
        ("status: {depends_on: [queue]}", "status cannot watch queue; it has questions for kv, provider, identity"),
        ("balancer: {depends_on: [networks]}", "no component 'networks'; they are dns, kv"),
        ("queue: {depends_on: [functions]}", "2:46: region.queue.depends_on: functions needs queue needs"),
        ("queue: {depends_on: [queue]}", "queue needs queue: a ring in which nobody can start first"),
        ("hospital: {}, kv: null", "region.kv: hospital depends on kv, which is absent; make hospital null too"),
        ("hospital: {priority: criticality}", "criticality orders a line, and an app has none; use {kind: partitioned"),
        ("dns: {ttl: 1500ms}", "2:37: region.dns.ttl: 1.5 s cannot be sent; DNS carries whole seconds"),
        ("network: {backlog_cost: .nan}", "2:50: region.network.backlog_cost: nan is not a finite number"),
        ("network: {backlog_cost: .inf}", "backlog_cost: inf is not a finite number"),
        ("network: {limit_by_queue: -1}", "-1 is not a whole number of at least 0 and at most 1,000,000"),
        ("compute: {leases: {line_cap: 100001}}", "100001 is not a whole number of at least 1 and at most 100,000"),
        ("compute: {droplets: 100000}", "100000 is out of bounds; it must be at most 20,000"),
        ("balancer: {zones: 26, targets_per_zone: 1000, slots: 26000}", "26,000 targets (26 zones of 1000) are over"),
        ("compute: {leases: {tick: 1us}}", "'1us' is out of bounds; what is done again and again waits at least 10ms"),
        ("balancer: {check_every: 1us}", "waits at least 10ms"),
        ("functions: {fleet: {scale_every: 1us}}", "waits at least 10ms"),
        ("status: {probe_every: 9.9ms}", "waits at least 10ms"),
        ("kv: {service: {mean: 1e12s}}", "'1e12s' is out of bounds; a duration here is at most 277,778h"),
        (
            "compute: {droplets: 20000, leases: {check_every: 20ms, tick: 10ms, lease: 1s}}",
            "20,000 droplets, 1,000,000 checks of leases and 100 ticks a second: a simulated run would compute",
        ),
    ],
)
def test_knobs_that_cannot_work_together_are_refused_before_anything_is_built(part: str, why: str) -> None:
    assert why in said(region(part))


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (
            "at: outage.start, do: queue.ramp, with: {from: 100/s, to: 20/s, over: 3s}",
            "8:53: timeline[1].with.from: from is 100/s and to is 20/s; a ramp grows, so from is at most to",
        ),
        (
            "at: outage.start, do: compute.partition, with: {to: compute, for: 1s}",
            "8:58: timeline[1].with.to: compute cannot be cut off from itself; it calls kv, network; name one of them",
        ),
        ("at: outage.start, do: compute.partition, with: {to: dns, for: 1s}", "compute does not depend on dns, so"),
        ("at: outage.start, do: compute.partition, with: {to: networ, for: 1s}", "did you mean 'network'?"),
        ("at: outage.start, do: network.partition, with: {to: kv, for: 1s}", "it calls nobody, or leave `to` out"),
        ("at: outage.start, do: dns.stall_enactor, with: {enactor: az9, for: 1s}", "no enactor 'az9'; there are az1,"),
        ("at: outage.start, do: kv.capacity, with: {slots: 1000000000, for: 1s}", "at least 0 and at most 100,000"),
        ("at: outage.start, do: kv.add_capacity, with: {slots: 0}", "0 is not a whole number of at least 1"),
        ("at: outage.start, do: kv.latency, with: {factor: .nan, for: 1s}", "nan is not a number above 0"),
        (
            "at: outage.start, do: compute.throttle_intake, with: {rate: 3/s}",
            "unknown argument 'rate'; compute.throttle_intake takes cap (rate belongs to compute.throttle_api)",
        ),
        (
            "when: {gauge: mobile_banking.captured_total, above: 3}, do: kv.drop_queue",
            "'mobile_banking.captured_total' is reported only with the knob offline; set it, or watch another gauge",
        ),
        (
            "at: outage.start, do: kv.errors, with: {share: 5%, for: 999h}, square: {on: 1ms, off: 1ms}",
            "kv.errors would come 1,798,200,000 times, over 1,000",
        ),
    ],
)
def test_an_entry_that_asks_for_what_cannot_be_is_refused(entry: str, why: str) -> None:
    assert why in said(entries(entry))


def test_a_poller_cannot_be_killed_where_nothing_is_polled() -> None:
    text = entries("at: outage.start, do: functions.kill_poller, with: {for: 1s}")
    assert "functions have no poller without a queue" in said(
        text.replace(REGION, "region: {preset: region, functions: {depends_on: [kv, compute]}}")
    )


@pytest.mark.parametrize(
    "entry",
    [
        "at: outage.start, do: queue.ramp, with: {from: 0/s, to: 20/s, over: 3s}",
        "at: outage.start, do: kv.capacity, with: {slots: 0, for: 1s}",
        "at: outage.start, do: network.limit_by_queue, with: {limit: 0}",
        "at: outage.start, do: queue.shed, with: {above: 0}",
        "at: outage.start, do: functions.prioritise_sync, with: {share: 0%}",
        "at: outage.start, do: compute.partition, with: {to: network, for: 1s}",
    ],
)
def test_what_a_component_takes_a_file_may_say(entry: str) -> None:
    events = events_of(parse_experiment(entries(entry)).variant("base")).events
    assert [event.what in entry for event in events if event.number == 1] == [True]


def test_a_fault_that_is_on_already_is_said() -> None:
    crash = "at: outage.start, do: queue.crash, with: {for: 2s}"
    again = "at: outage.start + 1s, do: queue.crash, with: {for: 3s}"
    assert (
        "9:33: timeline[2].do: queue.crash at 8 s is on already, as entry 2 began it at 7 s and it lasts until 9 s; "
        "let one end before the other begins, or keep one"
    ) in said(entries(crash, again))
    parse_experiment(entries(crash, again.replace("+ 1s", "+ 2s")))  # one after the other


def noted(text: str) -> str:
    return "\n".join(notes(parse_experiment(text).variant("base")))


def test_a_fault_that_takes_the_place_of_its_like_is_a_note() -> None:
    assert "kv.latency at 7.5 s takes the place of the one that entry 1 began at 7 s: one fault of a name" in noted(
        entries("at: outage.start + 500ms, do: kv.latency, with: {factor: 4, for: 1s}")
    )
    assert "takes the place" not in noted(TEXT)


def test_what_meets_a_dead_process_is_a_note() -> None:
    crash = "at: outage.start, do: network.crash, with: {for: 2s}"
    late = "at: outage.start + 1s, do: network.latency, with: {factor: 2, for: 500ms}"
    assert "network.latency at 8 s meets a dead process: entry 2 takes network away from 7 s to 9 s" in noted(
        entries(crash, late)
    )
    assert "dead process" not in noted(entries(crash, late.replace("+ 1s", "+ 3s")))


def test_the_store_is_asked_as_often_as_its_stories_and_its_region_ask() -> None:
    region_of = parse_experiment(TEXT).variant("base").region
    assert unasked_per_s(region_of) == 120 / 6 + 1 / 0.5 + 1 / 0.5 + 1 / 0.5
    food = TEXT.replace("kv_reads", "food_delivery").replace(REGION, "region: {food_delivery: {}}")
    assert math.isclose(store_demand_per_s(parse_experiment(food).variant("base")), 50 * (0.3 * 2 + 0.3 * 0.1 + 0.4))
    quiet = TEXT.replace("kv_reads", "pages").replace(REGION, "region: {balancer: {depends_on: []}}")
    assert store_demand_per_s(parse_experiment(quiet).variant("base")) == 0.0


def test_what_would_compute_for_long_is_a_note() -> None:
    large = region("compute: {droplets: 20000, leases: {tick: 20ms, check_every: 1s}}, kv: {slots: 1000}")
    assert "compute has 20,000 droplets, 20,000 checks of leases and 50 ticks a second: a simulated" in noted(large)
    assert [cost_s < 1.0 for _, cost_s, _ in heavy(parse_experiment(TEXT).variant("base"))] == [True, True]


def test_the_health_page_may_watch_exactly_what_it_has_a_question_for() -> None:
    assert set(WATCHED) == set(PROBES)


@pytest.mark.parametrize("value", [10**400, -(10**400), float("inf"), float("nan"), True, None, "x", [1]])
@pytest.mark.parametrize("quantity", [deeds.SLOTS_LEFT, deeds.FACTOR, deeds.SHARE, deeds.RATE, deeds.OVER, deeds.ABOVE])
def test_a_quantity_says_no_in_one_sentence_with_and_without_its_name(quantity: deeds.Quantity, value: object) -> None:
    with pytest.raises(ValueError, match=r"is not|out of bounds"):
        quantity.read(value)
    with pytest.raises(ValueError, match=f"^{quantity.name}[: ]"):
        quantity.of({quantity.name: value})


def test_check_names_every_component_that_could_not_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(component: str, *_: object) -> None:
        if component == "queue":
            raise ValueError("it cannot be")

    monkeypatch.setattr("harness.build.brain_of", refuse)
    path = tmp_path / "t.yaml"
    path.write_text(region("queue: {slots: 3}"))
    with pytest.raises(SpecError, match=r"t\.yaml:2:33: region\.queue: it cannot be$"):
        check(path)
