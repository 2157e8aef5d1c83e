"""The zone: what an authoritative server says about a name, and what "empty" looks like on the wire.

A record without addresses is not one thing. The same outage is felt quite differently by clients, depending on how the
server words it, because each wording is cached by other rules:

    nodata      NOERROR with no records: the name exists, this type of record does not. Kept for the negative TTL
                (RFC 2308), or by some libraries for an hour whatever the zone says
    nxdomain    the name does not exist. Kept for the negative TTL
    servfail    the server cannot tell. Usually not kept at all, so every caller asks again

The negative TTL is min(TTL of the SOA record, its minimum field); this zone gives both the same value. `negative_ns`
adds an NS record with the negative TTL to the authority section of negative answers: libraries that ignore the SOA of a
NODATA answer but look at the other records' TTLs then forget it in time (c-ares issue 1293).

There are no IPv6 addresses: AAAA is NODATA with SOA for every name that exists, so resolvers that ask for both families
get a proper answer. Names outside the zone are refused.

Leaves out: delegations, wildcards, CNAMEs, zone transfers. TTLs are whole seconds, as DNS carries them.
Source: RFC 1034 section 4.3.2; RFC 2308 sections 2, 3 and 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from harness.units import duration_s


class AnswerKind(StrEnum):
    """How an empty record is worded."""

    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    SERVFAIL = "servfail"


class Rcode(StrEnum):
    """Response codes, by the names used on the wire."""

    NOERROR = "NOERROR"
    NXDOMAIN = "NXDOMAIN"
    SERVFAIL = "SERVFAIL"
    REFUSED = "REFUSED"


class ZoneSpec(NamedTuple):
    """The zone's knobs; TTLs in whole seconds."""

    origin: str = "region.test"
    ttl_s: int = 1
    negative_ttl_s: int = 1
    answer_kind: AnswerKind = AnswerKind.NODATA
    negative_ns: bool = False


class ZoneAnswer(NamedTuple):
    """What to send: A records or apex records in the answer section, SOA and NS in the authority section if so said.

    `empty` is True for a name whose record should have addresses and has none: the outage itself.
    """

    rcode: Rcode
    addresses: tuple[str, ...] = ()
    answer_soa: bool = False
    answer_ns: bool = False
    authority_soa: bool = False
    authority_ns: bool = False
    empty: bool = False


def zone_spec(given: Mapping[str, Any], origin: str = "region.test") -> ZoneSpec:
    """The knobs from a component's mapping, quantities as text ("1s"). Raises ValueError, naming the key."""
    kind = given.get("answer_kind") or "nodata"
    if kind not in list(AnswerKind):
        raise ValueError(f"answer_kind: {kind!r} is not known; it is one of {', '.join(AnswerKind)}")
    negative_ns = given.get("negative_ns", False)
    if negative_ns is not True and negative_ns is not False:
        raise ValueError(f"negative_ns: {negative_ns!r} is not true or false")
    return ZoneSpec(origin, _whole_s(given, "ttl"), _whole_s(given, "negative_ttl"), AnswerKind(kind), negative_ns)


def respond(spec: ZoneSpec, records: Callable[[str], tuple[str, ...] | None], qname: str, qtype: str) -> ZoneAnswer:
    """The answer to a question.

    `records` gives the addresses of a full name in lower case, () for a record without any, None for a name that is not
    in the zone. `qname` has no closing dot, in any case; `qtype` is a type's name, as in "A".
    """
    name = qname.lower()
    if name == spec.origin:
        soa, ns = qtype == "SOA", qtype == "NS"
        if soa or ns:
            return ZoneAnswer(Rcode.NOERROR, answer_soa=soa, answer_ns=ns)
        return _negative(spec, Rcode.NOERROR)
    if not name.endswith(f".{spec.origin}"):
        return ZoneAnswer(Rcode.REFUSED)
    addresses = records(name)
    if addresses is None:
        return _negative(spec, Rcode.NXDOMAIN)
    if not addresses:
        return _empty(spec)._replace(empty=qtype == "A")
    if qtype == "A":
        return ZoneAnswer(Rcode.NOERROR, addresses)
    return _negative(spec, Rcode.NOERROR)


def _empty(spec: ZoneSpec) -> ZoneAnswer:
    """The wording of an empty record. NXDOMAIN and SERVFAIL speak of the name, so they hold for every type asked."""
    match spec.answer_kind:
        case AnswerKind.NODATA:
            return _negative(spec, Rcode.NOERROR)
        case AnswerKind.NXDOMAIN:
            return _negative(spec, Rcode.NXDOMAIN)
        case AnswerKind.SERVFAIL:
            return ZoneAnswer(Rcode.SERVFAIL)


def _negative(spec: ZoneSpec, rcode: Rcode) -> ZoneAnswer:
    return ZoneAnswer(rcode, authority_soa=True, authority_ns=spec.negative_ns)


def _whole_s(given: Mapping[str, Any], key: str) -> int:
    try:
        value = duration_s(given.get(key, "1s"))
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error
    if value < 0 or value != int(value) or value >= 2**31:
        raise ValueError(f"{key}: {value:g} s cannot be sent; DNS carries whole seconds from 0 to 2147483647")
    return int(value)
