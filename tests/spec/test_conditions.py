"""The timeline's language: conditions, squares, surges and pauses, and every way to get them wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
import yaml

from harness.spec import ExperimentFile, resolved_experiment
from harness.spec.events import events_of
from harness.spec.notes import notes
from harness.spec.spells import spells

FAULT = "  - {at: outage.start, do: kv.latency, with: {mean: 100ms}}"
HEAL = "  - {at: outage.end, do: kv.heal, with: {fault: latency}, fix: true}"
QUEUE = "gauge: kv.waiting_queue, above: 500"
Changed = Callable[..., ExperimentFile]


def added(entry: str) -> tuple[str, str]:
    """What `changed` and `spoilt` take to add an entry to the timeline."""
    return HEAL, f"{HEAL}\n  - {entry}"


def test_a_condition_is_resolved_to_seconds_from_the_first_fault_on(changed: Changed) -> None:
    entry = f"{{when: {{{QUEUE}, for: 2s, delay: 1500ms}}, do: kv.drop_queue}}"
    event = events_of(changed(*added(entry)).variant("plain")).events[-1]
    assert math.isnan(event.at_s)
    assert event.trigger is not None
    assert event.trigger == (
        "kv", "waiting_queue", True, 500.0, 2.0, 7.0, "", 1.5, True, "kv.waiting_queue above 500 for 2 s",
    )  # fmt: skip
    assert event.trigger.beyond(501.0)
    assert not event.trigger.beyond(500.0)


def test_a_condition_looks_from_after_on(changed: Changed) -> None:
    entry = f"{{when: {{{QUEUE}, after: outage.end + 1s}}, do: kv.drop_queue}}"
    event = events_of(changed(*added(entry)).variant("plain")).events[-1]
    assert event.trigger is not None
    assert event.trigger.after_s == 10.0


def test_a_line_is_in_the_unit_of_its_gauge(changed: Changed) -> None:
    entry = "{when: {gauge: kv.oldest_wait_s, below: 250ms}, do: kv.drop_queue}"
    event = events_of(changed(*added(entry)).variant("plain")).events[-1]
    assert event.trigger is not None
    assert (event.trigger.line, event.trigger.above) == (0.25, False)


def test_a_step_follows_another_by_its_id_whoever_gave_it(changed: Changed) -> None:
    entry = (
        "{when: {after_event: 1-kv-latency, delay: 1s}, do: kv.throttle_intake, with: {rate: 9/s}, id: closed}\n"
        "  - {when: {gauge: kv.waiting_queue, below: 5, after_event: closed}, do: kv.open_intake}"
    )
    closed, opened = events_of(changed(*added(entry)).variant("plain")).events[-2:]
    assert closed.trigger is not None
    assert opened.trigger is not None
    assert (closed.id, closed.trigger.after_event, closed.trigger.delay_s) == ("closed", "1-kv-latency", 1.0)
    assert opened.id == "4-kv-open_intake"
    assert (opened.trigger.after_event, opened.trigger.gauge) == ("closed", "waiting_queue")


@pytest.mark.parametrize(
    "entry",
    [
        "{when: {gauge: kv.waiting_queue, above: 1e3, for: 2s, after: baseline.start, delay: 15s}, do: kv.drop_queue}",
        "{when: {gauge: kv.oldest_wait_s, below: 50ms, once: false}, do: kv.drop_queue, id: again}",
        "{when: {after_event: 1-kv-latency}, do: kv.errors, with: {share: 5%, for: 3s}, square: {on: 1s, off: 500ms}}",
        "{at: outage.end, do: load.surge, with: {rate: +20/s, story: mobile_banking, for: 3s}}",
    ],
)
def test_what_a_file_says_survives_being_written_back(changed: Changed, entry: str) -> None:
    experiment = changed(*added(entry)).variant("plain")
    assert resolved_experiment(yaml.safe_load(experiment.text()), "again") == experiment
    assert resolved_experiment(json.loads(json.dumps(experiment.written())), "again") == experiment


def test_an_entry_is_written_without_what_it_does_not_use(changed: Changed) -> None:
    first = changed().variant("plain").written()["timeline"][0]
    assert first == {"at": "outage.start", "do": "kv.latency", "with": {"mean": "100ms"}, "fix": False}


def test_a_square_is_on_and_off_until_its_length_is_over() -> None:
    assert spells(10.0, (2.0, 3.0)) == ((0.0, 2.0), (5.0, 7.0))
    assert spells(11.5, (2.0, 3.0)) == ((0.0, 2.0), (5.0, 7.0), (10.0, 11.5))
    assert spells(12.0, (2.0, 3.0)) == ((0.0, 2.0), (5.0, 7.0), (10.0, 12.0))
    assert spells(4.0, None) == ((0.0, 4.0),)


def test_a_square_ends_with_its_last_spell_or_sooner_by_a_heal(changed: Changed) -> None:
    square = FAULT.replace("100ms}", "100ms, for: 2500ms}, square: {on: 500ms, off: 1s}")
    assert events_of(changed(FAULT, square).variant("plain")).events[0].ends_s == 9.0
    early = changed(FAULT, square.replace("for: 2500ms", "for: 1900ms")).variant("plain")
    assert events_of(early).events[0].ends_s == 8.9


def test_a_fault_whose_heal_waits_for_a_condition_has_no_end_yet(changed: Changed) -> None:
    waits = f"  - {{when: {{{QUEUE}}}, do: kv.heal, with: {{fault: latency}}, fix: true}}"
    events = events_of(changed(HEAL, waits).variant("plain"))
    assert events.complaints == ()
    assert events.events[0].ends_s == math.inf


def test_a_fix_that_waits_is_noted_with_the_least_it_leaves(changed: Changed) -> None:
    """The load ends at 29 s; the fault is at 7 s, then 2 s beyond the line and 1 s to act."""
    waits = f"  - {{when: {{{QUEUE}, for: 2s, delay: 1s}}, do: kv.heal, with: {{fault: latency}}, fix: true}}"
    (note,) = [text for text in notes(changed(HEAL, waits).variant("plain")) if "waits for a condition" in text]
    assert "the load goes on for at most 19 s after it" in note
    assert not any("waits for a condition" in text for text in notes(changed().variant("plain")))


@pytest.mark.parametrize(
    ("entry", "culprit", "said"),
    [
        ("{when: {gauge: kv.waiting_que, above: 5}, do: kv.drop_queue}", "kv.waiting_que,",
         "timeline[2].when.gauge: 'kv.waiting_que': kv has no such gauge; it has waiting_queue, in_service"),
        ("{when: {gauge: kw.waiting_queue, above: 5}, do: kv.drop_queue}", "kw.w",
         "no component 'kw' with gauges; there are dns, kv, mobile_banking"),
        ("{when: {gauge: compute.leased, above: 5}, do: kv.drop_queue}", "compute.",
         "'compute.leased': compute is absent from this region; give it there, or watch another gauge"),
        ("{when: {gauge: load.in_flight, above: 5}, do: kv.drop_queue}", "load.in", "no component 'load' with gauges"),
        ("{when: {gauge: waiting, above: 5}, do: kv.drop_queue}", "waiting,", "is not of the form component.gauge"),
        (f"{{at: 8s, when: {{{QUEUE}}}, do: kv.drop_queue}}", "{at: 8s", "kv.drop_queue has both `at` and `when`"),
        ("{do: kv.drop_queue}", "{do: kv.drop", "has neither `at` nor `when`; write `at: outage.start`"),
        ("{when: {above: 5}, do: kv.drop_queue}", "{above", "a condition is a gauge or another entry"),
        ("{when: {gauge: kv.waiting_queue}, do: kv.drop_queue}", "{gauge", "needs exactly one of above and below"),
        (f"{{when: {{{QUEUE}, below: 9}}, do: kv.drop_queue}}", "{gauge", "needs exactly one of above and below"),
        ("{when: {gauge: kv.waiting_queue, above: -5}, do: kv.drop_queue}", "-5", "no gauge is negative or endless"),
        ("{when: {gauge: kv.waiting_queue, above: many}, do: kv.drop_queue}", "many", "'many' is not a line; write a"),
        ("{when: {gauge: kv.waiting_queue, above: 5s}, do: kv.drop_queue}", "{gauge", "is not a time, so 5s does not"),
        ("{when: {gauge: kv.oldest_wait_s, above: 5}, do: kv.drop_queue}", "{gauge", "is a time, so 5 needs a unit"),
        (f"{{when: {{{QUEUE}, for: -1s}}, do: kv.drop_queue}}", "-1s", "a duration here is 0s or more"),
        (f"{{when: {{{QUEUE}, wait: 1s}}, do: kv.drop_queue}}", "wait: 1s",
         "unknown key; known here: gauge, above, below, for, after, after_event, delay, once"),
        (f"{{when: {{{QUEUE}, after: drain.end}}, do: kv.drop_queue}}", "drain.end", "is 32 s, outside the load"),
        (f"{{when: {{{QUEUE}, delay: 30s}}, do: kv.drop_queue}}", "{gauge", "cannot happen before 37 s, when the load"),
        ("{when: {after_event: 1-kv-latence}, do: kv.drop_queue}", "1-kv-latence",
         "no entry '1-kv-latence'; there are 1-kv-latency, 2-kv-heal, 3-kv-drop_queue; did you mean '1-kv-latency'?"),
        ("{when: {after_event: x}, do: kv.drop_queue, id: x}", "x}, do", "x comes after itself, so none of them ever"),
        ("{when: {after_event: 1-kv-latency, for: 2s}, do: kv.drop_queue}", "{after_event",
         "say something about a gauge"),
        ("{at: 8s, do: kv.drop_queue, id: 1-kv-latency}", "1-kv-latency", "is the id of entry 1 too; ids are unique"),
        ("{at: 8s, do: kv.drop_queue, id: 'a b'}", "'a b'", "'a b' is not an id; use up to 60 letters"),
        (f"{{when: {{{QUEUE}}}, do: kv.errors, with: {{share: 5%}}}}", "kv.errors",
         "so it needs its length; give it `for"),
        (f"{{when: {{{QUEUE}}}, do: kv.heal, with: {{fault: errors}}}}", "errors}",
         "kv.heal: no fault 'errors' has begun"),
        (f"{{when: {{{QUEUE}}}, do: load.surge, with: {{factor: 2, for: 1s}}}}", "{gauge",
         "drawn before the run; give"),
        ("{at: 8s, do: kv.errors, with: {share: 5%}, square: {on: 1s, off: 1s}}", "{on",
         "comes and goes without end; give"),
        ("{at: 8s, do: kv.errors, with: {share: 5%, for: 2s}, square: {on: 1s, off: 1s}}", "{on",
         "kv.errors for 2 s does not come back after 1 s on and 1 s off; lengthen `for`, or remove `square`"),
        ("{at: 8s, do: kv.errors, with: {share: 5%, for: 5s}, square: {on: 0s, off: 1s}}", "0s", "is above 0s"),
        ("{at: 8s, do: kv.errors, with: {share: 5%, for: 5s}, square: {on: 1s}}", "square", "square.off: missing"),
        ("{at: 8s, do: kv.errors, with: {share: 5%, for: 5s, square: {on: 1s}}}", "square",
         "`square` stands beside `with`"),
        ("{at: 8s, do: kv.errors, with: {share: 5%, for: 5s}, square: {on: 1ms, off: 1ms}}", "{on",
         "2,500 times, over 1,000"),
        ("{at: 8s, do: kv.drop_queue, square: {on: 1s, off: 1s}}", "{on", "is done once; only a fault can come and go"),
        ("{at: 8s, do: kv.latency, with: {factor: 2, for: 5s}, square: {on: 1s, off: 1s}}", "{on",
         "comes and goes from 8 s to 13 s, and entry 1 injects it meanwhile"),
        ("{at: 8s, do: load.surge, with: {factor: 3}}", "load.surge", "load.surge never ends"),
        ("{at: 8s, do: load.surge, with: {factor: 1, for: 2s}}", "1, for",
         "1 times as many is no surge; write a factor"),
        ("{at: 8s, do: load.surge, with: {factor: -3, for: 2s}}", "-3", "-3 is not a number above 0"),
        ("{at: 8s, do: load.surge, with: {rate: -200/s, for: 2s}}", "-200/s", "it must be above 0/s"),
        ("{at: 8s, do: load.surge, with: {rate: 9/s, factor: 2, for: 2s}}", "load.surge",
         "exactly one of factor and rate"),
        ("{at: 8s, do: load.surge, with: {factor: 3, story: kv_reads, for: 2s}}", "kv_reads",
         "no story 'kv_reads' in this load; there are mobile_banking, or leave it out for all"),
        ("{at: 8s, do: load.surge, with: {rate: 1e9/s, for: 2s}}", "{rate", "2e+09 more operations of mobile_banking"),
        ("{at: 8s, do: load.surge, with: {factor: 2, for: 60s}}", "load.surge", "ends at 68 s, when the load"),
        ("{at: 8s, do: load.surge, with: {factor: 2, for: 3s}}\n"
         "  - {at: 10s, do: load.surge, with: {rate: 5/s, story: mobile_banking, for: 3s}}", "load.surge, with: {rate",
         "the surge of mobile_banking from 10 s on begins before that of entry 3 is over (at 11 s)"),
        ("{at: 8s, do: load.crash, with: {for: 3s}}", "load.crash", "load has no 'crash'; it takes surge, heal"),
        ("{at: 8s, do: pause, with: {for: 3s}}", "pause", "there is nothing; move it before such an entry"),
        ("{at: 8s, do: pause}", "pause", "pause needs for (how long); write `with: {for: ...}`"),
        ("{at: 8s, do: compute.shed, with: {above: 1}}", "compute.shed", "compute is absent from this region"),
    ],
)  # fmt: skip
def test_a_slip_is_told_where_it_stands_with_what_to_do(
    spoilt: Callable[[str, str], str],
    place: Callable[[str, str, str], str],
    entry: str,
    culprit: str,
    said: str,
) -> None:
    old, new = added(entry)
    start = f"slow.yaml:{place(old, new, culprit)}: "
    complaints = spoilt(old, new).splitlines()
    assert any(line.startswith(start) and said in line for line in complaints), (start, complaints)


@pytest.mark.parametrize(
    ("heal", "said"),
    [
        (HEAL.replace("at: outage.end", f"when: {{{QUEUE}, after: baseline.start}}"), "before the first fault at 7 s"),
        (HEAL.replace("at: outage.end", f"when: {{{QUEUE}, once: false}}"), "a fix happens once"),
        (f"  - {{when: {{{QUEUE}}}, do: pause, with: {{for: 1s}}, fix: true}}", "a pause mends nothing"),
    ],
)
def test_a_fix_that_could_not_be_counted_from_is_refused(
    spoilt: Callable[[str, str], str], heal: str, said: str
) -> None:
    assert said in spoilt(HEAL, heal)


def test_entries_that_wait_for_each_other_are_refused(spoilt: Callable[[str, str], str]) -> None:
    ring = "{when: {after_event: b}, do: kv.drop_queue, id: a}\n  - {when: {after_event: a}, do: kv.open_intake, id: b}"
    assert "a comes after b after a, so none of them ever happens; give one of them an `at`" in spoilt(*added(ring))
