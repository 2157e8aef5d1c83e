"""Gauges in Prometheus' exposition format, the same names for a single service and for a whole run.

Our gauges are called as our rows are (`queue_delay_s`); Prometheus wants base units spelt out, counters told from
gauges, and a word of help on every family. Renaming by hand, at each place that exposes something, ends with two names
for one thing. So there is one rule, here:

    served_total     blackstart_served_total            a counter
    queue_delay_s    blackstart_queue_delay_seconds     a gauge; `_per_s` becomes `_per_second`
    label            component="kv"                     bounded by the region: one value for each component

A family is written once with all its components, as the format demands. Values that are not numbers are left out. The
format itself, and OpenMetrics for those who ask for it in `Accept`, is prometheus-client's.

Source: prometheus.io, "Metric and label naming" and "Exposition formats"; `promtool check metrics` agrees.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.core import Metric

Readings = Mapping[str, Mapping[str, float]]  # component -> gauge -> value

_WORDS = {"per_s": "per_second", "s": "seconds", "counter": "desk"}  # a coffee shop's counter is not a kind of metric
_WORD = re.compile(r"(?<=_)(per_s|s|counter)(?=_|$)|^counter(?=_)")
_OTHER = re.compile(r"[^a-zA-Z0-9_]")


def name_of(gauge: str) -> str:
    """What Prometheus knows a gauge as."""
    plain = _OTHER.sub("_", gauge)
    return "blackstart_" + _WORD.sub(lambda word: _WORDS[word[0]], plain)


def families(readings: Readings) -> Iterator[Metric]:
    """One family for each gauge, with every component that reports it."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    gauges = sorted({gauge for found in readings.values() for gauge in found})
    for gauge in gauges:
        counts = gauge.endswith("_total")
        said = (
            f"{gauge.removesuffix('_total').replace('_', ' ')} of a component, {'since its start' if counts else 'now'}"
        )
        family = (CounterMetricFamily if counts else GaugeMetricFamily)(name_of(gauge), said, labels=["component"])
        for component, found in readings.items():
            if gauge in found and math.isfinite(found[gauge]):
                family.add_metric([component], found[gauge])
        yield family


def exposition(found: Iterable[Metric], accept: str = "") -> tuple[bytes, str]:
    """The families as text, and its content type, in the form that an `Accept` header asks for."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.registry import Collector

    held = list(found)

    class Held(Collector):
        def collect(self) -> Iterable[Metric]:
            return held

    registry = CollectorRegistry()
    registry.register(Held())
    encoder, content_type = choose_encoder(accept)
    return encoder(registry), content_type
