"""Envoy's gradient controller: measure the unloaded time on purpose, then scale the limit by the present ratio to it.

Vegas meets the best time by luck and may mistake a queue for it. Envoy goes and looks: now and then it clamps the
server to 3 jobs inside, takes the median of 50 results as minRTT, and then lets the limit loose again. In between,
each 100 ms:

    g      = clamp(minRTT x (1 + buffer) / sampleRTT, 0.5, 2)        sampleRTT: median over the 100 ms
    limit  = floor(limit x g + sqrt(limit x g))                      within [3, 1000]

The square root is head-room for bursts. A probe costs what it looks like: during it the server takes 3 jobs at a time,
and under load most are refused. Five updates in a row at the floor force a probe, since then minRTT is likely stale
(the service has become slower).

The next probe comes after interval x (1 + jitter x u), so that a fleet does not probe together; u is the draw of the
latest job asked about. Only jobs accepted during the probe count for it; a job dropped from the line gave no answer and
is no sample. Medians are P-square estimates, and a window closes at the first result after its end, where Envoy uses
a histogram and a timer.
Source: Envoy adaptive_concurrency filter (gradient_controller.cc and its proto): 100 ms, p50, 50 requests, 3, 25 %,
15 %, 1000; the probe interval has no default there and is 60 s in its examples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.policies.entry import Entry, count, seconds, share
from harness.policies.quantile import Quantile, add, value
from harness.policies.server_steps import QUEUE_FULL, AdmissionSteps

_FLOORED_MAX = 5  # updates in a row at the floor that force a probe


class EnvoyGradientSpec(NamedTuple):
    """Limits in jobs, times in seconds, the rest shares."""

    lowest: int
    highest: int
    update_s: float
    percentile: float
    probe_every_s: float
    probe_results: int
    jitter: float
    buffer: float


class EnvoyGradient(NamedTuple):
    """The limit in force, and what is being measured."""

    limit: int
    probing: bool
    resume: int  # the limit to go back to after the probe
    since_s: float  # start of the probe
    probe_at_s: float
    min_rtt_s: float
    floored: int  # updates in a row at the floor
    window_ends_s: float
    sample: Quantile
    u: float


def start(spec: EnvoyGradientSpec, now_s: float) -> EnvoyGradient:
    """Probing, since nothing is known."""
    none = Quantile(0, math.inf, math.inf, math.inf, math.inf, math.inf, 2.0, 3.0, 4.0)
    return EnvoyGradient(spec.lowest, True, spec.lowest, now_s, math.inf, 0.0, 0, math.inf, none, 0.5)


def admit(
    spec: EnvoyGradientSpec,
    state: EnvoyGradient,
    now_s: float,
    in_service: int,
    queued: int,
    oldest_wait_s: float,
    u: float,
) -> tuple[EnvoyGradient, bool]:
    """Whether fewer jobs than the limit are inside; starts the probe when its time has come."""
    if not state.probing and now_s >= state.probe_at_s:
        none = Quantile(0, math.inf, math.inf, math.inf, math.inf, math.inf, 2.0, 3.0, 4.0)
        state = EnvoyGradient(
            spec.lowest, True, state.limit, now_s, math.inf, state.min_rtt_s, 0, math.inf, none, u
        )
        return state, in_service + queued < spec.lowest
    limit, probing, resume, since_s, probe_at_s, min_rtt_s, floored, window_ends_s, sample, _ = state
    state = EnvoyGradient(
        limit, probing, resume, since_s, probe_at_s, min_rtt_s, floored, window_ends_s, sample, u
    )
    return state, in_service + queued < limit


def on_done(
    spec: EnvoyGradientSpec,
    state: EnvoyGradient,
    now_s: float,
    delay_s: float,
    service_s: float,
    inside: int,
    dropped: bool,
) -> EnvoyGradient:
    """Learn from one result that took delay_s + service_s."""
    if dropped and service_s == 0.0:
        return state
    limit, probing, resume, since_s, probe_at_s, min_rtt_s, floored, window_ends_s, sample, u = state
    rtt_s = delay_s + service_s
    if probing:
        if now_s - rtt_s < since_s:
            return state
        sample = add(sample, spec.percentile, rtt_s)
        if sample.samples < spec.probe_results:
            return EnvoyGradient(limit, True, resume, since_s, probe_at_s, min_rtt_s, 0, math.inf, sample, u)
        none = Quantile(0, math.inf, math.inf, math.inf, math.inf, math.inf, 2.0, 3.0, 4.0)
        probe_at_s = now_s + spec.probe_every_s * (1.0 + spec.jitter * u)
        min_rtt_s = value(sample, spec.percentile)
        return EnvoyGradient(
            resume, False, resume, since_s, probe_at_s, min_rtt_s, 0, now_s + spec.update_s, none, u
        )

    if now_s < window_ends_s or sample.samples == 0:
        sample = add(sample, spec.percentile, rtt_s)
        return EnvoyGradient(
            limit, False, resume, since_s, probe_at_s, min_rtt_s, floored, window_ends_s, sample, u
        )

    sample_s = value(sample, spec.percentile)
    gradient = 2.0
    if sample_s > 0.0:
        gradient = max(0.5, min(2.0, min_rtt_s * (1.0 + spec.buffer) / sample_s))
    scaled = limit * gradient
    limit = min(max(int(scaled + math.sqrt(scaled)), spec.lowest), spec.highest)
    floored = floored + 1 if limit == spec.lowest else 0
    none = Quantile(0, math.inf, math.inf, math.inf, math.inf, math.inf, 2.0, 3.0, 4.0)
    if floored >= _FLOORED_MAX:
        return EnvoyGradient(spec.lowest, True, limit, now_s, math.inf, min_rtt_s, 0, math.inf, none, u)
    sample = add(none, spec.percentile, rtt_s)
    return EnvoyGradient(
        limit, False, limit, since_s, probe_at_s, min_rtt_s, floored, now_s + spec.update_s, sample, u
    )


def build(
    lowest: float,
    highest: float,
    update: float,
    percentile: float,
    probe_every: float,
    probe_results: float,
    jitter: float,
    buffer: float,
) -> EnvoyGradientSpec:
    """From the parameters of the catalogue."""
    return EnvoyGradientSpec(
        int(lowest), int(highest), update, percentile, probe_every, int(probe_results), jitter, buffer
    )


def check(params: Mapping[str, Any]) -> str | None:
    """The floor must not be above the ceiling, and probes must leave room for updates."""
    if params["lowest"] > params["highest"]:
        return f"lowest {params['lowest']:g} is above highest {params['highest']:g}; set lowest <= highest"
    if params["probe_every"] <= params["update"]:
        return (
            f"probe_every {params['probe_every']:g} s is not above update {params['update']:g} s, so the limit would "
            "never be updated; make it hundreds of updates long"
        )
    return None


ADMISSION = {EnvoyGradientSpec: AdmissionSteps(start, admit, on_done, QUEUE_FULL, True)}

ENTRIES: tuple[Entry, ...] = (
    Entry(
        kind="envoy_gradient",
        side="server",
        slot="admission",
        rule="each update: limit <- g limit + sqrt(g limit), g = clamp(minRTT (1 + buffer) / sample, .5, 2)",
        params=(
            count("lowest", 3, "the limit while measuring minRTT, and the floor"),
            count("highest", 1000, "the limit never rises above"),
            seconds("update", 0.1, "length of a sample window"),
            share("percentile", 0.5, "of the times in a window", low=0.0, high=0.999, open_=True),
            seconds("probe_every", 60.0, "between measurements of minRTT"),
            count("probe_results", 50, "results in a measurement of minRTT"),
            share("jitter", 0.15, "added to probe_every at random, at most"),
            share("buffer", 0.25, "how much slower than minRTT is still normal", high=10.0),
        ),
        source="Envoy adaptive_concurrency, gradient_controller.cc",
        build=build,
        check=check,
    ),
)
