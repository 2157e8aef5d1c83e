"""The audit: what the outage and the recovery did to people's data, as numbers.

A timeout says nothing: the work may have been done, or not, or twice. Counting failures therefore measures patience,
not loss. Only the stores know. After the drain they are read, and every operation that should leave exactly one record
is looked up in the store's effect log, by its operation number:

    acknowledged, no record     stuck, when the app still owes it (with its age); else lost. `expired` of the lost are
                                those the app threw away knowingly
    several records             duplicated, one for each record too many, whether acknowledged or not
    not acknowledged            resolved: done or not done
    records of one key applied in another order than the one they carry          out_of_order
    tables that the effect log does not lead to, entry by entry                  mismatched
    sum of all account movements, exactly, in pence                              money_created
    items of which two stores hold two newest versions (`divergence.py`)         divergent

The effect log is the ground truth: it is written when a write takes effect and read by nothing else. Which operations
must leave a record, and where, is data in the plan (`apps`); what an app owes or threw away is in its export.

A run that was cut, or a component whose state is missing, makes the audit partial: what could be looked at is counted,
and `reasons` says what could not. Nothing is ever assumed to be well. Leaves out: reads, and effects outside stores.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.analyse import operation_kinds
from harness.analyse.divergence import divergence
from harness.analyse.load_run import Run
from harness.errors import RecordError
from harness.record.layouts import Outcome

EXAMPLES = 10  # operation numbers named of each kind
_ACKNOWLEDGED = (int(Outcome.GOOD), int(Outcome.LATE))
_STORES = ("kv", "provider")
_WHOLE = ("completed", "done", "")  # "" while a world is being judged that is not written up yet


class Effect(NamedTuple):
    """One write that took effect."""

    t_s: float
    table: str
    key: str
    put: Mapping[str, Any] | None
    add: Mapping[str, int] | None


class _App:
    """The counts of one app."""

    def __init__(self) -> None:
        self.acknowledged = self.done = self.not_done = self.duplicated = self.expired = 0
        self.lost: list[int] = []
        self.twice: list[int] = []
        self.stuck: list[int] = []
        self.oldest_s = 0.0

    def written(self) -> dict[str, Any]:
        """The counts, JSON-able."""
        return {
            "acknowledged": self.acknowledged,
            "lost": len(self.lost),
            "expired": self.expired,
            "duplicated": self.duplicated,
            "stuck": len(self.stuck),
            "stuck_age_max_s": round(self.oldest_s, 3) if self.stuck else None,
            "unacknowledged_done": self.done,
            "unacknowledged_not_done": self.not_done,
            "examples": {
                name: found[:EXAMPLES]
                for name, found in (("lost", self.lost), ("duplicated", self.twice), ("stuck", self.stuck))
            },
        }


def audit(run: Run) -> dict[str, Any] | None:
    """What `audit.json` holds; None when no operation of this run should leave a record."""
    apps = _apps_of(run.plan)
    if not any(wish.get("effect") for app in apps.values() for wish in app["operations"].values()):
        return None
    reasons: list[str] = []
    state = str(run.folder.read_json(run.folder.manifest).get("state", "")) if run.folder.manifest.is_file() else ""
    if state not in _WHOLE:
        reasons.append(f"the run is {state!r}: work was under way when the stores were read, or they were not read")
    stores = {name: _export(run, name, reasons) for name in _STORES if name in (run.plan.get("components") or {})}
    effects = {name: list(_effects(store)) for name, store in stores.items() if store is not None}
    records = _records(effects)
    counts: dict[str, _App] = {}
    for story, app in apps.items():
        exported = _export(run, app["app"], reasons)
        counts[app["app"]] = _count(run, story, app, exported, records)
    found = {name: app.written() for name, app in sorted(counts.items())}
    total = {key: sum(app[key] for app in found.values()) for key in ("lost", "expired", "duplicated", "stuck")}
    every = [effect for log in effects.values() for effect in log]
    apart = None  # with one store there is nothing to grow apart from
    if all(name in effects for name in _STORES):
        copies = (stores[_STORES[1]] or {}).get("copies") or []
        apart = divergence(effects[_STORES[0]], effects[_STORES[1]], copies)
    return {
        "schema_version": 1,
        "partial": bool(reasons),
        "reasons": reasons,
        **total,
        "out_of_order": _out_of_order(every),
        "mismatched": sum(_mismatched(stores[name] or {}, log) for name, log in effects.items()),
        "money_created": sum(effect.add.get("balance", 0) for effect in every if effect.add is not None),
        "divergent": None if apart is None else apart["items"],
        "divergence": apart,
        "by_app": found,
    }


def _records(effects: Mapping[str, Iterable[Effect]]) -> dict[str, dict[int, int]]:
    """Table -> operation -> records. One that two stores hold under one key is a replica, not a second record."""
    records: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    if len(effects) == 1:  # as in nearly every run
        for _, table, _, put, _ in next(iter(effects.values())):
            if put is not None and isinstance(op := put.get("op"), int) and op >= 0:
                records[table][op] += 1
        return records
    puts: dict[tuple[str, int, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for store, log in effects.items():
        for _, table, key, put, _ in log:
            if put is not None and isinstance(op := put.get("op"), int) and op >= 0:
                puts[table, op, key][store] += 1
    for (table, op, _), by_store in puts.items():
        records[table][op] += max(by_store.values())
    return records


def _apps_of(plan: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The plan's apps: story -> {app, sector, operations: {name: {criticality, value, effect, fallback}}, mix}."""
    apps = plan.get("apps") or {}
    return {str(story): app for story, app in apps.items() if app.get("operations")}


def _export(run: Run, component: str, reasons: list[str]) -> dict[str, Any] | None:
    path = run.folder.exports / f"{component}.json"
    try:
        return run.folder.read_json(path)
    except RecordError as error:
        text = f"{component}: its state was not recorded ({error}); what concerns it is not in the counts"
        if text not in reasons:
            reasons.append(text)
        return None


def _effects(store: Mapping[str, Any]) -> Iterable[Effect]:
    log = store.get("effects") or {}
    columns = {name: number for number, name in enumerate(log.get("columns", ()))}
    rows = log.get("rows", ())
    return map(Effect._make, map(itemgetter(*(columns[name] for name in Effect._fields)), rows)) if rows else ()


def _count(
    run: Run, story: str, app: Mapping[str, Any], exported: Mapping[str, Any] | None,
    records: Mapping[str, Mapping[int, int]],
) -> _App:  # fmt: skip
    """One story's operations against the records they left. Without the app's export nothing is called lost."""
    count = _App()
    effect_of = {name: wish["effect"] for name, wish in app["operations"].items() if wish.get("effect")}
    owed = _since(exported, "owed")
    expired = _since(exported, "expired")
    end_s = float((exported or {}).get("t_s", 0.0))
    kinds = operation_kinds.of(run.plan, story)
    left_of = {table: _Counted(records.get(table, {})) for table in set(effect_of.values())}
    owing, threw_away = _Counted(dict.fromkeys(owed, 1)), _Counted(dict.fromkeys(expired, 1))
    for rows in operation_kinds.operations(run, story):
        kind = kinds.numbers(rows["op"])
        for number, name in enumerate(kinds.names):
            if name not in effect_of:
                continue
            mine = rows[kind == number]
            ops, told = mine["op"], np.isin(mine["outcome"], _ACKNOWLEDGED)
            left = left_of[effect_of[name]].of(ops)
            none, is_owed, was_thrown = left == 0, owing.of(ops) > 0, threw_away.of(ops) > 0
            count.acknowledged += int(told.sum())
            count.done += int((~told & ~none).sum())
            count.not_done += int((~told & none).sum())
            count.duplicated += int((left[left > 1] - 1).sum())
            count.twice += ops[left > 1].tolist()
            stuck = ops[none & is_owed].tolist()
            count.stuck += stuck
            count.oldest_s = max([count.oldest_s, *(end_s - owed[op] for op in stuck)])
            if exported is not None:
                count.lost += ops[none & ~is_owed & told].tolist()
            count.expired += int((none & ~is_owed & was_thrown).sum())
    for found in (count.lost, count.twice, count.stuck):
        found.sort()
    return count


class _Counted:
    """A number for each of some operations, and 0 for all others; asked for many at once."""

    def __init__(self, numbers: Mapping[int, int]) -> None:
        self._ops = np.fromiter(numbers, np.uint64, len(numbers))
        self._numbers = np.fromiter(numbers.values(), np.int64, len(numbers))
        order = np.argsort(self._ops)
        self._ops, self._numbers = self._ops[order], self._numbers[order]

    def of(self, ops: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The number of each operation."""
        if not self._ops.size:
            return np.zeros(ops.size, np.int64)
        at = np.minimum(np.searchsorted(self._ops, ops), self._ops.size - 1)
        return np.where(self._ops[at] == ops, self._numbers[at], 0)


def _since(exported: Mapping[str, Any] | None, key: str) -> dict[int, float]:
    """Operations an app owes, or threw away: a list of numbers, or of [number, since_s]."""
    entries = (exported or {}).get(key) or []
    return {int(e[0]): float(e[1]) if len(e) > 1 else 0.0 for e in (e if isinstance(e, list) else [e] for e in entries)}


def _out_of_order(effects: Iterable[Effect]) -> int:
    """Records with `of` and `order` that took effect after one of the same `of` with a higher `order`."""
    highest: dict[tuple[str, str], float] = {}
    wrong = 0
    for effect in effects:
        if effect.put is None or "order" not in effect.put:
            continue
        of = (effect.table, str(effect.put.get("of", "")))
        order = float(effect.put["order"])
        wrong += order < highest.get(of, order)
        highest[of] = max(order, highest.get(of, order))
    return wrong


def _mismatched(store: Mapping[str, Any], effects: Iterable[Effect]) -> int:
    """Entries that are not what the effect log leads to: changed, missing, or from nowhere."""
    ours: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for effect in effects:
        if effect.put is not None:
            ours[effect.table][effect.key] = dict(effect.put)
        else:
            value = ours[effect.table].setdefault(effect.key, {})
            for field, amount in (effect.add or {}).items():
                value[field] = value.get(field, 0) + amount
    theirs: Mapping[str, Mapping[str, Any]] = store.get("tables") or {}
    wrong = 0
    for table in {*ours, *theirs}:
        mine, found = ours.get(table, {}), theirs.get(table, {})
        if mine != found:  # nearly never
            wrong += sum(mine.get(key) != found.get(key) for key in {*mine, *found})
    return wrong
