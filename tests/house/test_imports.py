"""The import table of the house: data flows one way, and nothing on the right is known on its left.

The table is the architecture. It is kept by reading the imports of every module, lazy ones and those for typing too,
because a module that only sometimes knows its neighbour knows its neighbour.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest


class Area(NamedTuple):
    """What an area may import: areas of ours, and outside packages beyond the standard library."""

    ours: frozenset[str]
    outside: frozenset[str]


def _area(ours: str, outside: str = "") -> Area:
    return Area(frozenset(ours.split()), frozenset(outside.split()))


BELOW_LIVE = "ground policies flows models spec build schedule plan timeline runbook record analyse"
TABLE = {
    "ground": _area(""),
    "policies": _area("ground"),
    "flows": _area("ground policies"),
    "models": _area("ground policies flows"),
    "spec": _area("ground policies", "pydantic pydantic_core yaml"),
    "arrivals": _area("ground spec", "numpy"),  # when operations are due, once for plan and kernel
    "schedule": _area("ground spec arrivals", "numpy"),
    "plan": _area("ground policies spec schedule"),
    "timetable": _area("ground spec plan"),
    "build": _area("ground policies flows models spec"),  # knobs -> brains, once for services and simulation
    "timeline": _area("ground spec plan"),  # events -> deeds, once for orchestrator and simulation
    "runbook": _area("ground spec plan timeline"),  # conditions -> deeds, likewise
    "record": _area("ground", "numpy prometheus_client"),
    "analyse": _area("ground spec plan record", "numpy"),
    "live": _area(BELOW_LIVE, "trio httpx psutil dns numpy prometheus_client"),
    "load": _area(BELOW_LIVE, "locust gevent geventhttpclient flask flask_login dns numpy psutil"),
    "sim": _area(BELOW_LIVE, "numpy numba"),
    "study": _area(f"{BELOW_LIVE} live sim compare", "numpy scipy yaml dask distributed pyarrow"),
    "compare": _area("ground spec plan record analyse", "numpy scipy"),
    "gate": _area("ground spec record analyse compare"),
    "report": _area(
        "ground spec plan timetable record analyse compare",
        "altair vl_convert jinja2 markupsafe numpy opentelemetry",
    ),
    "cli": _area(
        f"{BELOW_LIVE} timetable live load sim study compare gate report", "typer rich trio psutil numpy yaml"
    ),
    "reference": _area(  # pages made from the code; nothing imports it
        "ground policies spec plan record analyse sim report cli", "pydantic yaml numpy altair vl_convert"
    ),
    "mock_services": _area(
        "ground policies flows models spec build record", "aiohttp aiodns dns pycares multidict yarl"
    ),
    "locustfiles": _area("ground load flows", "locust"),
}
GROUND = ("errors", "units", "seeds", "memory")
# Rows store results and causes of attempts as numbers; who reads rows must know what the numbers mean, and no more.
ROW_WORDS = {("analyse", "harness.flows.wants.Result"), ("analyse", "harness.flows.wants.Cause")}


def area_of(name: str) -> str:
    """The area of a module, or of a name imported from one."""
    parts = name.split(".")
    if parts[0] != "harness":
        return parts[0]
    if len(parts) == 1 or parts[1] in GROUND or parts[1].startswith("__"):
        return "ground"
    return parts[1]


def test_every_module_stands_in_a_known_area(modules: list[Any]) -> None:
    assert {area_of(module.name) for module in modules} <= set(TABLE)


@pytest.mark.parametrize("area", TABLE)
def test_an_area_imports_only_what_its_row_allows(area: str, modules: list[Any], standard: frozenset[str]) -> None:
    own = [module for module in modules if area_of(module.name) == area]
    row = TABLE[area]
    wrong = []
    for module in own:
        for name, line in module.imports:
            top = name.split(".")[0]
            if top in ("harness", "mock_services", "locustfiles"):
                known = area_of(name) in {area, *row.ours} or name == "harness.__version__"
                allowed = known or (area, name) in ROW_WORDS
            else:
                allowed = top in standard or top in row.outside
            if not allowed:
                wrong.append(f"{module.path.name}:{line} ({module.name}) imports {name}")
    assert not wrong, "\n".join(wrong)


def test_the_areas_built_so_far_are_really_read(modules: list[Any]) -> None:
    """An area without files would pass by being empty; these exist and must not vanish."""
    counts = {area: sum(area_of(module.name) == area for module in modules) for area in TABLE}
    built = ("policies", "flows", "models", "spec", "record", "analyse", "live", "load", "cli", "mock_services")
    assert [area for area in built if counts[area] < 3] == []
    assert counts["ground"] == len(GROUND) + 1
    assert counts["plan"] == 1


def test_the_table_has_no_cycle() -> None:
    """If it had, "left of" would mean nothing."""
    left = {area: set(row.ours) for area, row in TABLE.items()}
    while left:
        free = [area for area, needs in left.items() if not needs & set(left)]
        assert free, left
        for area in free:
            del left[area]


def test_only_the_words_of_rows_are_taken_from_flows_by_analysis(modules: list[Any]) -> None:
    used = {(area_of(module.name), name) for module in modules for name, _ in module.imports}
    assert used >= ROW_WORDS, "an exception nobody needs any more"


def test_the_process_kinds_never_mix(modules: list[Any]) -> None:
    """trio fails in a process where locust was imported, so no area may know both; nor aiohttp and either."""
    kinds = {"trio": "orchestrator", "httpx": "orchestrator", "locust": "load", "gevent": "load", "aiohttp": "services"}
    seen: dict[str, set[str]] = {}
    for module in modules:
        for name, _ in module.imports:
            kind = kinds.get(name.split(".")[0])
            if kind is not None:
                seen.setdefault(area_of(module.name), set()).add(kind)
    assert {kind for found in seen.values() for kind in found} == {"orchestrator", "load", "services"}
    assert {area: found for area, found in seen.items() if len(found) > 1} == {}
