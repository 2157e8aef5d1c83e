"""How long a client believes what DNS told it: the policy that decides whether an app comes back after the fix.

The record is repaired in one moment, but every client goes on with what it has cached, and each kind of client keeps
things by its own rule:

    ttl           addresses for the record's TTL; NODATA and NXDOMAIN for the negative TTL, min(SOA TTL, SOA minimum),
                  and not at all without an SOA; failures never.  RFC 1035, RFC 2308
    c_ares        as `ttl`, but a NOERROR answer without addresses is kept for the smallest TTL among its records *other
                  than the SOA*, up to a ceiling of 3,600 s. The usual NODATA answer has only an SOA: it is kept an hour
    forever       addresses for the life of the process; negative answers for 10 s. Some runtimes are set so
    fixed         addresses for a fixed time whatever their TTL; negative answers never. aiohttp's own cache, 10 s
    serve_stale   as `ttl`, but when a refresh fails the expired addresses are used on, up to `max_stale`. RFC 8767

serve_stale and what counts as a failed refresh: SERVFAIL and no reply do, as in RFC 8767 section 4. NXDOMAIN does not:
it is an answer, and it replaces what was known. NODATA for a name that had addresses is an answer too by the RFC; with
`on_nodata` (the default) it counts as a failure, because a record emptied by mistake is just what this guards against.
Turn it off for the RFC's own rule. After a failed refresh the stale answer is used for `recheck` before asking again.

All kinds are one spec of numbers, and one pure step, `keep_s`. The table of names is `harness.models.dns_cache`.
Leaves out: prefetching, and a cache that fills up (a region has few names).
Source: RFC 2308 section 5; RFC 8767 sections 4 and 5; c-ares 1.34 ares_qcache.c and issue 1293; JDK
networkaddress.cache.negative.ttl = 10; aiohttp TCPConnector ttl_dns_cache = 10.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from harness.policies.entry import Entry, flag, seconds

# Kinds of answer, as plain numbers so that the step compiles.
FOUND: Final = 0  # at least one address
NODATA: Final = 1  # NOERROR without addresses
NXDOMAIN: Final = 2
SERVFAIL: Final = 3  # or any other refusal to answer
NO_REPLY: Final = 4


class ResolverSpec(NamedTuple):
    """How long answers are kept, in seconds. nan means "as the answer itself says"."""

    positive_s: float = math.nan  # addresses; nan: the smallest TTL among the A records; inf: for ever
    negative_s: float = math.nan  # NODATA and NXDOMAIN; nan: the negative TTL, nothing without an SOA
    nodata_ignores_soa: bool = False  # NODATA by the smallest TTL of its other records, none counting as no limit
    keep_s_max: float = math.inf  # nothing is kept longer
    stale_s_max: float = 0.0  # expired addresses serve this much longer when a refresh fails
    stale_on_nodata: bool = False  # an empty answer counts as a failed refresh
    recheck_s: float = 0.0  # after a failed refresh, use the stale answer this long before asking again


def keep_s(spec: ResolverSpec, kind: int, ttl_s: float, negative_ttl_s: float, other_ttl_s: float) -> float:
    """How long an answer of `kind` may be used without asking again; 0 means once, for the caller who asked.

    `ttl_s` is the smallest TTL of the A records (FOUND only); `negative_ttl_s` is min(SOA TTL, SOA minimum), nan
    without an SOA; `other_ttl_s` is the smallest TTL of all records but the SOA, inf when there are none. All seconds.
    """
    if kind == FOUND:
        kept = ttl_s if math.isnan(spec.positive_s) else spec.positive_s
    elif kind == NODATA and spec.nodata_ignores_soa:
        kept = other_ttl_s
    elif kind in (NODATA, NXDOMAIN):
        kept = negative_ttl_s if math.isnan(spec.negative_s) else spec.negative_s
        if math.isnan(kept):
            kept = 0.0
    else:
        kept = 0.0
    return min(kept, spec.keep_s_max)


def failed_refresh(spec: ResolverSpec, kind: int) -> bool:
    """Does an answer of `kind` leave older addresses standing (serve_stale only)?"""
    return spec.stale_s_max > 0.0 and (kind in (SERVFAIL, NO_REPLY) or (kind == NODATA and spec.stale_on_nodata))


def _ttl() -> ResolverSpec:
    return ResolverSpec()


def _c_ares(*, max: float) -> ResolverSpec:  # noqa: A002 - the parameter's name in the file
    return ResolverSpec(nodata_ignores_soa=True, keep_s_max=max)


def _forever(*, negative: float) -> ResolverSpec:
    return ResolverSpec(positive_s=math.inf, negative_s=negative)


def _fixed(*, keep: float) -> ResolverSpec:
    return ResolverSpec(positive_s=keep, negative_s=0.0)


def _serve_stale(*, max_stale: float, recheck: float, on_nodata: bool) -> ResolverSpec:
    return ResolverSpec(stale_s_max=max_stale, stale_on_nodata=on_nodata, recheck_s=recheck)


ENTRIES = (
    Entry(
        kind="ttl",
        side="client",
        slot="resolver",
        rule="addresses for their TTL, negative answers for min(SOA TTL, SOA minimum), failures never",
        params=(),
        source="RFC 1035, RFC 2308",
        build=_ttl,
    ),
    Entry(
        kind="c_ares",
        side="client",
        slot="resolver",
        rule="as ttl, but an empty NOERROR answer is kept to the ceiling whatever its SOA says",
        params=(seconds("max", 3600.0, "the ceiling of the query cache (qcache_max_ttl)"),),
        source="c-ares 1.34, ares_qcache.c; c-ares issue 1293",
        build=_c_ares,
    ),
    Entry(
        kind="forever",
        side="client",
        slot="resolver",
        rule="addresses for the life of the process, negative answers for a fixed time",
        params=(seconds("negative", 10.0, "how long a negative answer is kept", open_=False),),
        source="JDK networkaddress.cache.ttl = -1, networkaddress.cache.negative.ttl = 10",
        build=_forever,
    ),
    Entry(
        kind="fixed",
        side="client",
        slot="resolver",
        rule="addresses for a fixed time whatever their TTL, negative answers never",
        params=(seconds("keep", 10.0, "how long addresses are kept"),),
        source="aiohttp TCPConnector(ttl_dns_cache=10)",
        build=_fixed,
    ),
    Entry(
        kind="serve_stale",
        side="client",
        slot="resolver",
        rule="as ttl, but expired addresses serve on when a refresh fails",
        params=(
            seconds("max_stale", 86400.0, "how long after expiry addresses may still be used"),
            seconds("recheck", 30.0, "how long after a failed refresh before asking again", open_=False),
            flag("on_nodata", True, "an empty answer counts as a failed refresh (RFC 8767 says it does not)"),
        ),
        source="RFC 8767",
        build=_serve_stale,
    ),
)
