"""The dns component on a real socket: wordings, the race, the repair, and what arrives that is no question."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiodns
import dns.asyncquery
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest

from harness.errors import SpecError
from harness.models.dns_cache import Answer, DnsCache
from harness.policies.resolver import FOUND, NODATA, ResolverSpec
from harness.record.region import RegionMap, lay_out
from mock_services import dns as dns_component
from mock_services.dns import DnsService
from mock_services.dns_wire import read_reply

REGION = lay_out(10, {"dns": 1, "kv": 2, "mobile_banking": 1, "compute": 1})


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.t_s = 0.0

    def now_s(self) -> float:
        return self.t_s


class Context:
    """What the service needs of the shell."""

    def __init__(self, spec: Mapping[str, Any], region: RegionMap = REGION) -> None:
        self.spec = spec
        self.region = region
        self.clock = Clock()
        self.journal = self
        self.entries: list[tuple[str, dict[str, Any]]] = []

    def write(self, kind: str, **fields: Any) -> None:
        self.entries.append((kind, fields))

    def kinds(self, *of: str) -> list[str]:
        return [kind for kind, _ in self.entries if kind in of]

    def bind_udp(self, address: str, port: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        return sock


Body = Callable[[DnsService, Context, int], Awaitable[None]]


async def serve(body: Body, **spec: Any) -> None:
    """Await `body(service, context, port)` with the component serving on a free port; kv and compute are managed."""
    context = Context({"endpoints": ["kv", "compute"], **spec})
    sock = context.bind_udp("", 0)
    service = DnsService(context)  # type: ignore[arg-type]
    service.open(sock)
    await service.start()
    try:
        await body(service, context, sock.getsockname()[1])
    finally:
        await service.stop()


def serving(body: Body, **spec: Any) -> None:
    """`serve` in an event loop of its own."""
    asyncio.run(serve(body, **spec))


async def ask(port: int, name: str, qtype: str = "A") -> dns.message.Message:
    return await dns.asyncquery.udp(dns.message.make_query(name, qtype), "127.0.0.1", 2.0, port)


def addresses(message: dns.message.Message) -> list[str]:
    return [record.to_text() for rrset in message.answer for record in rrset if rrset.rdtype == dns.rdatatype.A]


def lose_the_race(service: DnsService, context: Context) -> None:
    """Stall az1 for 2.2 s and go on until clean-up has deleted the live plan."""
    start_s = context.clock.t_s
    service.faults["stall_enactor"].on({"enactor": "az1"})
    context.clock.t_s = start_s + 2.2
    service.faults["stall_enactor"].off()
    context.clock.t_s = start_s + 3.5


def test_a_managed_name_answers_all_addresses_and_another_one_first_each_time() -> None:
    async def body(service: DnsService, context: Context, port: int) -> None:
        first, second = await ask(port, "kv.region.test"), await ask(port, "KV.region.test.")
        assert sorted(addresses(first)) == ["127.10.3.1", "127.10.3.2"]
        assert addresses(second) == addresses(first)[::-1]
        assert first.answer[0].ttl == 3
        assert first.flags & dns.flags.AA
        assert addresses(await ask(port, "mobile-banking.region.test")) == ["127.10.4.1"]
        assert service.gauges()["answers_total"] == 3.0

    serving(body, ttl="3s")


def test_aaaa_is_nodata_with_soa_and_unknown_names_do_not_exist() -> None:
    async def body(service: DnsService, context: Context, port: int) -> None:
        aaaa, nobody = await ask(port, "kv.region.test", "AAAA"), await ask(port, "nobody.region.test")
        assert (aaaa.rcode(), aaaa.answer) == (dns.rcode.NOERROR, [])
        assert nobody.rcode() == dns.rcode.NXDOMAIN
        for message in (aaaa, nobody):
            (soa,) = message.authority
            assert (soa.rdtype, soa.ttl, soa[0].minimum) == (dns.rdatatype.SOA, 7, 7)
        assert (await ask(port, "dns.region.test")).rcode() == dns.rcode.NXDOMAIN
        assert (await ask(port, "example.com")).rcode() == dns.rcode.REFUSED
        assert service.gauges()["empty_answers_total"] == 0.0
        assert not context.kinds("first_empty_answer")

    serving(body, negative_ttl="7s")


def test_the_race_empties_the_record_on_the_wire_and_the_operator_fills_it() -> None:
    async def body(service: DnsService, context: Context, port: int) -> None:
        context.clock.t_s = 1.0
        lose_the_race(service, context)
        empty = await ask(port, "kv.region.test")
        assert (empty.rcode(), empty.answer) == (dns.rcode.NOERROR, [])
        await ask(port, "kv.region.test")
        order = ("stale_apply", "active_plan_deleted", "enactor_error", "first_empty_answer", "restored")
        story = ["stale_apply", "active_plan_deleted", *3 * ["enactor_error"], "first_empty_answer"]
        assert context.kinds(*order) == story
        gauges = service.gauges()
        assert (gauges["empty_answers_total"], gauges["enactors_failing"]) == (2.0, 3.0)
        assert gauges["newest_gen"] > gauges["active_gen"]
        result = service.actions["restore"]({})
        assert result == {"generation": 10, "were_empty": ["kv.region.test"]}
        assert sorted(addresses(await ask(port, "kv.region.test"))) == ["127.10.3.1", "127.10.3.2"]
        context.clock.t_s += 1.0
        lose_the_race(service, context)
        await ask(port, "kv.region.test")
        episodes = ["first_empty_answer", "restored", "first_empty_answer"]
        assert context.kinds("first_empty_answer", "restored") == episodes

    serving(body, endpoints=["kv"])


def test_with_compare_and_set_the_same_stall_does_nothing() -> None:
    async def body(service: DnsService, context: Context, port: int) -> None:
        context.clock.t_s = 1.0
        lose_the_race(service, context)
        assert len(addresses(await ask(port, "kv.region.test"))) == 2
        assert not context.kinds("stale_apply", "active_plan_deleted", "enactor_error")
        assert context.kinds("note")  # it says that it refused

    serving(body, race_fix="compare_and_set")


@pytest.mark.parametrize(
    ("worded", "rcode"), [("nodata", "NOERROR"), ("nxdomain", "NXDOMAIN"), ("servfail", "SERVFAIL")]
)
def test_an_empty_record_is_worded_as_asked_and_filled_again_when_healed(worded: str, rcode: str) -> None:
    async def body(service: DnsService, context: Context, port: int) -> None:
        service.faults["empty_record"].on({"component": "kv"})
        message = await ask(port, "kv.region.test")
        assert dns.rcode.to_text(message.rcode()) == rcode
        assert [rrset.rdtype for rrset in message.authority] == (
            [] if worded == "servfail" else [dns.rdatatype.SOA, dns.rdatatype.NS]
        )
        assert len(addresses(await ask(port, "compute.region.test"))) == 1
        assert service.gauges()["empty_answers_total"] == 1.0
        service.faults["empty_record"].off()
        assert len(addresses(await ask(port, "kv.region.test"))) == 2

    serving(body, answer_kind=worded, negative_ns=True)


def test_the_automation_runs_by_its_own_timer() -> None:
    async def body(service: DnsService, context: Context, port: int) -> None:
        context.clock.t_s = 0.61
        await asyncio.sleep(0.05)  # one planning period: 20 ms; nobody asks anything
        assert context.kinds("plan")[:3] == ["plan"] * 3

    serving(body, plan_every="20ms", clean_after="10ms")


def test_nothing_that_arrives_stops_the_server() -> None:
    async def body(service: DnsService, context: Context, port: int) -> None:
        question = dns.message.make_query("kv.region.test", "A")
        notify = dns.message.make_query("kv.region.test", "SOA")
        notify.set_opcode(dns.opcode.NOTIFY)
        two = dns.message.make_query("kv.region.test", "A")
        two.question += dns.message.make_query("compute.region.test", "A").question
        answer = dns.message.make_response(question)
        assert service.answer(b"") is None
        assert service.answer(b"\x00" * 5) is None
        assert service.answer(answer.to_wire()) is None
        garbage = service.answer(question.to_wire()[:-3])
        assert garbage is not None
        assert dns.message.from_wire(garbage).rcode() == dns.rcode.FORMERR
        for query, rcode in ((notify, dns.rcode.NOTIMP), (two, dns.rcode.FORMERR)):
            reply = service.answer(query.to_wire())
            assert reply is not None
            assert dns.message.from_wire(reply).rcode() == rcode
        assert len(addresses(await ask(port, "kv.region.test"))) == 2

    serving(body)


def test_an_answer_too_long_for_the_asker_is_truncated_and_says_so() -> None:
    async def main() -> None:
        service = DnsService(Context({}, lay_out(10, {"dns": 1, "kv": 60})))  # type: ignore[arg-type]
        plain = service.answer(dns.message.make_query("kv.region.test", "A").to_wire())
        roomy = service.answer(dns.message.make_query("kv.region.test", "A", use_edns=0, payload=4096).to_wire())
        assert plain is not None
        assert roomy is not None
        assert len(plain) <= 512
        assert dns.message.from_wire(plain).flags & dns.flags.TC
        assert len(addresses(dns.message.from_wire(roomy))) == 60

    asyncio.run(main())


def test_bad_parameters_are_refused_and_change_nothing() -> None:
    async def body(service: DnsService, context: Context, port: int) -> None:
        stall, empty = service.faults["stall_enactor"], service.faults["empty_record"]
        with pytest.raises(ValueError, match=r"enactor is missing; name one, as in \{enactor: az1\}"):
            stall.on({})
        with pytest.raises(ValueError, match="'az7' does not exist; it is one of az1, az2, az3"):
            stall.on({"enactor": "az7"})
        with pytest.raises(ValueError, match="'zone' is not a parameter here; there are: enactor"):
            stall.on({"enactor": "az1", "zone": 1})
        with pytest.raises(ValueError, match="'mobile_banking' has no managed record; these have: kv, compute"):
            empty.on({"component": "mobile_banking"})
        with pytest.raises(ValueError, match="there are: none"):
            service.actions["restore"]({"now": True})
        assert service.server.automation.store.stalled == frozenset()

    serving(body)


def test_a_replaced_stall_holds_only_the_enactor_named_last() -> None:
    async def body(service: DnsService, context: Context, port: int) -> None:
        service.faults["stall_enactor"].on({"enactor": "az1"})
        service.faults["stall_enactor"].on({"enactor": "az2"})
        assert service.server.automation.store.stalled == frozenset({2})
        service.faults["stall_enactor"].off()
        assert service.server.automation.store.stalled == frozenset()

    serving(body)


def test_only_the_table_store_is_managed_unless_others_are_named() -> None:
    def endpoints(**spec: Any) -> tuple[str, ...]:
        return DnsService(Context(spec)).server.automation.store.endpoints  # type: ignore[arg-type]

    assert endpoints() == ("kv.region.test",)
    assert endpoints(endpoints=["mobile_banking"]) == ("mobile-banking.region.test",)
    with pytest.raises(ValueError, match="endpoints: 'dns' is not a component that has a record; there are: kv, mob"):
        endpoints(endpoints=["dns"])


def test_a_bad_mapping_is_a_spec_error_that_names_the_place() -> None:
    with pytest.raises(SpecError, match=r"region\.dns: ttl: 0\.5 s cannot be sent"):
        asyncio.run(dns_component.build(Context({"ttl": "500ms"})))  # type: ignore[arg-type]


def c_ares() -> ResolverSpec:
    return ResolverSpec(nodata_ignores_soa=True, keep_s_max=3600.0)


async def beside_c_ares(worded: str, negative_ns: bool) -> list[tuple[bool, bool]]:
    """Did (c-ares, the policy) send a query: for a name that is empty, and after its repair and 2.1 s?"""
    seen: list[tuple[bool, bool]] = []

    async def body(service: DnsService, context: Context, port: int) -> None:
        channel = aiodns.DNSResolver(nameservers=["127.0.0.1"], udp_port=port, timeout=1.0, tries=1)
        model = DnsCache(c_ares())

        async def both(at_s: float) -> None:
            """One look-up by each; whether each sent a query."""
            before = service.gauges()["queries_total"]
            try:
                real: list[Any] = (await channel.query_dns("kv.region.test", "A")).answer
            except aiodns.error.DNSError:
                real = []
            asked = service.gauges()["queries_total"] > before
            answer = model.lookup("kv.region.test", at_s)
            if answer is None:
                answer = model.store("kv.region.test", read_reply(await ask(port, "kv.region.test")), at_s)
                seen.append((asked, True))
            else:
                seen.append((asked, False))
            assert bool(real) == bool(answer.addresses)

        service.faults["empty_record"].on({})
        await both(0.0)
        service.faults["empty_record"].off()
        await asyncio.sleep(2.1)  # c-ares counts whole seconds; the TTL is 1 s
        await both(2.1)
        await channel.close()

    await serve(body, answer_kind=worded, negative_ns=negative_ns)
    return seen


def test_the_c_ares_policy_does_what_c_ares_does() -> None:
    """After an empty answer with a negative TTL of 1 s, who asks again? The library is the oracle of the policy."""

    async def main() -> None:
        cases = (("nodata", False), ("nodata", True), ("nxdomain", False), ("servfail", False))
        nodata, nodata_ns, nxdomain, servfail = await asyncio.gather(*(beside_c_ares(*case) for case in cases))
        assert nodata == [(True, True), (False, False)]  # repaired for two seconds, and nobody asks
        assert nodata_ns == nxdomain == servfail == [(True, True), (True, True)]

    asyncio.run(main())


def test_replies_off_the_wire_carry_the_ttls_the_cache_needs() -> None:
    async def body(service: DnsService, context: Context, port: int) -> None:
        good = read_reply(await ask(port, "kv.region.test"))
        assert (good.kind, sorted(good.addresses), good.ttl_s) == (FOUND, ["127.10.3.1", "127.10.3.2"], 5.0)
        service.faults["empty_record"].on({})
        assert read_reply(await ask(port, "kv.region.test")) == Answer(NODATA, (), 0.0, 2.0, 2.0)

    serving(body, ttl="5s", negative_ttl="2s", negative_ns=True)
