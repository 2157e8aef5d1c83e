"""World and kernel write the same rows, byte for byte and in the same order, for whatever both can run.

The two share policies and draws, and nothing of the loop: objects on a heap here, tables there. Compared are all rows
of all three kinds. Hypothesis looks for settings in which an order of events at one moment, a late reply or a job that
is withdrawn is treated differently.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.plan import make_plan
from harness.sim.kernels import run_kernel, run_summary, why_not
from harness.sim.network import Delays
from harness.spec.load import load_experiment
from tests.sim.kernel_pairs import NO_DELAYS, TROUBLES, WINDOW_NS, agree, plan_of


@pytest.mark.parametrize("variant", ["d0_4", "d2"])
@pytest.mark.parametrize("seed", [1, 2])
def test_slow_dependency_is_the_same_run(experiments: Path, variant: str, seed: int) -> None:
    plan = make_plan(load_experiment(experiments / "slow_dependency.yaml"), variant, seed, engine="world")
    rows = agree(plan)
    assert rows.attempt.size > rows.operation.size or variant == "d0_4"


BACKOFFS = st.one_of(
    st.just("none"),
    st.just({"kind": "fixed", "delay": "50ms"}),
    st.builds(
        lambda jitter: {"kind": "exponential", "base": "20ms", "cap": "200ms", "jitter": jitter},
        st.sampled_from(["none", "full", "equal", "decorrelated", "spread"]),
    ),
)
BUDGETS = st.sampled_from(["none", {"ratio": 0.1, "burst": 1}, {"ratio": 0.5, "burst": 5}])
ADMISSIONS = st.sampled_from(["none", {"kind": "queue", "limit": 1}, {"kind": "queue", "limit": 20}])
DISCIPLINES = st.sampled_from(["fifo", "lifo", {"kind": "adaptive_lifo", "interval": "50ms"}])


@st.composite
def experiments_of_one_store(draw: st.DrawFn) -> dict[str, Any]:
    attempts = draw(st.sampled_from([1, 2, 3, 5]))
    return {
        "title": "A store in trouble",
        "region": {
            "mobile_banking": None,
            "kv": {
                "slots": draw(st.sampled_from([1, 4])),
                "service": {
                    "mean": draw(st.sampled_from(["10ms", "25ms"])),
                    "distribution": draw(st.sampled_from(["fixed", "exponential"])),
                },
                "connection": {"max_age": draw(st.sampled_from(["none", "1s", "100ms"]))},
                "admission": draw(ADMISSIONS),
                "discipline": draw(DISCIPLINES),
            },
        },
        "conventions": {
            "late_replies": draw(st.booleans()),
            "cancellation": draw(st.booleans()),
            "service_draw": draw(st.sampled_from(["acceptance", "start"])),
            "refusal": draw(st.sampled_from(["answered", "silent"])),
        },
        "client": {
            "deadline": draw(st.sampled_from(["300ms", "800ms", "2s"])),
            "timeout": draw(st.sampled_from(["50ms", "200ms", "400ms"])),
            "attempts": attempts,
            "propagate_deadline": draw(st.booleans()),
            "backoff": draw(BACKOFFS),
            "retry_budget": draw(BUDGETS) if attempts > 1 else "none",
        },
        "load": {
            "kv_reads": {
                "arrivals": {
                    "rate": draw(st.sampled_from(["20/s", "100/s", "200/s"])),
                    "process": draw(st.sampled_from(["even", "poisson"])),
                }
            }
        },
        "phases": {
            "warm_up": "300ms",
            "baseline": "300ms",
            "outage": "500ms",
            "recovery": "800ms",
            "drain": draw(st.sampled_from(["100ms", "1s"])),
        },
        "timeline": draw(st.sampled_from(TROUBLES)),
    }


RELAXED = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


@RELAXED
@given(experiments_of_one_store(), st.integers(0, 2**63 - 1), st.sampled_from([None, NO_DELAYS]))
def test_any_store_in_any_trouble_is_the_same_run(spec: dict[str, Any], seed: int, delays: Delays | None) -> None:
    agree(plan_of(spec, seed), delays)


@RELAXED
@given(experiments_of_one_store(), st.integers(0, 2**32))
def test_a_summary_counts_the_rows(spec: dict[str, Any], seed: int) -> None:
    plan = plan_of(spec, seed)
    rows, counted = run_kernel(plan), run_summary(plan, window_s=WINDOW_NS / 1e9).windows
    intended = (rows.operation["intended_ns"] / WINDOW_NS).astype(int)
    due = np.bincount(intended, minlength=counted.size)
    good = np.bincount(intended, weights=rows.operation["outcome"] == 0, minlength=counted.size)
    last = counted.size - 1  # what is sent at the very end counts with what was sent just before
    sent = np.bincount(np.minimum(rows.attempt["sent_ns"] / WINDOW_NS, last).astype(int), minlength=counted.size)
    assert due.tolist() == counted["due"].tolist()
    assert good.tolist() == counted["good"].tolist()
    assert sent.tolist() == counted["attempts"].tolist()
    ends = [counted[name].sum() for name in ("good", "late", "failed", "throttled", "unfinished")]
    assert ends == [np.count_nonzero(rows.operation["outcome"] == code) for code in (0, 1, 2, 3, 5)]


POLICIES = [
    ("client", {"breaker": {"kind": "consecutive", "failures": 3, "open_for": "100ms"}}),
    ("client", {"breaker": {"kind": "hystrix", "min_calls": 5, "open_for": "100ms"}}),
    ("client", {"limiter": {"kind": "pace", "rate": "150/s", "burst": 5}}),
    ("client", {"limiter": {"kind": "sre", "window": "2s", "bucket": "200ms"}}),
    ("client", {"limiter": "botocore_adaptive", "backoff": "botocore_standard", "retry_budget": "botocore"}),
    ("client", {"retry_budget": "grpc_throttling"}),
    ("client", {"retry_budget": "finagle"}),
    ("kv", {"admission": {"kind": "aimd", "timeout": "100ms"}}),
    ("kv", {"admission": {"kind": "envoy_gradient", "lowest": 3}}),
    ("kv", {"admission": {"kind": "token_bucket", "rate": "80/s", "burst": 5}, "drop": "expired"}),
    ("kv", {"drop": {"kind": "deadline"}}),
    ("kv", {"drop": {"kind": "codel", "target": "20ms", "interval": "100ms"}}),
    ("kv", {"drop": {"kind": "facebook_codel", "target": "20ms", "interval": "100ms"}, "discipline": "lifo"}),
]


@pytest.mark.long
@pytest.mark.parametrize(("side", "policy"), POLICIES, ids=lambda value: str(value)[:60])
def test_every_sort_of_policy_decides_alike(side: str, policy: dict[str, Any]) -> None:
    spec: dict[str, Any] = {
        "title": "A store under a policy",
        "region": {"mobile_banking": None, "kv": {"slots": 2, "service": {"mean": "20ms"}}},
        "client": {"deadline": "1s", "timeout": "150ms", "attempts": 4, "propagate_deadline": True},
        "load": {"kv_reads": {"arrivals": {"rate": "90/s"}}},
        "phases": {"warm_up": "500ms", "baseline": "1s", "outage": "1s", "recovery": "3s", "drain": "1s"},
        "timeline": TROUBLES[0],
    }
    (spec["client"] if side == "client" else spec["region"]["kv"]).update(policy)
    for seed in (1, 2, 3):
        agree(plan_of(spec, seed))


CRASH = [
    {"at": "outage.start", "do": "kv.crash", "with": {"for": "1s"}},
    {"at": "outage.end", "do": "kv.heal", "with": {"fault": "crash"}, "fix": True},
]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"client": {"hedge": {"delay": "20ms"}, "attempts": 3}}, "client.hedge"),
        ({"region": {"kv": {"priority": "first_tries"}}}, "kv.priority"),
        ({"region": {"kv": {"discipline": "fair"}}}, "kv.discipline"),
        ({"load": {"mobile_banking": {"arrivals": {"rate": "5/s"}}}}, "load"),
        ({"timeline": CRASH}, "timeline"),
    ],
)
def test_what_it_cannot_express_is_said_with_the_part(change: dict[str, Any], part: str) -> None:
    spec: dict[str, Any] = {
        "title": "Too much",
        "load": {"kv_reads": {"arrivals": {"rate": "5/s"}}},
        "timeline": TROUBLES[0],
    }
    load = spec["load"] | change.pop("load", {})
    reason = why_not(plan_of({**spec, "load": load, **change}, 1))
    assert reason is not None
    assert reason.partition(":")[0].endswith(part)
    assert "blackstart simulate" in reason
