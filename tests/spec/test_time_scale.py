"""`time_scale`: what is the event's is scaled, what is the run's is not, and a scale has an end."""

from __future__ import annotations

import pytest

from harness.errors import SpecError
from harness.spec import parse_experiment
from harness.spec.time_scale import quantities, read_scale, scaled

TEXT = """title: t
time_scale: 1min to 1s
client: {timeout: 500ms, deadline: 1s}
region: {dns: {negative_ttl: event 15min}}
load: {kv_reads: {arrivals: {rate: event 600/h}}}
phases: {outage: event 157min, recovery: event 300min}
timeline:
  - {at: outage.start + event 2min, do: kv.errors, with: {share: 1, for: event 3min}}
  - {at: outage.end, do: kv.drop_queue, fix: true}
variants: {plain: {}, faster: {time_scale: 3min to 1s}}
"""


def test_times_and_rates_of_the_event_are_scaled_and_those_of_the_run_are_not() -> None:
    found = parse_experiment(TEXT).variant("plain")
    assert (found.phases.outage_s, found.phases.recovery_s, found.phases.warm_up_s) == (157.0, 300.0, 2.0)
    assert found.load["kv_reads"].rate_per_s == 10.0
    assert found.region.dns is not None
    assert found.region.dns.negative_ttl_s == 15.0
    assert found.load["kv_reads"].client.timeout_s == 0.5
    moment = found.timeline[0].at
    assert moment is not None
    assert moment.at_s(found.spans()) == found.spans()["outage"].start_s + 2.0


def test_a_variant_may_be_played_at_another_scale() -> None:
    found = parse_experiment(TEXT).variant("faster")
    assert found.phases.recovery_s == 100.0
    assert found.load["kv_reads"].rate_per_s == 30.0
    assert found.time_scale == "3min to 1s"


def test_a_ttl_of_dns_becomes_a_whole_number_of_seconds() -> None:
    dns = parse_experiment(TEXT.replace("1min to 1s", "4min to 1s")).variant("plain").region.dns
    assert dns is not None
    assert dns.negative_ttl_s == 4.0  # of 3.75 s


def test_an_event_without_a_scale_is_as_long_as_it_was() -> None:
    assert scaled({"phases": {"outage": "event 2min"}}) == {"phases": {"outage": "120.0s"}}


def test_only_quantities_of_the_event_are_found_and_prose_is_left_alone() -> None:
    raw = {"title": "the event 5min in", "phases": {"outage": "event 2min", "drain": "3s"}}
    assert [one.path for one in quantities(raw)] == [("phases", "outage")]
    assert scaled(raw)["title"] == raw["title"]


@pytest.mark.parametrize(
    ("scale", "complaint"),
    [
        ("5h to 1s", r"time_scale: '5h to 1s' cannot be kept: it asks for 3,000 .* the largest that can be kept is"),
        ("60", r"time_scale: 60 is not a scale; write how long of the event is how long of the run"),
        ("1 to 2", r"time_scale: '1 to 2' is not a scale"),
        ("1s to 1min", r"time_scale: '1s to 1min' is out of bounds"),
    ],
)
def test_a_scale_that_cannot_be_kept_or_read_is_refused(scale: str, complaint: str) -> None:
    with pytest.raises(SpecError, match=complaint):
        parse_experiment(TEXT.replace("1min to 1s", scale))


def test_the_largest_scale_that_is_named_can_be_kept() -> None:
    with pytest.raises(SpecError) as refused:
        parse_experiment(TEXT.replace("1min to 1s", "5h to 1s"))
    largest = str(refused.value).rsplit("'", 2)[1]
    text = TEXT.replace("1min to 1s", largest)
    assert parse_experiment(text).variant("plain").time_scale == largest


def test_a_scale_whose_phases_are_shorter_than_a_timeout_is_refused() -> None:
    text = TEXT.replace("event 600/h", "1/s").replace("1min to 1s", "10h to 1s")
    with pytest.raises(SpecError, match=r"phases.outage .* would be over before a call has had its 500 ms"):
        parse_experiment(text.replace("event 2min", "1ms").replace("event 3min", "1ms"))


def test_a_scale_is_seconds_of_the_event_in_one_of_the_run() -> None:
    assert read_scale("4min to 1s") == 240.0
