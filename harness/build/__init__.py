"""From the knobs of an experiment to the brains of a region, once, for every engine.

The live service and its simulated twin must not each decide what `outbox: {pace: 20/s}` means. So the step from
validated knobs (`harness.spec`) to the specs that models take stands here, and both call it. Each hosted component has
a file beside this one with `brain(knobs, given)`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, cast

from harness.models.component import Brain, Given
from harness.models.station import Station, StationSpec
from harness.models.workplace import Workplace
from harness.policies import catalogue
from harness.policies.entry import make
from harness.policies.resolver import ResolverSpec
from harness.spec.experiment import Conventions, Experiment
from harness.spec.knobs import Hosted, Working
from harness.spec.policy import Policy
from harness.spec.vocabulary import STORIES


class Builder(Protocol):
    """A file beside this one."""

    def brain(self, knobs: Any, given: Given) -> Brain:
        """The brain of one component. Raises ValueError for what cannot work together."""


def brain_of(component: str, knobs: Hosted, given: Given) -> Brain:
    """The brain of a hosted component. Raises ValueError for what cannot work together."""
    builder = cast("Builder", importlib.import_module(f"{__name__}.{component}"))
    return builder.brain(knobs, given)


def complaints(experiment: Experiment) -> Iterator[tuple[tuple[str, ...], str]]:
    """(path, complaint) for every component of an experiment that cannot be built.

    The file's own checks know of all that is here, so there should be none; what they miss is told before a run.
    """
    region, load = experiment.region, {story: part.users for story, part in experiment.load.items()}
    conventions = experiment.conventions
    here = tuple(region.instances())
    for name, knobs in region.hosted().items():
        given = Given(
            experiment.seed, 0.0, _unheard, here, users_of(load, name), conventions.service_draw,
            conventions.cancellation,
        )  # fmt: skip
        try:
            brain_of(name, knobs, given)
        except ValueError as error:
            yield ("region", name), str(error)
    try:
        if region.kv is not None:
            Station(station_spec(region.kv, conventions), experiment.seed, 0.0)
    except ValueError as error:
        yield ("region", "kv"), str(error)


def _unheard(kind: str, **fields: Any) -> None:
    """Where the notes go of a brain that is only built."""


def users_of(load: Mapping[str, int], component: str) -> int:
    """How many users the stories have (`load`: users by story) that talk to this component; 0 for none."""
    return sum(users for story, users in load.items() if story in STORIES and STORIES[story].target == component)


def station_spec(knobs: Working, conventions: Conventions) -> StationSpec:
    """The station of a component. Raises ValueError for what cannot work together."""
    return _station(knobs, conventions.service_draw, conventions.cancellation)


def workplace(knobs: Working, given: Given) -> Workplace:
    """Worker slots for a brain's flows. Raises ValueError for what cannot work together."""
    spec = _station(knobs, given.service_draw, given.cancellation)
    return Workplace(Station(spec, given.seed, given.now_s), given.seed)


def _station(knobs: Working, service_draw: str, cancellation: bool) -> StationSpec:
    service = knobs.service
    return StationSpec(knobs.slots, service.mean_s, service.distribution, knobs.server(), service_draw, cancellation)


def admission_spec(policy: Policy | None) -> Any:
    """An admission rule as its steps take it; None for none."""
    if policy is None:
        return None
    kind, params = policy.filled()
    return make(catalogue.find("server", "admission", kind), params)


def resolver_spec(policy: Policy | None) -> ResolverSpec:
    """The resolver policy as the DNS cache takes it; none asks anew for every connection."""
    if policy is None:
        return ResolverSpec(positive_s=0.0, negative_s=0.0)
    kind, params = policy.filled()
    spec: ResolverSpec = make(catalogue.find("client", "resolver", kind), params)
    return spec
