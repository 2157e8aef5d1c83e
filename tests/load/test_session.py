"""A run is refused before any load when it cannot be loaded as it is."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from harness.errors import RecordError, RunError, SpecError
from harness.load.find_run import Found
from harness.load.session import Session
from harness.memory import MemoryGuard
from harness.plan import make_plan
from harness.policies.resolver import ResolverSpec
from harness.record.folder import RunFolder
from harness.record.region import lay_out
from harness.spec.load import parse_experiment

EXPERIMENT = """
title: t
description: d
client: {{deadline: 1s, timeout: 300ms{client}}}
load:
  mobile_banking: {{arrivals: {{rate: 50/s, process: poisson}}{patch}}}
  kv_reads: {{arrivals: {{rate: 25/s, process: even}}}}
phases: {{warm_up: 0s, baseline: 1s, outage: 1s, recovery: 2s, drain: 1s}}
timeline:
  - {{at: outage.start, do: kv.latency, with: {{mean: 30ms, for: 1s}}}}
  - {{at: outage.end, do: kv.drop_queue, fix: true}}
variants: {{only: {{}}}}
"""


@pytest.fixture(autouse=True)
def _own_resolver() -> Iterator[None]:
    hub = gevent.get_hub()
    before = hub._resolver
    yield
    hub.resolver = before


def found(path: Path, client: str = "", patch: str = "", orchestrated: bool = True) -> Found:
    plan = make_plan(parse_experiment(EXPERIMENT.format(client=client, patch=patch), "t"), "only", 3)
    folder = RunFolder.create(path, "t", "only", 3, "x")
    lay_out(240, plan.components).save(folder.region)
    folder.write_json(folder.plan, plan.to_json())
    return Found(folder, orchestrated)


def rewrite(where: Found, change: Any) -> None:
    region = where.folder.read_json(where.folder.region)
    change(region)
    where.folder.write_json(where.folder.region, region)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_workers_shares_are_together_the_plan(tmp_path: Path, workers: int) -> None:
    where = found(tmp_path)
    shares = [Session(where, worker, workers).arrivals for worker in range(workers)]
    whole = Session(where).arrivals
    assert sorted((a for share in shares for a in share), key=lambda a: a.op) == whole
    assert [a.op for a in whole] == list(range(1, len(whole) + 1))
    assert {a.story for a in whole} == {0, 1}
    assert max(len(share) for share in shares) - min(len(share) for share in shares) <= 1


def test_two_sessions_of_one_plan_schedule_the_same(tmp_path: Path) -> None:
    where = found(tmp_path)
    assert Session(where).arrivals == Session(where).arrivals


def test_the_resolver_of_the_hub_is_ours(tmp_path: Path) -> None:
    session = Session(found(tmp_path))
    assert gevent.get_hub().resolver is session.resolver


@pytest.mark.parametrize(
    ("client", "spec"),
    [("", ResolverSpec()), (", resolver: none", ResolverSpec(keep_s_max=0.0)), (", resolver: ttl", ResolverSpec())],
)
def test_the_resolver_policy_is_the_experiments(tmp_path: Path, client: str, spec: ResolverSpec) -> None:
    assert Session(found(tmp_path, client)).resolver.cache.spec == spec


def test_two_stories_cannot_have_two_resolvers_in_one_process(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"kv_reads.client.resolver: ttl, but another story has forever.*one resolver"):
        Session(found(tmp_path, patch=", client: {resolver: forever}"))


@pytest.mark.parametrize("what", ["dns_address", "kv"])
def test_a_target_off_loopback_is_refused(tmp_path: Path, what: str) -> None:
    where = found(tmp_path)
    if what == "kv":
        rewrite(where, lambda region: region["components"]["kv"].update(addresses=["127.240.3.1", "192.0.2.1"]))
    else:
        rewrite(where, lambda region: region.update(dns_address="192.0.2.1"))
    with pytest.raises(SpecError, match=r"192\.0\.2\.1, which is not on loopback"):
        Session(where)


def test_a_story_whose_app_is_absent_is_refused(tmp_path: Path) -> None:
    where = found(tmp_path)
    rewrite(where, lambda region: region["components"].pop("mobile_banking"))
    with pytest.raises(SpecError, match=r"talks to mobile_banking, which is not in the region \(dns, kv\)"):
        Session(where)


def test_a_damaged_plan_is_refused(tmp_path: Path) -> None:
    where = found(tmp_path)
    where.folder.plan.write_text('{"schema_version": 99}')
    with pytest.raises(RecordError, match="schema_version is 99"):
        Session(where)


def test_ready_comes_before_the_zero_is_known(tmp_path: Path) -> None:
    where = found(tmp_path)
    session = Session(where)
    job = gevent.spawn(session.await_zero)
    gevent.sleep(0.03)
    assert (where.folder.path / "load.ready").exists()
    assert not job.ready()
    where.folder.write_json(where.folder.plan, session.plan.at_zero(12345).to_json())
    assert job.get(timeout=2) == 12345


def test_each_load_of_a_served_region_has_its_own_files(tmp_path: Path) -> None:
    where = found(tmp_path, orchestrated=False)
    assert Session(where).worker == 0
    (where.folder.rows / "load-0-operation.rows").touch()
    assert Session(where).worker == 1
    for number in range(1, 1000):
        (where.folder.rows / f"load-{number}-operation.rows").touch()
    with pytest.raises(RunError, match="serve the region again"):
        Session(where)


def test_the_collector_is_off_while_guarded_and_runs_when_the_process_has_grown() -> None:
    assert gc.isenabled()
    patient, eager = MemoryGuard(), MemoryGuard(grow_bytes=-(1 << 40))  # due even if the kernel takes pages back
    assert not gc.isenabled()
    assert not patient.look()
    assert eager.look()
    assert (patient.collections, eager.collections) == (0, 1)
    patient.release()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
