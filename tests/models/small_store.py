"""A table store for tests of apps: a fixed time away, and it can be out of reach, lose replies, or lose requests."""

from __future__ import annotations

from collections import Counter
from typing import Any

from harness import build
from harness.flows.wants import Cause, Reply, Request, Result
from harness.models.component import Brain
from harness.models.table import TableStore
from harness.spec.region import KNOBS
from tests.models import stage

TIMEOUT_S = 0.5


class SmallStore:
    """A script for the stage: `away`, `loses` "reply" (it took effect) or "request" (it did not) of writes."""

    def __init__(self, takes_s: float = 0.25) -> None:
        self.tables = TableStore()
        self.takes_s = takes_s
        self.away = False
        self.loses = ""
        self.asked: list[str] = []
        self._attempts = 0

    def __call__(self, request: Request, now_s: float) -> Reply:
        if self.away:
            return Reply(Result.UNSENT, 0, Cause.DNS_EMPTY, now_s)
        self._attempts += 1
        writes = request.params.get("writes")
        self.asked.append(writes[0]["table"] if writes else request.params["table"])
        late = Reply(Result.TIMEOUT, 0, Cause.TIMEOUT, now_s + TIMEOUT_S)
        if self.loses == "request" and request.write:
            return late
        said = self.tables.perform(request.operation, request.params, self._attempts, now_s)
        if self.loses == "reply" and request.write:
            return late
        cause = Cause.NONE if said.status == 200 else Cause[said.code.upper()]
        result = Result.OK if said.status == 200 else Result.ERROR
        return Reply(result, said.status, cause, now_s + self.takes_s, said.body)

    def table(self, name: str) -> dict[str, dict[str, Any]]:
        """What a table holds, by key."""
        held: dict[str, dict[str, Any]] = self.tables.export()["tables"].get(name, {})
        return held

    def records(self, name: str) -> Counter[int]:
        """How many records each operation has in a table, by the effect log."""
        return Counter(
            effect[6]["op"] for effect in self.tables.effects if effect[3] == name and effect[6] and "op" in effect[6]
        )


def on_stage(app: str, knobs: dict[str, Any], takes_s: float = 0.25) -> tuple[stage.Stage, SmallStore, Any]:
    """An app built from its knobs, alone with a small store."""
    store = SmallStore(takes_s)
    brain: Brain = build.brain_of(app, KNOBS[app].model_validate(knobs), stage.given())
    scene = stage.Stage(**{app: brain})
    scene.answers["kv"] = store
    return scene, store, brain
