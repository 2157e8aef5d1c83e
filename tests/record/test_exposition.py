"""What Prometheus reads of our gauges: one family for each, base units, finite numbers, in a form its tools pass."""

from __future__ import annotations

import math
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text_format

from harness.record.exposition import exposition, families, name_of
from harness.spec.vocabulary import GAUGES

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
READINGS = {
    "kv": {"served_total": 7.0, "queue_delay_s": 0.25, "limit": math.inf},
    "dns": {"served_total": 2.0, "age_s": math.nan},
}


def read(text: bytes) -> dict[tuple[str, str], float]:
    samples = [sample for family in text_format(text.decode()) for sample in family.samples]
    return {(sample.name, sample.labels["component"]): sample.value for sample in samples}


def test_a_family_is_written_once_with_every_component_that_has_it() -> None:
    body, content_type = exposition(families(READINGS))
    assert read(body) == {
        ("blackstart_served_total", "kv"): 7.0,
        ("blackstart_served_total", "dns"): 2.0,
        ("blackstart_queue_delay_seconds", "kv"): 0.25,
    }
    assert body.count(b"# TYPE blackstart_served_total counter") == 1
    assert content_type.startswith("text/plain")


@pytest.mark.parametrize(
    ("gauge", "name"),
    [
        ("queue_delay_s", "blackstart_queue_delay_seconds"),
        ("paced_per_s", "blackstart_paced_per_second"),
        ("waiting-queue", "blackstart_waiting_queue"),
        ("sessions", "blackstart_sessions"),
        ("busy_s_total", "blackstart_busy_seconds_total"),
        ("waiting_counter", "blackstart_waiting_desk"),
        ("counter_served_total", "blackstart_desk_served_total"),
    ],
)
def test_units_are_spelt_out(gauge: str, name: str) -> None:
    assert name_of(gauge) == name


def test_whoever_asks_for_openmetrics_gets_it() -> None:
    body, content_type = exposition(families(READINGS), OPEN_METRICS)
    assert content_type.startswith("application/openmetrics-text")
    assert {family.name for family in open_metrics(body.decode())} >= {"blackstart_served"}  # type: ignore[no-untyped-call]


@given(st.dictionaries(st.sampled_from(sorted(GAUGES)), st.dictionaries(st.text(min_size=1), st.floats())))
def test_whatever_is_read_can_be_read_again(readings: dict[str, dict[str, float]]) -> None:
    body, _ = exposition(families(readings))
    assert all(math.isfinite(value) for value in read(body).values())


def test_promtool_has_nothing_to_say_of_any_gauge_there_is() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool here; Debian's package prometheus has it")
    body, _ = exposition(families({component: dict.fromkeys(names, 1.0) for component, names in GAUGES.items()}))
    done = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
