"""World and kernel are the same run with an app between callers and store, and with names that stop resolving.

The app doubles what can go wrong in restating a world: two retry loops, calls that follow one another, flows that a
caller takes along, replays that begin in the middle of another flow's step, and an outbox whose order of events is not
that of its items. All rows of all five files are compared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.flows.wants import Cause
from harness.plan import make_plan
from harness.sim.kernels import run_kernel, run_summary, why_not
from harness.sim.network import Delays
from harness.spec.load import load_experiment
from tests.sim.kernel_pairs import NO_DELAYS, TROUBLES, WINDOW_NS, agree, plan_of, slow

RELAXED = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
PHASES = {"warm_up": "300ms", "baseline": "300ms", "outage": "600ms", "recovery": "900ms"}


@pytest.mark.parametrize(("variant", "seed"), [("naive", 7), ("budget", 8), ("budget_unpaced", 9), ("race_fixed", 10)])
def test_the_flagship_is_the_same_run(experiments: Path, variant: str, seed: int) -> None:
    plan = make_plan(load_experiment(experiments / "dns_race.yaml"), variant, seed, engine="world")
    rows = agree(plan)
    nameless = rows.app_attempt[rows.app_attempt["cause"] == Cause.DNS_EMPTY]
    assert (nameless.size > 0) == (variant != "race_fixed")
    told_s = run_summary(plan).first_empty_s + Delays().query_s / 2  # when the answer is back
    assert nameless["ended_ns"].min(initial=2**62) == (round(told_s * 1e9) if nameless.size else 2**62)
    assert rows.app_attempt["parent"].all() == (nameless.size == 0), "what it owed was repeated, on nobody's behalf"


@st.composite
def clients(draw: st.DrawFn) -> dict[str, Any]:
    attempts = draw(st.sampled_from([1, 2, 3]))
    backoffs = ["none", {"kind": "exponential", "base": "20ms", "cap": "200ms", "jitter": "full"}]
    return {
        "deadline": draw(st.sampled_from(["250ms", "800ms", "2s"])),
        "timeout": draw(st.sampled_from(["50ms", "200ms", "400ms"])),
        "attempts": attempts,
        "propagate_deadline": draw(st.booleans()),
        "backoff": draw(st.sampled_from(backoffs)),
        "retry_budget": draw(st.sampled_from(["none", {"ratio": 0.5, "burst": 5}])) if attempts > 1 else "none",
    }


@st.composite
def experiments_of_an_app(draw: st.DrawFn) -> dict[str, Any]:
    negative_ttl = draw(st.sampled_from(["0s", "1s"]))
    return {
        "title": "An app in trouble",
        "region": {
            "dns": {
                "ttl": draw(st.sampled_from(["0s", "1s"])),
                "negative_ttl": negative_ttl,
                "answer_kind": draw(st.sampled_from(["nodata", "nxdomain", "servfail"])),
            },
            "kv": {
                "slots": draw(st.sampled_from([1, 4])),
                "service": {"mean": "10ms", "distribution": draw(st.sampled_from(["fixed", "exponential"]))},
                "connection": {"max_age": draw(st.sampled_from(["none", "1s", "100ms"]))},
                "admission": draw(st.sampled_from(["none", {"kind": "queue", "limit": 5}])),
                "discipline": draw(st.sampled_from(["fifo", "lifo"])),
            },
            "mobile_banking": {
                "client": draw(clients()),
                "connection": {"max_age": draw(st.sampled_from(["none", "200ms"]))},
                "sessions": {"ttl": draw(st.sampled_from(["500ms", "8s"])), "prewarmed": draw(st.booleans())},
                "outbox": {
                    "senders": draw(st.sampled_from([1, 4, 50])),
                    "pace": draw(st.sampled_from(["none", "30/s"])),
                    "retry_wait": draw(st.sampled_from(["50ms", "400ms"])),
                    "capacity": draw(st.sampled_from([3, 1000])),
                },
                "idempotency_keys": draw(st.booleans()),
                "admission": draw(st.sampled_from(["none", {"kind": "queue", "limit": 50}])),
                "resolver": draw(st.sampled_from(["ttl", "c_ares", "forever", "serve_stale"])),
            },
        },
        "conventions": {
            "late_replies": draw(st.booleans()),
            "cancellation": draw(st.booleans()),
            "service_draw": draw(st.sampled_from(["acceptance", "start"])),
            "refusal": draw(st.sampled_from(["answered", "silent"])),
        },
        "client": draw(clients()),
        "load": {
            "mobile_banking": {
                "arrivals": {
                    "rate": draw(st.sampled_from(["20/s", "60/s", "150/s"])),
                    "process": draw(st.sampled_from(["even", "poisson"])),
                },
                "users": draw(st.sampled_from([1, 5, 400])),
                "mix": draw(st.sampled_from([{"transfer": 1.0}, {"transfer": 0.7, "balance": 0.3}, {"balance": 1.0}])),
            }
        },
        "phases": {**PHASES, "drain": draw(st.sampled_from(["100ms", "1s"]))},
        "timeline": draw(st.sampled_from((*TROUBLES, slow({"do": "mobile_banking.errors", "with": {"share": 0.4}})))),
    }


@RELAXED
@given(experiments_of_an_app(), st.integers(0, 2**63 - 1), st.sampled_from([None, NO_DELAYS]))
def test_any_app_in_any_trouble_is_the_same_run(spec: dict[str, Any], seed: int, delays: Delays | None) -> None:
    agree(plan_of(spec, seed), delays)


@settings(RELAXED, max_examples=15)
@given(experiments_of_an_app(), st.integers(0, 2**32))
def test_a_summary_counts_the_rows_of_both_layers(spec: dict[str, Any], seed: int) -> None:
    plan = plan_of(spec, seed)
    rows, summary = run_kernel(plan), run_summary(plan, window_s=WINDOW_NS / 1e9)
    counted = summary.windows
    last = counted.size - 1  # what is sent at the very end counts with what was sent just before

    def per_window(sent_ns: Any) -> list[int]:
        found: list[int] = np.bincount(np.minimum(sent_ns // WINDOW_NS, last), minlength=counted.size).tolist()
        return found

    inner = rows.app_attempt
    assert per_window(rows.attempt["sent_ns"]) == counted["attempts"].tolist()
    assert per_window(inner["sent_ns"]) == counted["app_attempts"].tolist()
    assert per_window(inner["sent_ns"][inner["n"] == 0]) == counted["app_first_tries"].tolist()
    assert per_window(rows.operation["intended_ns"]) == counted["due"].tolist()
    assert summary.attempts == rows.attempt.size + inner.size
    began = rows.served["began_ns"][rows.served["began_ns"] >= 0]
    assert per_window(began) == counted["began"].tolist()


def flagship(**app: Any) -> dict[str, Any]:
    """A small flagship, with more on the app."""
    return {
        "title": "A policy in the middle",
        "region": {"kv": {"slots": 2, "admission": {"kind": "queue", "limit": 20}}, "mobile_banking": app},
        "conventions": {"late_replies": True, "cancellation": True},
        "client": {"deadline": "1s", "timeout": "150ms", "attempts": 3},
        "load": {"mobile_banking": {"arrivals": {"rate": "70/s"}}},
        "phases": {"warm_up": "500ms", "baseline": "1s", "outage": "1s", "recovery": "3s", "drain": "1s"},
        "timeline": slow({"do": "kv.latency", "with": {"mean": "100ms"}}),
    }


POLICIES: list[dict[str, Any]] = [
    {"client": {"breaker": {"kind": "consecutive", "failures": 3, "open_for": "100ms"}}},
    {"client": {"limiter": {"kind": "pace", "rate": "90/s", "burst": 5}, "attempts": 3}},
    {"admission": {"kind": "aimd", "timeout": "100ms"}, "outbox": {"retry_wait": "300ms"}},
]


@pytest.mark.long
@pytest.mark.parametrize("app", POLICIES, ids=lambda value: str(value)[:60])
def test_an_app_under_a_policy_of_its_own_decides_alike(app: dict[str, Any]) -> None:
    for seed in (1, 2, 3):
        rows = agree(plan_of(flagship(**app), seed))
        assert rows.app_attempt["n"].max() > 0


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (
            {"region": {"mobile_banking": {"client": {"hedge": {"delay": "20ms"}}}}},
            "region.mobile_banking.client.hedge",
        ),
        ({"region": {"mobile_banking": {"offline": {}}}}, "region.mobile_banking.offline"),
        ({"phases": {"recovery": "700s"}}, "phases"),
        ({"region": {"status": {}}}, "region.status"),
        ({"timeline": slow({"do": "mobile_banking.crash"})}, "timeline"),
        ({"load": {"tokens": {"arrivals": {"rate": "5/s"}}}, "region": {"identity": {}}}, "load"),
    ],
)
def test_what_it_cannot_express_of_an_app_is_said_with_the_part(change: dict[str, Any], part: str) -> None:
    reason = why_not(plan_of({**flagship(), "region": {}, **change}, 1))
    assert reason is not None
    assert reason.partition(":")[0] == part
    assert "blackstart simulate" in reason
