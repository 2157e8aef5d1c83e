"""Five ways to believe DNS, on one outage: empty from 10 s to 20 s, repaired at 20 s."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.models.dns_cache import Answer, DnsCache, read
from harness.policies.entry import make
from harness.policies.resolver import ENTRIES, FOUND, NO_REPLY, NODATA, NXDOMAIN, SERVFAIL, ResolverSpec, keep_s

GOOD = Answer(FOUND, ("127.10.3.1",), ttl_s=1.0, other_ttl_s=1.0)
NEWER = Answer(FOUND, ("127.10.3.9",), ttl_s=1.0, other_ttl_s=1.0)
EMPTY = Answer(NODATA, negative_ttl_s=2.0)
ABSENT = Answer(NXDOMAIN, negative_ttl_s=2.0)
BROKEN = Answer(SERVFAIL)
SILENT = Answer(NO_REPLY)


def policy(kind: str, **given_: Any) -> ResolverSpec:
    (entry,) = (entry for entry in ENTRIES if entry.kind == kind)
    spec = make(entry, given_)
    assert isinstance(spec, ResolverSpec)
    return spec


def outage(
    spec: ResolverSpec, while_empty: Answer, every_s: float = 0.25, end_s: float = 40.0
) -> tuple[DnsCache, list[float]]:
    """One look-up every `every_s`; the moments at which there were no addresses to use."""
    cache = DnsCache(spec)
    without = []
    for step in range(int(end_s / every_s)):
        now_s = step * every_s
        answer = cache.lookup("kv", now_s)
        if answer is None:
            answer = cache.store("kv", while_empty if 10.0 <= now_s < 20.0 else GOOD, now_s)
        if not answer.addresses:
            without.append(now_s)
    return cache, without


@pytest.mark.parametrize(
    ("kind", "while_empty", "first_s", "last_s"),
    [
        ("ttl", EMPTY, 10.0, 19.75),  # asked at 18 and kept 2 s: asks again at 20, just repaired
        ("ttl", ABSENT, 10.0, 19.75),
        ("ttl", BROKEN, 10.0, 19.75),
        ("c_ares", EMPTY, 10.0, 39.75),  # to the end of the run: kept an hour, whatever the SOA
        ("c_ares", ABSENT, 10.0, 19.75),
        ("c_ares", BROKEN, 10.0, 19.75),
        ("fixed", EMPTY, 10.0, 19.75),
        ("forever", EMPTY, None, None),
        ("serve_stale", EMPTY, None, None),
        ("serve_stale", BROKEN, None, None),
        ("serve_stale", SILENT, None, None),
        ("serve_stale", ABSENT, 10.0, 19.75),  # NXDOMAIN is an answer
    ],
)
def test_when_each_policy_is_without_addresses(
    kind: str, while_empty: Answer, first_s: float | None, last_s: float | None
) -> None:
    _, without = outage(policy(kind), while_empty)
    assert (without[:1], without[-1:]) == (([first_s], [last_s]) if first_s is not None else ([], []))


def test_a_negative_ttl_longer_than_the_rest_of_the_outage_makes_the_tail() -> None:
    _, without = outage(policy("ttl"), EMPTY._replace(negative_ttl_s=15.0))
    assert without[-1] == 24.75  # asked at 10, believed until 25


def test_c_ares_sends_no_query_after_an_empty_answer() -> None:
    cache, _ = outage(policy("c_ares"), EMPTY)
    assert cache.queries == 11  # one a second while good, and the one that came back empty
    assert cache.lookup("kv", 10.0 + 3599.9) is not None
    assert cache.lookup("kv", 10.0 + 3600.0) is None


def test_c_ares_forgets_in_time_when_an_ns_record_carries_the_negative_ttl() -> None:
    _, without = outage(policy("c_ares"), EMPTY._replace(other_ttl_s=2.0))
    assert without[-1] == 19.75


def test_the_rfc_rule_for_stale_answers_gives_way_to_nodata() -> None:
    _, without = outage(policy("serve_stale", on_nodata=False), EMPTY)
    assert (without[0], without[-1]) == (10.0, 19.75)


def test_stale_addresses_end_at_max_stale() -> None:
    _, without = outage(policy("serve_stale", max_stale=4.0, recheck=1.0), BROKEN)
    assert (without[0], without[-1]) == (14.0, 19.75)  # good until 10, stale until 14


def test_a_failed_refresh_is_not_repeated_before_recheck() -> None:
    cache = DnsCache(policy("serve_stale", recheck=5.0))
    cache.store("kv", GOOD, 0.0)
    assert cache.lookup("kv", 1.0) is None
    assert cache.store("kv", SILENT, 1.0) == GOOD._replace(stale=True)
    assert cache.lookup("kv", 5.9) == GOOD._replace(stale=True)
    assert cache.lookup("kv", 6.0) is None
    assert cache.store("kv", NEWER, 6.0) == NEWER
    assert cache.lookup("kv", 6.5) == NEWER


def test_forever_keeps_the_first_addresses_for_ever() -> None:
    cache = DnsCache(policy("forever"))
    cache.store("kv", GOOD, 0.0)
    assert cache.lookup("kv", 1e9) == GOOD


def test_forever_that_began_empty_asks_again_after_its_negative_time() -> None:
    cache = DnsCache(policy("forever", negative=10.0))
    cache.store("kv", EMPTY, 0.0)
    assert cache.lookup("kv", 9.9) == EMPTY
    assert cache.lookup("kv", 10.0) is None


def test_a_negative_answer_without_an_soa_is_used_once() -> None:
    cache = DnsCache(policy("ttl"))
    assert cache.store("kv", Answer(NODATA), 0.0).empty
    assert cache.lookup("kv", 0.0) is None


def test_an_answer_with_ttl_zero_replaces_what_was_known_and_is_used_once() -> None:
    cache = DnsCache(policy("ttl"))
    cache.store("kv", GOOD, 0.0)
    assert cache.store("kv", NEWER._replace(ttl_s=0.0), 1.0).addresses == NEWER.addresses
    assert cache.lookup("kv", 1.0) is None


def test_counters_add_up() -> None:
    cache, without = outage(policy("ttl"), EMPTY)
    assert cache.queries + cache.hits == 160
    assert cache.empties == len(without) == 40
    assert cache.gauges()["resolver_queries_total"] == cache.queries
    assert outage(policy("serve_stale"), EMPTY)[0].stale > 0


@given(
    kind=st.sampled_from([FOUND, NODATA, NXDOMAIN, SERVFAIL, NO_REPLY]),
    ttl_s=st.floats(0.0, 1e5),
    negative_s=st.one_of(st.just(math.nan), st.floats(0.0, 1e5)),
    other_s=st.one_of(st.just(math.inf), st.floats(0.0, 1e5)),
)
def test_ttl_and_c_ares_differ_only_at_nodata_and_at_the_ceiling(
    kind: int, ttl_s: float, negative_s: float, other_s: float
) -> None:
    ttl = keep_s(policy("ttl"), kind, ttl_s, negative_s, other_s)
    c_ares = keep_s(policy("c_ares"), kind, ttl_s, negative_s, other_s)
    assert ttl >= 0.0
    if kind == NODATA:
        assert c_ares == min(other_s, 3600.0)
    else:
        assert c_ares == min(ttl, 3600.0)


@given(
    kind=st.sampled_from([entry.kind for entry in ENTRIES]),
    replies=st.lists(st.tuples(st.sampled_from([GOOD, NEWER, EMPTY, ABSENT, BROKEN, SILENT]), st.floats(0.0, 20.0))),
)
def test_what_the_cache_tells_was_told_to_it(kind: str, replies: list[tuple[Answer, float]]) -> None:
    cache = DnsCache(policy(kind))
    told: set[tuple[str, ...]] = {()}
    now_s = 0.0
    for reply, gap_s in replies:
        now_s += gap_s
        answer = cache.lookup("kv", now_s)
        if answer is None:
            answer = cache.store("kv", reply, now_s)
            told.add(reply.addresses)
        assert answer.addresses in told
        assert answer.stale in (False, kind == "serve_stale")


def test_replies_are_read_in_the_policys_terms() -> None:
    assert read("NOERROR", ("a", "b"), (5.0, 3.0), None) == Answer(FOUND, ("a", "b"), 3.0, math.nan, 3.0)
    assert read("NOERROR", (), (), (9.0, 2.0)) == EMPTY
    assert read("NXDOMAIN", (), (), (2.0, 9.0)) == ABSENT
    assert read("REFUSED", (), (), None) == read("SERVFAIL", (), (), None) == BROKEN
