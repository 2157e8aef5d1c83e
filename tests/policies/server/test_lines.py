"""Waiting lines against lists: any mix of joining, leaving and withdrawing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.policies.discipline import AdaptiveLifoSpec, FifoSpec, LifoSpec
from harness.policies.fair import FairSpec
from harness.policies.server import new_line

STEPS = st.lists(
    st.tuples(st.sampled_from(["push", "push", "pop", "remove"]), st.integers(0, 3), st.integers(0, 200)), max_size=150
)


class Slow:
    """The obvious line: a list, searched."""

    def __init__(self, spec: Any) -> None:
        self.spec, self.jobs, self.empty_at = spec, [], 0.0  # jobs: (number, tenant)
        self.round: list[int] = []

    def push(self, job: int, tenant: int, now: float) -> None:
        if not self.jobs:
            self.empty_at = now
        if tenant not in self.round:
            self.round.append(tenant)
        self.jobs.append((job, tenant))

    def pop(self, now: float) -> int:
        if isinstance(self.spec, LifoSpec):
            return self.jobs.pop()[0]
        if isinstance(self.spec, AdaptiveLifoSpec) and now - self.empty_at > self.spec.interval_s:
            return self.jobs.pop()[0]
        if isinstance(self.spec, FairSpec):
            turn = self.round.pop(0)
            job = next(job for job in self.jobs if job[1] == turn)
            self.jobs.remove(job)
            if any(tenant == turn for _, tenant in self.jobs):
                self.round.append(turn)
            return job[0]
        return self.jobs.pop(0)[0]

    def remove(self, job: int) -> None:
        tenant = next(t for j, t in self.jobs if j == job)
        self.jobs.remove((job, tenant))
        if not any(t == tenant for _, t in self.jobs):
            self.round.remove(tenant)


@pytest.mark.parametrize("spec", [FifoSpec(), LifoSpec(), AdaptiveLifoSpec(10.0), FairSpec(0)])
@given(steps=STEPS)
def test_every_line_agrees_with_a_list(spec: Any, steps: list[tuple[str, int, int]]) -> None:
    line, slow = new_line(spec, 0.0), Slow(spec)
    for number, (what, tenant, pick) in enumerate(steps):
        now = number * 0.7
        if what == "push":
            line.push(number, tenant, now)
            slow.push(number, tenant, now)
        elif slow.jobs and what == "pop":
            assert line.pop(now) == slow.pop(now)
        elif slow.jobs:
            job = slow.jobs[pick % len(slow.jobs)][0]
            line.remove(job)
            slow.remove(job)
        assert len(line) == len(slow.jobs)


@given(st.lists(st.integers(1, 400), min_size=2, max_size=6))
def test_while_all_tenants_wait_their_turns_never_differ_by_more_than_one(backlogs: list[int]) -> None:
    line = new_line(FairSpec(0), 0.0)
    tenant_of = {}
    for tenant, backlog in enumerate(backlogs):
        for _ in range(backlog):
            tenant_of[len(tenant_of)] = tenant
            line.push(len(tenant_of) - 1, tenant, 0.0)
    served = [0] * len(backlogs)
    while all(done < backlog for done, backlog in zip(served, backlogs, strict=True)):
        served[tenant_of[line.pop(0.0)]] += 1
        assert max(served) - min(served) <= 1


def test_a_flood_fills_only_its_own_line() -> None:
    line = new_line(FairSpec(3), 0.0)
    for job in range(3):
        assert line.has_room(0)
        line.push(job, 0, 0.0)
    assert not line.has_room(0)
    assert line.has_room(1)
    line.pop(0.0)
    assert line.has_room(0)


def test_adaptive_lifo_turns_after_its_interval_and_back_when_the_line_has_emptied() -> None:
    line = new_line(AdaptiveLifoSpec(0.125), 0.0)
    for job in range(5):
        line.push(job, 0, 1.0)
    assert line.pop(1.125) == 0  # exactly the interval: still calm
    assert line.pop(1.2) == 4
    while len(line):
        line.pop(1.3)
    line.push(5, 0, 2.0)
    line.push(6, 0, 2.01)
    assert line.pop(2.05) == 5
