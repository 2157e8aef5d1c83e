"""Correct files, spoilt at random: each is taken or complained about with its place, and what is taken can be run.

Files are spoilt as people and scripts spoil them: a key lost, doubled or misspelt, a value of another sort, a number
with too many zeros, a component that is not there.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import build
from harness.errors import RunError, SpecError
from harness.plan import make_plan
from harness.record.folder import RunFolder
from harness.sim.world import World
from harness.spec import ExperimentFile, parse_experiment
from harness.spec.region import HOSTED
from harness.spec.vocabulary import STORIES

EMPTY: dict[str, Any] = {}
ODD: tuple[Any, ...] = (
    None, True, 0, 1, -1, 3, 2.5, 1e-9, 1e308, 2**63, 10**30, 10**400, float("nan"), float("inf"), "", "x", "none",
    "nan", "0s", "1us", "1ns", "10ms", "-5s", "20s", "1e300s", "999999h", "1e-300/s", "0/s", "5/s", "1e9/s", "1e999/s",
    "0%", "100%", "-1%", "1e999%", "1e6", ".inf", [], [None], {}, {"kind": "none"}, {"kind": "x"}, {"x": 1}, "kv",
    "dns", "provider", ["kv", "kv"], ["dns"], ["nobody"], ["provider"], ["status", "kv"], "2026-11-23", "5s",
)  # fmt: skip
TIMELINE = (
    {"at": "outage.start", "do": "kv.latency", "with": {"factor": 2, "for": "100ms"}},
    {"at": "outage.start", "do": "kv.capacity", "with": {"slots": 1, "for": "200ms"},
     "square": {"on": "20ms", "off": "30ms"}},
    {"at": "outage.start + 50ms", "do": "dns.stall_enactor", "with": {"enactor": "az1", "for": "100ms"}},
    {"at": "outage.start", "do": "load.surge", "with": {"factor": 2, "for": "100ms"}},
    {"when": {"gauge": "kv.waiting_queue", "above": 1, "for": "50ms", "delay": "10ms"}, "do": "kv.throttle_intake",
     "with": {"rate": "50/s"}, "id": "closed"},
    {"when": {"after_event": "closed", "delay": "100ms"}, "do": "kv.open_intake"},
    {"at": "outage.end", "do": "kv.drop_queue", "fix": True},
)  # fmt: skip
# Deeds of hosted components, each of which has these.
DEEDS = (
    {"at": "outage.start", "do": "{}.errors", "with": {"share": "50%", "for": "50ms"}},
    {"at": "outage.start", "do": "{}.crash", "with": {"for": "100ms"}},
    {"at": "outage.start + 20ms", "do": "{}.throttle_intake", "with": {"rate": "5/s"}},
    {"at": "outage.end", "do": "{}.ramp", "with": {"from": "1/s", "to": "9/s", "over": "1s"}},
    {"at": "outage.end", "do": "{}.shed", "with": {"above": 1}},
)
LIKE = {  # values of the same sort: what passes more often, and is then run
    r"[0-9.e+-]+m?s": ("0s", "1us", "1ms", "10ms", "250ms", "1s", "90s", "999h"),
    r"[0-9.e+-]+/s": ("1e-9/s", "1/h", "1/s", "100/s", "1e9/s"),
    r"-?[0-9]+": (0, 1, 2, 3, 7, 20, 100, 1000, 20_000, 10**6, 10**9),
    r"[0-9.e+-]+": (0.0, 0.01, 0.5, 1.0, 5.0, 100.0, 1e6, 1e12),
    r"True|False": (True, False),
}
COMPLAINT = re.compile(r"t\.yaml:\d+:\d+: .+")


def story_of(component: str) -> str:
    """A story that talks to it, or else one that everybody survives."""
    return next((name for name, story in STORIES.items() if story.target == component), "kv_reads")


@cache
def whole(component: str) -> dict[str, Any]:
    """A short experiment with every knob of one component written out."""
    deeds = [{**deed, "do": str(deed["do"]).format(component)} for deed in DEEDS if component in HOSTED]
    for deed in deeds:
        if component == "compute" and deed["do"] == "compute.throttle_intake":
            deed["with"] = {"cap": 5}
    text = {
        "title": "spoilt",
        "region": {"preset": "region", component: {}},
        "load": {story_of(component): {"arrivals": {"rate": "30/s"}, "users": 20}},
        "phases": {"warm_up": "100ms", "baseline": "300ms", "outage": "200ms", "recovery": "500ms", "drain": "100ms"},
        "timeline": [*TIMELINE, *deeds],
    }
    written = parse_experiment(yaml.safe_dump(text), "whole").variant("base").written()
    region = {"preset": "region", component: written["region"][component]}
    kept = ("title", "conventions", "client", "load", "phases", "timeline", "steady_state", "stop_when")
    return {**{name: written[name] for name in kept}, "region": region, "variants": {"a": {}, "b": {"client": EMPTY}}}


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*path, key)
        yield from paths(inner, (*path, key))


def spoil(data: st.DataObject, found: dict[str, Any]) -> dict[str, Any]:
    """The same with one thing changed."""
    found = copy.deepcopy(found)
    path = data.draw(st.sampled_from(list(paths(found))))
    part: Any = found
    for key in path[:-1]:
        part = part[key]
    like = next((LIKE[sort] for sort in LIKE if re.fullmatch(sort, str(part[path[-1]]))), ODD)
    match data.draw(st.sampled_from(("like", "like", "like", "odd", "odd", "drop", "rename"))):
        case "like":
            part[path[-1]] = copy.deepcopy(data.draw(st.sampled_from(like)))
        case "odd":
            part[path[-1]] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
        case "rename" if isinstance(part, dict):
            part[data.draw(st.sampled_from(("nobody", f"{path[-1]}s", "queue", "kv", "factor")))] = part.pop(path[-1])
        case _:
            del part[path[-1]]
    return found


def doubled(data: st.DataObject, text: str) -> str:
    """The text with one line of a key twice."""
    lines = text.splitlines()
    keyed = [number for number, line in enumerate(lines) if re.match(r"\s*[a-z_]+: \S", line)]
    number = data.draw(st.sampled_from(keyed))
    return "\n".join([*lines[: number + 1], lines[number], *lines[number + 1 :]])


def taken(text: str) -> ExperimentFile | None:
    """The file, or None when it is refused; every complaint has its place."""
    try:
        return parse_experiment(text, "t")
    except SpecError as error:
        said = str(error).split("\n")
        assert all(COMPLAINT.fullmatch(line) for line in said), said
        return None


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_spoilt_file_is_taken_or_complained_about_line_by_line(data: st.DataObject) -> None:
    check(data)


@pytest.mark.long
@settings(deadline=None, max_examples=400, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_many_spoilt_files_are_taken_or_complained_about_line_by_line(data: st.DataObject) -> None:
    check(data)


def check(data: st.DataObject) -> None:
    """Spoil a file; what is taken can be built."""
    found = whole(data.draw(st.sampled_from(("dns", "kv", *HOSTED))))
    for _ in range(data.draw(st.integers(1, 3))):
        found = spoil(data, found)
    text = yaml.safe_dump(found, sort_keys=False)
    if data.draw(st.integers(0, 9)) == 0:
        text = doubled(data, text)
    file = taken(text)
    for variant in file.variants if file is not None else ():
        experiment = file.variant(variant) if file is not None else None
        assert experiment is not None
        assert list(build.complaints(experiment)) == []


@pytest.mark.long
@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_the_check_lets_pass_runs_without_a_defect(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    play(data, tmp_path_factory.mktemp("spoilt"))


def play(data: st.DataObject, root: Path) -> None:
    """Spoil a file's region, load or timeline; if it is taken, run it in the world for its second."""
    found = whole(data.draw(st.sampled_from(("dns", "kv", *HOSTED))))
    calm = {name: found[name] for name in ("phases", "variants")}
    for _ in range(data.draw(st.integers(1, 2))):
        found = {**spoil(data, {name: part for name, part in found.items() if name not in calm}), **calm}
    file = taken(yaml.safe_dump(found, sort_keys=False))
    if file is None:
        return
    plan = make_plan(file, "a", 7, engine="world")
    if plan.schedule().op.size > 2_000:
        return  # a load of that size is somebody else's test
    world = World(plan, RunFolder.create(root, "t", "a", 7, "test"))
    try:
        world.run()
    except RunError as error:  # a storm is said, and is no defect
        if "steps are pending" not in str(error):
            raise
