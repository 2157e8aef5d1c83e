"""A client's DNS cache: the table behind the resolver policies, with explicit time and no sockets.

Whoever resolves asks the cache first, sends a query only when told to, and shows the cache what came back:

    answer = cache.lookup(name, now_s)          an answer to use now, or None: ask the server
    answer = cache.store(name, reply, now_s)    what to use after asking; with serve_stale not always the reply

How long anything is kept is `harness.policies.resolver.keep_s`; here are only the names and the counters. The
counters are evidence: after the fix, a client that sends no query and finds nothing has a cache that outlives it.

`Answer` is what a reply says in the policy's terms, whatever read it from the wire. Only A records are asked for.
Leaves out: eviction (a region has few names) and joining of queries in flight (the face that sends them does that).
Source: `harness/policies/resolver.py`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from harness.policies import resolver
from harness.policies.resolver import FOUND, NO_REPLY, NODATA, NXDOMAIN, SERVFAIL, ResolverSpec


class Answer(NamedTuple):
    """What a reply to an A query says. TTLs in seconds, see `resolver.keep_s`; `stale` marks one past its time."""

    kind: int  # FOUND, NODATA, NXDOMAIN, SERVFAIL or NO_REPLY
    addresses: tuple[str, ...] = ()
    ttl_s: float = 0.0
    negative_ttl_s: float = math.nan
    other_ttl_s: float = math.inf
    stale: bool = False

    @property
    def empty(self) -> bool:
        """The server answered, and there is no address: NODATA or NXDOMAIN."""
        return self.kind in (NODATA, NXDOMAIN)


def read(
    rcode: str, addresses: tuple[str, ...], ttls_s: tuple[float, ...], soa_s: tuple[float, float] | None
) -> Answer:
    """The answer in a reply, from what any DNS library gives.

    `rcode` as in "NOERROR"; the A records' addresses; the TTLs of every record of the reply but SOA and OPT; (TTL,
    minimum) of the SOA in the authority section, None without one. An unknown rcode counts as SERVFAIL.
    """
    negative_ttl_s = min(soa_s) if soa_s else math.nan
    least_s = min(ttls_s, default=math.inf)
    if rcode == "NXDOMAIN":
        return Answer(NXDOMAIN, (), 0.0, negative_ttl_s, least_s)
    if rcode != "NOERROR":
        return Answer(SERVFAIL)
    if not addresses:
        return Answer(NODATA, (), 0.0, negative_ttl_s, least_s)
    return Answer(FOUND, addresses, least_s, negative_ttl_s, least_s)


class _Entry(NamedTuple):
    answer: Answer
    until_s: float  # good until then
    stale_until_s: float = -math.inf  # a failed refresh lets it serve until then, and no query before


class DnsCache:
    """One process's cache under one policy. `now_s` must not go backwards.

    Counters: `queries` sent and answered or given up, `hits` look-ups answered from the table, `empties` look-ups that
    ended in NODATA or NXDOMAIN (from the table or fresh), `stale` look-ups answered with addresses past their time.
    """

    def __init__(self, spec: ResolverSpec) -> None:
        self.spec = spec
        self.queries = 0
        self.hits = 0
        self.empties = 0
        self.stale = 0
        self._entries: dict[str, _Entry] = {}

    def lookup(self, name: str, now_s: float) -> Answer | None:
        """What may be used at `now_s` without asking; None means send a query and `store` its outcome."""
        entry = self._entries.get(name)
        if entry is None or now_s >= max(entry.until_s, entry.stale_until_s):
            return None
        self.hits += 1
        return self._used(entry.answer if now_s < entry.until_s else entry.answer._replace(stale=True))

    def store(self, name: str, reply: Answer, now_s: float) -> Answer:
        """Take note of the outcome of a query (`Answer(NO_REPLY)` when none came) and say what to use."""
        self.queries += 1
        old = self._entries.get(name)
        if resolver.failed_refresh(self.spec, reply.kind) and old is not None and old.answer.kind == FOUND:
            last_s = old.until_s + self.spec.stale_s_max
            if now_s < last_s:
                self._entries[name] = old._replace(stale_until_s=min(now_s + self.spec.recheck_s, last_s))
                return self._used(old.answer._replace(stale=True))
        kept_s = resolver.keep_s(self.spec, reply.kind, reply.ttl_s, reply.negative_ttl_s, reply.other_ttl_s)
        if kept_s > 0.0:
            self._entries[name] = _Entry(reply, now_s + kept_s)
        elif reply.kind not in (SERVFAIL, NO_REPLY):
            self._entries.pop(name, None)  # the server has spoken: what was known is no longer true
        return self._used(reply)

    def gauges(self) -> dict[str, float]:
        """The counters, under the names a service shows them."""
        return {
            "resolver_queries_total": float(self.queries),
            "resolver_hits_total": float(self.hits),
            "resolver_empties_total": float(self.empties),
            "resolver_stale_total": float(self.stale),
        }

    def _used(self, answer: Answer) -> Answer:
        self.empties += answer.empty
        self.stale += answer.stale
        return answer
