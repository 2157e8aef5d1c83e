"""Time is an argument and chance is keyed: three files read a clock, and nobody uses a global generator."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import pytest

CLOCK_FILES = {"harness.live.clock", "harness.load.clock", "mock_services.clock"}
CLOCKS = {
    "time": {
        "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time",
        "clock_gettime", "clock_gettime_ns", "localtime", "gmtime", "sleep",
    },
    "datetime.datetime": {"now", "utcnow", "today"},
    "datetime.date": {"today"},
}  # fmt: skip
SECRETIVE = ("harness.live.", "harness.load.web.")
# What of numpy.random draws from a generator one holds; the rest, like `random.random`, draws from a hidden one.
NUMPY_SEEDED = {"Generator", "PCG64", "PCG64DXSM", "SeedSequence", "default_rng", "BitGenerator"}


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an attribute chain, "" when it is none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = dotted(node.value)
        return f"{left}.{node.attr}" if left else ""
    return ""


def uses(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every dotted name used or imported, with aliases undone: (name, line)."""
    alias: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                alias[name.asname or name.name.split(".")[0]] = name.name if name.asname else name.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                alias[name.asname or name.name] = f"{node.module}.{name.name}"
                yield f"{node.module}.{name.name}", node.lineno
    for node in ast.walk(tree):
        name_ = dotted(node) if isinstance(node, ast.Attribute | ast.Name) else ""
        first, _, rest = name_.partition(".")
        if first in alias:
            yield (f"{alias[first]}.{rest}" if rest else alias[first]), node.lineno  # type: ignore[attr-defined]


def reads_a_clock(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    return attribute in CLOCKS.get(module, ())


def draws_globally(name: str) -> bool:
    if name.startswith("random."):
        return name.split(".")[1] != "Random"
    if name.startswith("numpy.random."):
        return name.split(".")[2] not in NUMPY_SEEDED
    return name.split(".")[0] == "secrets" or name in ("os.urandom", "uuid.uuid4", "uuid.uuid1")


def test_only_the_clock_files_read_a_clock(modules: list[Any]) -> None:
    wrong = []
    for module in modules:
        if module.name in CLOCK_FILES:
            continue
        wrong += [f"{module.name}:{line} uses {name}" for name, line in uses(module.tree) if reads_a_clock(name)]
    assert not wrong, "\n".join(wrong)


def test_each_kind_of_process_has_its_one_clock(modules: list[Any]) -> None:
    found = {module.name: module for module in modules if module.name in CLOCK_FILES}
    assert set(found) == CLOCK_FILES
    for module in found.values():
        assert any(reads_a_clock(name) for name, _ in uses(module.tree)), module.name


def test_nobody_draws_from_a_global_generator(modules: list[Any]) -> None:
    """The tokens of a run and of its page are secrets, not draws: what must not be reproducible."""
    wrong = []
    for module in modules:
        for name, line in uses(module.tree):
            if draws_globally(name) and not (name.startswith("secrets") and module.name.startswith(SECRETIVE)):
                wrong.append(f"{module.name}:{line} uses {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("code", "clock", "chance"),
    [
        ("import time\ntime.monotonic()", True, False),
        ("from time import monotonic as m\nm()", True, False),
        ("import time as t\nx = t.time_ns", True, False),
        ("import datetime\ndatetime.datetime.now()", True, False),
        ("from datetime import datetime\ndatetime.now()", True, False),
        ("import random\nrandom.random()", False, True),
        ("from random import choice", False, True),
        ("import random\nrandom.Random(7).random()", False, False),
        ("import numpy as np\nnp.random.rand(3)", False, True),
        ("import numpy as np\nnp.random.Generator(np.random.PCG64(7))", False, False),
        ("import uuid\nuuid.uuid4()", False, True),
        ("def f(now_s, time): return time.monotonic + now_s", False, False),
    ],
)
def test_the_readers_of_this_file_see_through_aliases(code: str, clock: bool, chance: bool) -> None:
    found = list(uses(ast.parse(code)))
    assert any(reads_a_clock(name) for name, _ in found) is clock
    assert any(draws_globally(name) for name, _ in found) is chance
