"""What a recorded run of somebody's locustfile is held against: phases, timeline and lines, as a plan.

Without an experiment file there is no fault and no outage: the load, once it is warm, is compared with itself.

    warm-up 20 % | baseline 30 % | the rest, judged against it       of the run time, or of the time it ran

With one, phases, timeline, steady state and criteria are the file's, and the load ends when its phases do. Its `load`
may be left out and is not played; `allow_hosts` may name hosts beyond this machine, because the file is then about a
service of the reader's own.

A plan says how many operations are due. Users of a closed loop decide that themselves, so the number is known only
afterwards, and is written then: user class by user class the mean rate at which it asked. Drawn evenly that gives as
many operations as were recorded, so the rows can be counted against the plan like those of any other run.

Leaves out: entries of a timeline with `when:`, which need the orchestrator's operators.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import harness
from harness.errors import SpecError
from harness.plan import Plan, make_plan
from harness.policies.entry import did_you_mean
from harness.spec import checks
from harness.spec.document import Document, read_document
from harness.spec.experiment import Arrivals, Experiment, Load
from harness.spec.load import ONLY, ExperimentFile, resolved_experiment
from harness.spec.patch import filled, normal, patched
from harness.spec.region import Region

ENGINE = "locust"
UNKNOWN_S = 3600.0  # the length that a run without one is said to have until it ends
DRAIN_S = 5.0  # how long users may finish what they are doing, without an experiment file
LEAST_S = 0.5
_WARM_SHARE, _BASELINE_SHARE = 0.2, 0.3
_NO_OUTAGE_S = 0.001  # every plan has the phase; nothing happens in it
# Never played: it only makes an experiment complete. What was really asked takes its place when the run is over.
_STAND_IN: dict[str, Any] = {"mobile_banking": {"arrivals": {"rate": "1/s"}}}
_NOT_IN_FINGERPRINT = ("title", "description", "seed", "repeat", "expect", "load")


def read_plan(path: Path, variant: str | None, seed: int | None, region: Region | None) -> Plan:
    """The plan of an experiment file for somebody's own load; `region` is the one that is served, None for none.

    Raises SpecError with every complaint.
    """
    document = read_document(path)
    raw = document.data
    if not isinstance(raw, dict):
        raise SpecError(f"{path}:1:1: not a mapping; an experiment begins with `title: ...`")
    variants = raw.get("variants")
    names = tuple(map(str, variants)) if isinstance(variants, dict) and variants else (ONLY,)
    chosen = names[0] if variant is None else variant
    if chosen not in names:
        raise SpecError(f"{path}: no variant {chosen!r}; it has {', '.join(names)}{did_you_mean(chosen, names)}")
    base = {"load": _STAND_IN, **{key: value for key, value in raw.items() if key != "variants"}}
    patch = variants.get(chosen) if isinstance(variants, dict) else None
    found = filled(patched(base, patch) if isinstance(patch, dict) else normal(base))
    experiment = resolved_experiment(found, str(path))
    _check(experiment, document)
    _check_served(experiment, region, path)
    file = ExperimentFile(path.stem, str(path), {chosen: experiment})
    plan = make_plan(file, chosen, seed)
    if region is None and experiment.timeline:  # by hand: the timeline needs the names, and `written` takes the rest
        return replace(plan, engine=ENGINE)
    return replace(plan, engine=ENGINE, experiment=experiment.model_copy(update={"region": region or absent()}))


def free_plan(name: str, variant: str, seed: int, length_s: float, region: Region | None) -> Plan:
    """The plan of a run without an experiment file, whose load lasts `length_s`."""
    length_s = max(LEAST_S, length_s)
    warm_s, baseline_s = round(_WARM_SHARE * length_s, 3), round(_BASELINE_SHARE * length_s, 3)
    phases = {
        "warm_up": f"{warm_s!r}s",
        "baseline": f"{baseline_s!r}s",
        "outage": f"{_NO_OUTAGE_S!r}s",
        "recovery": f"{round(length_s - warm_s - baseline_s - _NO_OUTAGE_S, 6)!r}s",
        "drain": f"{DRAIN_S!r}s",
    }
    found = filled({"title": f"Users of {name}", "seed": seed, "load": _STAND_IN, "phases": phases})
    experiment = resolved_experiment(found, name).model_copy(update={"region": region or absent()})
    return Plan(name, variant, seed, ENGINE, experiment)


def absent() -> Region:
    """A region with nothing in it: what is tested is not ours, and its capacity unknown."""
    nothing: Mapping[str, None] = {name: None for name in Region.model_fields if name != "preset"}
    return Region().model_copy(update=dict(nothing))


def written(
    plan: Plan, asked: Mapping[str, int], until_s: float, files: Sequence[Path], *, served: bool
) -> dict[str, Any]:
    """plan.json: `asked` is how many operations each user class started by `until_s`, seconds from zero.

    Unless a region is `served`, components are names and no more: what is tested has none of their knobs.
    """
    facts = plan.to_json()
    load = {story: _asked(count, until_s) for story, count in asked.items() if count} or {
        story: _asked(1, until_s) for story in list(asked)[:1]
    }
    spec = plan.experiment.model_copy(update={"load": load}).written()
    if not served:
        facts["components"] = {}
        spec["region"] = {name: {} if isinstance(part, dict) else part for name, part in spec["region"].items()}
    same = {key: value for key, value in spec.items() if key not in _NOT_IN_FINGERPRINT}
    texts = [path.read_bytes().hex() for path in files if path.is_file()]
    print_of = json.dumps([harness.__version__, ENGINE, same, texts], sort_keys=True)
    facts.update(
        stories=list(load),
        apps={},
        spec=spec,
        fingerprint=hashlib.blake2b(print_of.encode(), digest_size=8).hexdigest(),
    )
    return facts


def _asked(count: int, until_s: float) -> Load:
    """A load of `count` operations within `until_s`, evenly drawn; half of one is kept from the edge of rounding."""
    rate_per_s = (count - 0.5) / max(until_s, 1e-3)
    return Load(arrivals=Arrivals.model_construct(rate_per_s=rate_per_s, process="even"), users=1)


def _check(experiment: Experiment, document: Document) -> None:
    """What `blackstart check` says, but for what is different about somebody's own load."""
    complaints = []
    for complaint in checks.of_experiment(experiment):
        if complaint.path[:1] == ("allow_hosts",) or (complaint.path == ("timeline",) and not experiment.timeline):
            continue
        where = document.place(complaint.path, key=complaint.key) or document.nearest(complaint.path)
        complaints.append(document.complain(where, f"{'.'.join(map(str, complaint.path))}: {complaint.text}"))
    for number, event in enumerate(experiment.timeline):
        if event.at is None:
            where = document.nearest(("timeline", number))
            text = f"{event.do} waits for a condition; under the plugin nobody watches for it, so give it `at: ...`"
            complaints.append(document.complain(where, text))
    if complaints:
        raise SpecError("\n".join(complaints))


def _check_served(experiment: Experiment, region: Region | None, path: Path) -> None:
    """Nothing can be done to a component that is not there."""
    there = region.instances() if region is not None else {}
    for event in experiment.timeline:
        if region is not None and event.component not in there:
            raise SpecError(
                f"{path}: {event.do}: {event.component} is not in the region that is served ({', '.join(there)})"
            )


def is_longer(plan: Plan, at_s: float) -> bool:
    """Whether the plan's load goes on for more than a moment after `at_s`."""
    return plan.load_end_s - at_s > LEAST_S and math.isfinite(plan.load_end_s)
