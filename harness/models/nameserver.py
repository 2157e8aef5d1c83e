"""The region's name server without its socket: the automation behind it, the zone before it, and what a query finds.

    managed records     what the plans of the automation say, now; empty when the live plan was deleted
    fixed records       the other components
    fault empty_record  managed records answer empty, without any race
    fault stall_enactor the enactor cannot get the lock between its freshness check and its first write
    action restore      the operator points every managed record at the newest plan
    failover            a managed name may move to another component (`record_failover.py`)
    action point        operators move it by hand

Addresses are served in turn, so that clients who take the first one spread. The first query of an episode that was
answered empty is an event of its own: it is when the outage begins for somebody.

Events come out as (kind, fields) through `tell`, which stamps and keeps them; the live service writes them to the
journal, and so does the simulated world. Leaves out: the wire format, sockets and timers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.flows import dns_plans
from harness.flows.dns_control import control_spec
from harness.models import zone
from harness.models.dns_automation import DnsAutomation, Event
from harness.models.record_failover import RecordFailover, spec_of

Tell = Callable[..., None]  # tell(kind, **fields)
Params = Mapping[str, Any]
Places = Mapping[str, tuple[str, tuple[str, ...]]]  # component -> (name, addresses)


class NameServer:
    """The `dns` component's brain. Raises ValueError when its mapping cannot be used."""

    def __init__(self, spec: Mapping[str, Any], places: Places, apps: frozenset[str], tell: Tell) -> None:
        managed = managed_components(spec, tuple(places), apps)
        self.zone = zone.zone_spec(spec)
        self._tell = tell
        self._names = {component: places[component][0] for component in managed}
        endpoints = tuple(place for component, place in places.items() if component in managed)
        self._fixed = {
            name: addresses
            for component, (name, addresses) in places.items()
            if component not in managed and component != "dns"
        }
        self.automation = DnsAutomation(control_spec(spec), endpoints)
        self.failover = self._make_failover(spec.get("failover"), places)
        self._forced_empty: frozenset[str] = frozenset()
        self._stalled = ""
        self._seen_empty: set[str] = set()
        self._queries = self._answers = self._empties = 0

    def next_due_s(self) -> float:
        """When `advance` should be called next."""
        return self.automation.next_due_s()

    def advance(self, now_s: float) -> None:
        """Run the automation up to now."""
        self._write(self.automation.advance(now_s))

    def ask(self, qname: str, qtype: str) -> zone.ZoneAnswer:
        """The answer to a question, as of the last `advance`."""
        self._queries += 1
        said = zone.respond(self.zone, self._records, qname, qtype)
        name = qname.lower()
        if said.empty:
            self._empties += 1
            if name not in self._seen_empty:
                self._seen_empty.add(name)
                self._tell("first_empty_answer", endpoint=name, worded=str(self.zone.answer_kind))
        elif said.addresses:
            self._answers += 1
            self._seen_empty.discard(name)
            by = self._answers % len(said.addresses)
            return said._replace(addresses=said.addresses[by:] + said.addresses[:by])
        return said

    def gauges(self) -> dict[str, float]:
        """queries_total, answers_total (with addresses), empty_answers_total, the automation's, and the failover's."""
        return {
            "queries_total": float(self._queries),
            "answers_total": float(self._answers),
            "empty_answers_total": float(self._empties),
            **self.automation.gauges(),
            **(self.failover.gauges() if self.failover is not None else {}),
        }

    def stall(self, params: Params, now_s: float) -> None:
        """Fault stall_enactor {enactor: az1}. Raises ValueError for parameters it does not know."""
        _only(params, "enactor")
        if "enactor" not in params:
            raise ValueError("enactor is missing; name one, as in {enactor: az1}")
        self._write(self.automation.stall(str(params["enactor"]), now_s))
        if self._stalled not in ("", params["enactor"]):  # the fault was replaced: it stalls one enactor at a time
            self._write(self.automation.unstall(self._stalled, now_s))
        self._stalled = str(params["enactor"])

    def unstall(self, now_s: float) -> None:
        """Heal stall_enactor."""
        self._write(self.automation.unstall(self._stalled, now_s))
        self._stalled = ""

    def empty(self, params: Params) -> None:
        """Fault empty_record {component: kv}; without a component, all managed ones."""
        _only(params, "component")
        component = params.get("component")
        if component is not None and component not in self._names:
            raise ValueError(f"component: {component!r} has no managed record; these have: {', '.join(self._names)}")
        self._forced_empty = frozenset([self._names[component]] if component else self._names.values())

    def fill(self) -> None:
        """Heal empty_record."""
        self._forced_empty = frozenset()

    def restore(self, params: Params, now_s: float) -> dict[str, Any]:
        """Action restore; what was done."""
        _only(params)
        events = self.automation.restore(now_s)
        self._write(events)
        return dict(events[-1].note.fields)

    def point(self, params: Params) -> dict[str, Any]:
        """Action point {to: kv|provider|checks}; what was done. Raises ValueError where no name can move."""
        _only(params, "to")
        if self.failover is None:
            raise ValueError("no name can move here; give dns a failover, as in {to: provider}")
        return self.failover.point(str(params.get("to")))

    def addresses_of(self, component: str, now_s: float) -> tuple[str, ...]:
        """What the component's own record holds now, wherever its name points."""
        self.advance(now_s)
        return self._own(self._name_of[component]) or ()

    def _records(self, name: str) -> tuple[str, ...] | None:
        if self.failover is not None and name == self._name_of[self.failover.spec.first]:
            name = self._name_of[self.failover.points_to]
        return self._own(name)

    def _own(self, name: str) -> tuple[str, ...] | None:
        if name in self._fixed:
            return self._fixed[name]
        if name not in self.automation.store.endpoints:
            return None
        return () if name in self._forced_empty else dns_plans.answers(self.automation.store, name)

    def _make_failover(self, given: Params | None, places: Places) -> RecordFailover | None:
        self._name_of = {component: name for component, (name, _) in places.items()}
        if not given:
            return None
        spec = spec_of(given)
        for key, component in (("of", spec.first), ("to", spec.second)):
            if component not in places or component == "dns":
                raise ValueError(f"failover: {key}: {component!r} is not a component of this region that has a record")
        if spec.first == spec.second:
            raise ValueError(f"failover: to: {spec.second!r} is the one that is failed over from; name another")
        return RecordFailover(spec, self._tell)

    def _write(self, events: list[Event]) -> None:
        for event in events:
            self._tell(event.note.kind, due_s=round(event.t_s, 6), **dict(event.note.fields))


def managed_components(spec: Mapping[str, Any], components: tuple[str, ...], apps: frozenset[str]) -> tuple[str, ...]:
    """The components whose records the plans manage: those in `endpoints`, else all but dns and `apps`, else all."""
    named = spec.get("endpoints")
    if named is None:
        others = tuple(name for name in components if name != "dns")
        return tuple(name for name in others if name not in apps) or others
    for name in named:
        if name not in components or name == "dns":
            known = ", ".join(component for component in components if component != "dns")
            raise ValueError(f"endpoints: {name!r} is not a component that has a record; there are: {known}")
    return tuple(named)


def _only(params: Params, *known: str) -> None:
    for key in params:
        if key not in known:
            raise ValueError(f"{key!r} is not a parameter here; there are: {', '.join(known) or 'none'}")
