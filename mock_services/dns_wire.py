"""DNS messages to the zone's words and back: all that knows dnspython, apart from sending a query.

A server must survive whatever arrives on its port, so this never raises: what is not a question gets FORMERR, NOTIMP or
no answer at all. An answer that does not fit the asker's buffer (512 bytes without EDNS) is sent truncated with TC set;
there is no TCP to come back on, but a region's names have few addresses.

Leaves out: TCP, DNSSEC, cookies, zone transfers. Source: RFC 1035; RFC 6891 (EDNS); RFC 2308.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from harness.models import dns_cache
from harness.models.zone import Rcode, ZoneAnswer, ZoneSpec

_PLAIN_BYTES = 512
_UDP_BYTES_MAX = 1232  # fits any path without fragments; dnsflagday.net, 2020

Resolve = Callable[[str, str], ZoneAnswer]  # (name without closing dot, type's name) -> what to say


def reply_to(wire: bytes, spec: ZoneSpec, resolve: Resolve) -> bytes | None:
    """The datagram to send back for the datagram `wire`, or None for what deserves no answer."""
    try:
        query = dns.message.from_wire(wire)
    except (dns.exception.DNSException, ValueError):
        return _malformed(wire)
    if query.flags & dns.flags.QR:
        return None  # an answer to an answer is how two servers keep each other busy for ever
    response = dns.message.make_response(query, our_payload=_UDP_BYTES_MAX)
    if query.opcode() != dns.opcode.QUERY:
        response.set_rcode(dns.rcode.NOTIMP)
        return response.to_wire()
    if len(query.question) != 1 or query.question[0].rdclass != dns.rdataclass.IN:
        response.set_rcode(dns.rcode.FORMERR if len(query.question) != 1 else dns.rcode.REFUSED)
        return response.to_wire()
    question = query.question[0]
    name = question.name.to_text(omit_final_dot=True)
    _fill(response, question.name, spec, resolve(name, dns.rdatatype.to_text(question.rdtype)))
    limit = min(max(query.payload, _PLAIN_BYTES), _UDP_BYTES_MAX) if query.edns >= 0 else _PLAIN_BYTES
    try:
        # dnspython shuffles records by the global generator unless told not to; whose turn it is, the zone says.
        return response.to_wire(max_size=limit, want_shuffle=False)
    except dns.exception.TooBig:
        response.answer.clear()
        response.authority.clear()
        response.flags |= dns.flags.TC
        return response.to_wire()


def warm_up(spec: ZoneSpec) -> None:
    """Answer one question for nobody: dnspython loads record types when first met, which takes some 30 ms."""
    said = ZoneAnswer(Rcode.NOERROR, ("127.0.0.1",), authority_soa=True, authority_ns=True)
    reply = reply_to(dns.message.make_query(spec.origin, "A", use_edns=0).to_wire(), spec, lambda *_: said)
    if reply is not None:
        read_reply(dns.message.from_wire(reply))


def read_reply(message: dns.message.Message) -> dns_cache.Answer:
    """What a reply to an A query says, for the cache."""
    addresses: list[str] = []
    ttls_s: list[float] = []
    soa_s: tuple[float, float] | None = None
    for section in (message.answer, message.authority, message.additional):
        for rrset in section:
            if rrset.rdtype == dns.rdatatype.SOA:
                if section is message.authority:
                    soa: Any = rrset[0]
                    soa_s = (float(rrset.ttl), float(soa.minimum))
                continue
            ttls_s.append(float(rrset.ttl))
            if section is message.answer and rrset.rdtype == dns.rdatatype.A:
                addresses += [record.to_text() for record in rrset]
    return dns_cache.read(dns.rcode.to_text(message.rcode()), tuple(addresses), tuple(ttls_s), soa_s)


def _fill(response: dns.message.Message, qname: dns.name.Name, spec: ZoneSpec, said: ZoneAnswer) -> None:
    response.set_rcode(dns.rcode.from_text(said.rcode))
    if said.rcode in ("NOERROR", "NXDOMAIN"):
        response.flags |= dns.flags.AA
    response.flags &= ~dns.flags.RA
    origin = f"{spec.origin}."
    host = f"ns.{origin}"
    negative_s = spec.negative_ttl_s
    soa = f"{host} hostmaster.{origin} 1 3600 600 86400 {negative_s}"
    if said.addresses:
        response.answer.append(dns.rrset.from_text_list(qname, spec.ttl_s, "IN", "A", said.addresses))
    if said.answer_soa:
        response.answer.append(dns.rrset.from_text(origin, negative_s, "IN", "SOA", soa))
    if said.answer_ns:
        response.answer.append(dns.rrset.from_text(origin, negative_s, "IN", "NS", host))
    if said.authority_soa:
        response.authority.append(dns.rrset.from_text(origin, negative_s, "IN", "SOA", soa))
    if said.authority_ns:
        response.authority.append(dns.rrset.from_text(origin, negative_s, "IN", "NS", host))


def _malformed(wire: bytes) -> bytes | None:
    """FORMERR with the asker's id, if what came is at least a header of a question."""
    if len(wire) < 12 or wire[2] & 0x80:
        return None
    return wire[:2] + bytes((0x80, dns.rcode.FORMERR, 0, 0, 0, 0, 0, 0, 0, 0))
