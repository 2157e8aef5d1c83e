"""What no single value can be blamed for: a fault that outlives the load, a story without its component.

The models accept each value; these checks look at several together. Each complaint names the path it is about, what was
found, what is allowed and what to do; all of them are found in one pass.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from harness.policies.entry import did_you_mean
from harness.spec import wiring, work
from harness.spec.client import Client
from harness.spec.criteria import Expect
from harness.spec.document import Where
from harness.spec.events import events_of
from harness.spec.experiment import Experiment
from harness.spec.knobs import Working
from harness.spec.lines import Condition
from harness.spec.surges import surges_of
from harness.spec.timed import Timed
from harness.spec.vocabulary import (
    FLAGS,
    MEASURES,
    OF_BASELINE,
    STOP_GAUGES,
    STORIES,
    VERDICTS,
    baseline_of,
    known_measure,
)

RUN_S_MAX: Final = 86_400
OPERATIONS_MAX: Final = 10_000_000  # a schedule of 180 MB; one story at 4,000/s for 40 minutes


class Complaint(NamedTuple):
    """One thing that is wrong; `key` when the key at `path` is the culprit, not its value."""

    path: Where
    text: str
    key: bool = False


def of_experiment(experiment: Experiment) -> Iterator[Complaint]:
    """Everything wrong with one resolved variant."""
    yield from _size(experiment)
    yield from _load(experiment)
    yield from _region(experiment)
    yield from _clients(experiment)
    events, complaints = events_of(experiment)
    for path, text in complaints:
        yield Complaint(("timeline", *path), text, key=text.startswith("unknown argument"))
    if not complaints:
        yield from _surges(experiment, events)
    for gauge in experiment.stop_when:
        if gauge not in STOP_GAUGES:
            text = f"unknown gauge; stop_when takes {', '.join(STOP_GAUGES)}{did_you_mean(gauge, STOP_GAUGES)}"
            yield Complaint(("stop_when", gauge), text, key=True)
    yield from _hosts(experiment)


def _host(url: str) -> str:
    """The host of a URL, or "" when there is none to be read."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _hosts(experiment: Experiment) -> Iterator[Complaint]:
    for name, url in experiment.targets.items():
        if loopback(_host(url)):
            text = f"{url!r}: a run drives the region it starts, and cannot be pointed at a service of yours; remove it"
        else:
            text = f"{url!r} is not on loopback; a run may only touch this machine (127.0.0.0/8, ::1); remove it"
        yield Complaint(("targets", name), text)
    for index, host in enumerate(experiment.allow_hosts):
        if not loopback(host):
            yield Complaint(
                ("allow_hosts", index),
                f"{host!r} is not on loopback; a run may only touch this machine (127.0.0.0/8, ::1); remove it",
            )


def loopback(host: str) -> bool:
    """Whether a host can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _size(experiment: Experiment) -> Iterator[Complaint]:
    """A slip of a unit (1e9/s, 1e9h) must cost a complaint, not the memory of the machine."""
    end_s = experiment.spans()["drain"].end_s
    if end_s > RUN_S_MAX:
        text = f"a run of {end_s:g} s is over the {RUN_S_MAX:,} s (a day) a run may take; shorten the phases"
        yield Complaint(("phases",), text)
        return
    for name, load in experiment.load.items():
        operations = load.rate_per_s * experiment.load_end_s
        if operations > OPERATIONS_MAX:
            text = (
                f"{load.rate_per_s:g}/s for {experiment.load_end_s:g} s are {operations:.3g} operations; a "
                f"plan holds at most {OPERATIONS_MAX:,} of a story; lower the rate or shorten the phases"
            )
            yield Complaint(("load", name, "think") if load.closed else ("load", name, "arrivals", "rate"), text)


def _surges(experiment: Experiment, events: Sequence[Timed]) -> Iterator[Complaint]:
    """The same slip in a surge."""
    numbers = {event.id: event.number for event in events}
    for surge in surges_of(experiment, events):
        if surge.operations > OPERATIONS_MAX:
            text = (
                f"{surge.operations:.3g} more operations of {surge.story}; a plan holds at most {OPERATIONS_MAX:,} of "
                "a story; lower the factor or the rate, or shorten the surge"
            )
            yield Complaint(("timeline", numbers[surge.id], "with"), text)


def _load(experiment: Experiment) -> Iterator[Complaint]:
    region = experiment.region.instances()
    for name, load in experiment.load.items():
        story = STORIES.get(name)
        if story is None:
            text = f"unknown story; stories are {', '.join(STORIES)}{did_you_mean(name, STORIES)}"
            yield Complaint(("load", name), text, key=True)
            continue
        for missing in [component for component in story.needs if component not in region]:
            text = f"story {name} needs {missing}, which is absent; remove `{missing}: null` from the region"
            yield Complaint(("load", name), text, key=True)
        for operation in [operation for operation in load.mix if operation not in story.operations]:
            known = story.operations
            text = f"unknown operation; {name} has {', '.join(known)}{did_you_mean(operation, known)}"
            yield Complaint(("load", name, "mix", operation), text, key=True)
        if load.mix and abs(sum(load.mix.values()) - 1.0) > 1e-6:
            text = f"shares add up to {sum(load.mix.values()):g}; they must add up to 1"
            yield Complaint(("load", name, "mix"), text)


def _region(experiment: Experiment) -> Iterator[Complaint]:
    region = experiment.region
    present = region.instances()
    for path, text in wiring.of_region(experiment):
        yield Complaint(("region", *path), text)
    for name, text in work.refused(experiment):
        yield Complaint(("region", name), text)
    failover = None if region.dns is None else region.dns.failover
    if failover is not None and failover.to not in present:
        text = f"the name of {failover.of} fails over to {failover.to}, which is absent; put it into the region"
        yield Complaint(("region", "dns", "failover"), text)
    yield from _cycle(experiment)
    for name, working in (("kv", region.kv), *region.hosted().items()):
        if isinstance(working, Working):
            try:
                working.server()
            except ValueError as error:
                yield Complaint(("region", name), str(error))


def _cycle(experiment: Experiment) -> Iterator[Complaint]:
    """Components that wait for each other never start: after a black start nobody is first."""
    needs = {name: knobs.depends_on for name, knobs in experiment.region.hosted().items()}
    sorter = TopologicalSorter(needs)
    try:
        sorter.prepare()
    except CycleError as error:
        ring = list(reversed(error.args[1]))
        text = f"{' needs '.join(ring)}: a ring in which nobody can start first; take one out of depends_on"
        hosted = experiment.region.hosted()
        said = next((name for name in ring if "depends_on" in hosted[name].model_fields_set), ring[0])
        yield Complaint(("region", said, "depends_on"), text)


def _clients(experiment: Experiment) -> Iterator[Complaint]:
    clients: list[tuple[Where, Client]] = [
        (("load", name, "client"), load.client) for name, load in experiment.load.items()
    ]
    for name, knobs in experiment.region.hosted().items():
        clients.append((("region", name, "client"), knobs.client))
    for path, client in clients:
        try:
            client.policy()
        except ValueError as error:
            yield Complaint(path, str(error))


def of_expectations(lines: Iterable[Expect], variants: list[str]) -> Iterator[Complaint]:
    """Everything wrong with the `expect` lines of a file with these variants."""
    for index, line in enumerate(lines):
        named = [(("variant",), line.variant)] if line.variant is not None else []
        named += [(("compare",), name) for name in line.compare or ()]
        for path, name in named:
            if name not in variants:
                text = f"no variant {name!r}; variants are {', '.join(variants)}{did_you_mean(name, variants)}"
                yield Complaint(("expect", index, *path), text)
        if line.compare is not None and line.compare[0] == line.compare[1]:
            yield Complaint(("expect", index, "compare"), "a variant is compared with itself; name two")
        condition = line.is_ if isinstance(line.is_, Condition) else None
        if condition is not None and condition.of == "variant":
            if condition.other not in variants:
                near = did_you_mean(condition.other, variants)
                text = f"no variant {condition.other!r}; variants are {', '.join(variants)}{near}"
                yield Complaint(("expect", index, "is"), text)
            elif condition.other == line.variant:
                yield Complaint(("expect", index, "is"), "a variant is measured by itself; name another")
        if line.series is not None:
            continue
        if not known_measure(line.key):
            near = did_you_mean(str(line.measure), [*MEASURES, *(key.rpartition(".")[2] for key in MEASURES)])
            text = (
                f"unknown measure {line.measure!r}; it is a dotted key of measures.json, as in amplification.peak{near}"
            )
            yield Complaint(("expect", index, "measure"), text)
        if line.key == "verdict" and isinstance(line.is_, Condition) and line.is_.value not in VERDICTS:
            text = f"{line.is_.value!r} is not a verdict; they are {', '.join(VERDICTS)}"
            yield Complaint(("expect", index, "is"), text + did_you_mean(str(line.is_.value), VERDICTS))
        elif line.key != "verdict" and isinstance(line.is_, Condition):
            wanted, example = (bool, "true or false") if line.key in FLAGS else (float, "a bound, as in '<= 15s'")
            if type(line.is_.value) is not wanted:
                text = f"{line.is_.text!r} can never hold for {line.measure}; write {example}"
                yield Complaint(("expect", index, "is"), text)
            elif line.is_.of == "baseline" and baseline_of(line.key) is None:
                text = (
                    f"{line.measure} has no counterpart in the baseline phase; {', '.join(OF_BASELINE)} have, or look "
                    "at a `series`"
                )
                yield Complaint(("expect", index, "is"), text)
