"""What the zone says about a name, for every wording of an empty record."""

from __future__ import annotations

import pytest

from harness.models.zone import AnswerKind, Rcode, ZoneAnswer, ZoneSpec, respond, zone_spec

NAMES = {"kv.region.test": ("127.10.3.1", "127.10.3.2"), "bare.region.test": ()}
SPEC = ZoneSpec()
NEGATIVE = ZoneAnswer(Rcode.NOERROR, authority_soa=True)


def ask(qname: str, qtype: str = "A", spec: ZoneSpec = SPEC) -> ZoneAnswer:
    return respond(spec, NAMES.get, qname, qtype)


def test_a_name_answers_its_addresses_whatever_its_case() -> None:
    assert ask("kv.region.test") == ask("KV.Region.TEST") == ZoneAnswer(Rcode.NOERROR, NAMES["kv.region.test"])


@pytest.mark.parametrize("qtype", ["AAAA", "MX", "TXT", "TYPE65"])
def test_other_types_of_a_name_that_exists_are_nodata_with_soa(qtype: str) -> None:
    assert ask("kv.region.test", qtype) == NEGATIVE


def test_a_name_that_does_not_exist_is_nxdomain_with_soa() -> None:
    assert ask("nobody.region.test") == ZoneAnswer(Rcode.NXDOMAIN, authority_soa=True)


@pytest.mark.parametrize("qname", ["example.com", "region.test.example", "notregion.test", "test", ""])
def test_names_outside_the_zone_are_refused(qname: str) -> None:
    assert ask(qname) == ZoneAnswer(Rcode.REFUSED)


def test_the_apex_has_soa_and_ns_and_nothing_else() -> None:
    assert ask("region.test", "SOA") == ZoneAnswer(Rcode.NOERROR, answer_soa=True)
    assert ask("region.test", "NS") == ZoneAnswer(Rcode.NOERROR, answer_ns=True)
    assert ask("region.test", "A") == NEGATIVE


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (AnswerKind.NODATA, ZoneAnswer(Rcode.NOERROR, authority_soa=True, empty=True)),
        (AnswerKind.NXDOMAIN, ZoneAnswer(Rcode.NXDOMAIN, authority_soa=True, empty=True)),
        (AnswerKind.SERVFAIL, ZoneAnswer(Rcode.SERVFAIL, empty=True)),
    ],
)
def test_an_empty_record_is_worded_as_the_knob_says_and_for_every_type(kind: AnswerKind, said: ZoneAnswer) -> None:
    spec = ZoneSpec(answer_kind=kind)
    assert ask("bare.region.test", spec=spec) == said
    assert ask("bare.region.test", "AAAA", spec) == said._replace(empty=False)  # the outage is counted once, at A


def test_an_ns_record_goes_with_negative_answers_only_when_asked_for() -> None:
    spec = ZoneSpec(negative_ns=True)
    assert ask("bare.region.test", spec=spec).authority_ns
    assert not ask("bare.region.test").authority_ns
    assert not ask("kv.region.test", spec=spec).authority_ns


def test_knobs_are_read_from_text() -> None:
    assert zone_spec({}) == ZoneSpec()
    given = {"ttl": "5s", "negative_ttl": "1m", "answer_kind": "nxdomain", "negative_ns": True, "enactors": 3}
    assert zone_spec(given) == ZoneSpec("region.test", 5, 60, AnswerKind.NXDOMAIN, True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ttl": "500ms"}, "ttl: 0.5 s cannot be sent; DNS carries whole seconds from 0"),
        ({"negative_ttl": 2}, "negative_ttl: 2 is not a duration"),
        ({"answer_kind": "empty"}, "answer_kind: 'empty' is not known; it is one of nodata, nxdomain, servfail"),
        ({"negative_ns": 1}, "negative_ns: 1 is not true or false"),
    ],
)
def test_a_bad_knob_is_refused_by_name(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match="^" + message):
        zone_spec(given)
