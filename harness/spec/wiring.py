"""Who may depend on whom, and what a component cannot do without: the region as a whole, before anything is built.

`depends_on` says whom a component calls. A name that nobody answers to, a name given twice, an app without a store to
write to, a health page told to watch what it has no question for: each would show only when the component is built, or
when it makes its first call in the middle of a run. They are said here, with their place in the file.

Knobs of one component that contradict each other are refused by its own model; here stand those that need two of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from harness.policies.entry import did_you_mean
from harness.spec.components.status import WATCHED
from harness.spec.document import Where
from harness.spec.experiment import Experiment
from harness.spec.knobs import Hosted
from harness.spec.region import APPS
from harness.spec.vocabulary import VERBS

STORES: Final = ("kv", "provider")
# Whose store is `kv`, whatever else they depend on; the other apps write to the first that they name.
OF_KV: Final = ("mobile_banking", "compute")

Wrong = Iterator[tuple[Where, str]]


def of_region(experiment: Experiment) -> Wrong:
    """(path below `region`, complaint) for everything wrong between components."""
    for name, knobs in experiment.region.hosted().items():
        yield from _names(experiment, name, knobs)
        yield from _stores(name, knobs)
    yield from _functions(experiment)


def _names(experiment: Experiment, name: str, knobs: Hosted) -> Wrong:
    where = (name, "depends_on")
    present = experiment.region.instances()
    for index, dependency in enumerate(knobs.depends_on):
        if dependency not in VERBS:
            text = f"no component {dependency!r}; they are {', '.join(VERBS)}{did_you_mean(dependency, VERBS)}"
            yield where, text
        elif dependency == "dns":
            yield where, "everybody asks dns for names, and nobody calls it otherwise; leave it out of depends_on"
        elif dependency in knobs.depends_on[:index]:
            yield (*where, index), f"{dependency} is named twice; name it once"
        elif dependency not in present:
            text = f"{name} depends on {dependency}, which is absent; make {name} null too, or leave it out of"
            yield (dependency,), f"{text} {name}.depends_on"


def _stores(name: str, knobs: Hosted) -> Wrong:
    where, found = (name, "depends_on"), knobs.depends_on
    if name in OF_KV:
        if "kv" not in found:
            yield where, f"{name} keeps what it knows in kv, which is not among {_list(found)}; add kv"
    elif name in APPS and (not found or found[0] not in STORES):
        first = f"names {found[0]!r} first" if found else "depends on nothing"
        yield where, f"{name} {first}; an app writes to the store that it names first, so begin with kv, as in [kv]"
    if name == "status":
        for dependency in found:
            if dependency in VERBS and dependency not in WATCHED:
                text = f"status cannot watch {dependency}; it has questions for {', '.join(WATCHED)}"
                yield where, f"{text}; leave {dependency} out{did_you_mean(dependency, WATCHED)}"


def _functions(experiment: Experiment) -> Wrong:
    knobs = experiment.region.functions
    if knobs is None:
        return
    if knobs.fleet is not None and experiment.region.compute is None:
        text = "a fleet launches its hosts through compute, which this region does not have"
        yield ("functions", "fleet"), f"{text}; put compute into the region, or write fleet: none"
    wait_s, timeout_s = knobs.poller.wait_s, knobs.client.timeout_s
    if "queue" in knobs.depends_on and wait_s >= timeout_s:
        text = f"the poller's receive waits {wait_s:g} s, and its client gives up after {timeout_s:g} s"
        yield ("functions", "poller", "wait"), f"{text}; make poller.wait shorter than client.timeout"


def _list(names: tuple[str, ...]) -> str:
    return f"[{', '.join(names)}]"
