"""What the name server would say about each name, from the start of a run to its end, for the kernel.

The automation behind the records sees neither callers nor load: what it writes, and when, follows from its knobs and
from what the timeline does to it. So it is played once, ahead of the run, and what is left are the moments at which a
record begins to be empty or to have addresses. The brain is the one that runs live and in the world.

    changes(plan) -> (at_s, component, kind of answer), ...    ascending; before the first, a name has addresses
    answer_when_empty(plan)                                    what a resolver learns from an empty record

Plays are kept: cells of a sweep that differ in load or in clients share one.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import Any

from harness.models import dns_cache, zone
from harness.models.dns_cache import Answer
from harness.models.nameserver import NameServer
from harness.plan import Plan
from harness.policies.resolver import FOUND
from harness.record.region import lay_out
from harness.spec.region import HOSTED
from harness.timeline import Due, edges

Change = tuple[float, str, int]
_NET = 10  # addresses are never bound; any network will do


def changes(plan: Plan) -> tuple[Change, ...]:
    """Every moment up to the end of the run at which a name's answer becomes another kind."""
    knobs = plan.experiment.region.dns
    if knobs is None:
        return ()
    spec = json.dumps(knobs.model_dump(mode="json", by_alias=True))
    deeds = json.dumps([due._replace(what="", id="") for due in edges(plan) if due.component == "dns"])
    play = _played(spec, tuple(plan.components.items()), deeds)
    return play.until(plan.end_s)


def answer_when_found(plan: Plan) -> Answer:
    """What a resolver learns from a record with addresses."""
    knobs = plan.experiment.region.dns
    return Answer(FOUND, ("",), math.inf if knobs is None else float(int(knobs.ttl_s)))


def answer_when_empty(plan: Plan) -> Answer:
    """What a resolver learns from a record without."""
    knobs = plan.experiment.region.dns
    if knobs is None:
        return Answer(FOUND)
    found = zone.zone_spec(knobs.model_dump(mode="json", by_alias=True))
    return _read(found, zone.respond(found, lambda name: (), f"kv.{found.origin}", "A"))


def _read(spec: zone.ZoneSpec, said: zone.ZoneAnswer) -> Answer:
    ttls_s = [float(spec.ttl_s)] * len(said.addresses) + [float(spec.negative_ttl_s)] * said.authority_ns
    soa_s = (float(spec.negative_ttl_s),) * 2 if said.authority_soa else None
    return dns_cache.read(said.rcode.value, said.addresses, tuple(ttls_s), soa_s)


class _Play:
    """The automation, played as far as anybody asked."""

    def __init__(self, spec: dict[str, Any], components: dict[str, int], deeds: list[Due]) -> None:
        places = lay_out(_NET, components).places
        self._names = {component: place.name for component, place in places.items() if component != "dns"}
        addressed = {name: (place.name, place.addresses) for name, place in places.items()}
        self._server = NameServer(spec, addressed, frozenset(HOSTED), lambda kind, **fields: None)
        self._deeds = deeds
        self._kinds = dict.fromkeys(self._names, FOUND)
        self._found: list[Change] = []
        self._look(0.0)

    def until(self, end_s: float) -> tuple[Change, ...]:
        while True:
            next_s = self._server.next_due_s()
            if self._deeds and self._deeds[0].at_s <= next_s:
                next_s = self._deeds[0].at_s
            if next_s > end_s:
                return tuple(change for change in self._found if change[0] <= end_s)
            self._server.advance(next_s)
            while self._deeds and self._deeds[0].at_s == next_s:
                perform(self._server, self._deeds.pop(0))
            self._look(next_s)

    def _look(self, now_s: float) -> None:
        for component, name in self._names.items():
            kind = _read(self._server.zone, self._server.ask(name, "A")).kind
            if kind != self._kinds[component]:
                self._kinds[component] = kind
                self._found.append((now_s, component, kind))


def perform(names: NameServer, due: Due) -> None:
    """One deed of the timeline on the name server."""
    match due.deed, due.name:
        case "inject", "stall_enactor":
            names.stall(due.params, due.at_s)
        case "heal", "stall_enactor":
            names.unstall(due.at_s)
        case "inject", "empty_record":
            names.empty(due.params)
        case "heal", "empty_record":
            names.fill()
        case "action", "restore":
            names.restore(due.params, due.at_s)
        case _:
            raise AssertionError(f"{due.what}: the plan was checked, and dns has no such thing")


@lru_cache(maxsize=64)
def _played(spec: str, components: tuple[tuple[str, int], ...], deeds: str) -> _Play:
    return _Play(json.loads(spec), dict(components), [Due(*due) for due in json.loads(deeds)])
