"""Planted runs that carry expect lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.record.folder import RunFolder
from tests.analyse.planted import Truth, plant

RISING = ((0.0, 2.0), (6.0, 2.0), (40.0, 3000.0))
VERDICT = {"variant": "budget", "measure": "verdict", "is": "== recovered"}
IN_TIME = {"variant": "budget", "measure": "time_to_recover", "is": "<= 5s"}


def recovers(variant: str = "budget", seed: int = 1, after_s: float = 2.0) -> Truth:
    """Steady again so long after the fix."""
    return Truth(variant=variant, seed=seed, refused=((6.0, 8.0 + after_s),))


def stuck(variant: str = "naive", seed: int = 1) -> Truth:
    """Never steady again."""
    return Truth(variant=variant, seed=seed, refused=((6.0, 99.0),), times_out=True, waiting=RISING)


def invalid(variant: str = "budget", seed: int = 1) -> Truth:
    """Would have recovered, but the generator dropped operations."""
    return recovers(variant, seed)._replace(dropped=20)


def runs(root: Path, lines: Sequence[dict[str, Any]], *truths: Truth) -> list[RunFolder]:
    """The run folders, each asked these lines."""
    folders = [plant(root, truth) for truth in truths]
    for folder in folders:
        plan = folder.read_json(folder.plan)
        plan["spec"]["expect"] = list(lines)
        folder.write_json(folder.plan, plan)
    return folders


def verdicts(gate: dict[str, Any]) -> list[str]:
    """The answers, in the order of the lines."""
    return [one["verdict"] for one in gate["criteria"]]
