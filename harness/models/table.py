"""A table store: items by key, writes under conditions, and tokens that make a repeated write harmless.

A write whose reply is lost may or may not have happened. Repeating it blindly pays twice; not repeating it may lose the
payment. Two tools make the repeat safe. A *condition* (only if absent, only at this version) makes the second write
fail, and the caller must then work out why. An *idempotency token* goes further: the store remembers the outcome of a
write under its token and answers a repeat with it, applying nothing.

    write(writes, token):  token known and same writes -> the first outcome again
                           any condition fails         -> conflict, nothing applied
                           else                        -> all applied together

Each applied write also goes to an *effect log*, which nothing reads while the store works. The audit compares the two,
so a store that loses or doubles an item is caught by its own history.

Leaves out: ranges, secondary indexes, eventual reads, sizes. Tokens are forgotten after ten minutes, and only
successes are remembered: both as DynamoDB's TransactWriteItems does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

TOKEN_TTL_S = 600.0
EFFECT_COLUMNS = ("t_s", "attempt", "token", "table", "key", "version", "put", "add")

_new = tuple.__new__  # quicker than the constructor of a NamedTuple

Effect = tuple[float, int, str | None, str, str, int, Any, Any]


class Answer(NamedTuple):
    """What the store answers: an HTTP status, a code for failures ("" for none), and a JSON-able body."""

    status: int
    code: str
    body: dict[str, Any]


class _Item(NamedTuple):
    value: dict[str, Any]
    version: int


_NOTHING = (None, 0)


class _Token(NamedTuple):
    writes: list[dict[str, Any]]
    answer: Answer


class TableStore:
    """All tables of one store, with their effect log. Times are seconds from the run's zero and must not go back."""

    def __init__(self, token_ttl_s: float = TOKEN_TTL_S) -> None:
        self.effects: list[Effect] = []
        self.replayed_total = 0
        self.conflicts_total = 0
        self._tables: dict[str, dict[str, _Item]] = {}
        self._tokens: dict[str, _Token] = {}
        self._forget: deque[tuple[float, str]] = deque()
        self._token_ttl_s = token_ttl_s

    def perform(self, operation: str, params: Mapping[str, Any], attempt: int, now_s: float) -> Answer:
        """Do what a request asks: `read` {table, key} or `write` {writes: [...], token?}; else it is a bad request.

        Each write is {table, key, put: {...}} or {table, key, add: {field: integer}}, with an optional
        `if`: {absent: true}, {version: n} or {at_least: {field: integer}}. A put without a key is named after its
        attempt, so that each attempt makes an item of its own. A read without a table reads `items`.
        """
        try:
            if operation == "read":
                table, key = params.get("table", "items"), params.get("key")
                if not (table and key and type(table) is type(key) is str):  # one question for the usual answer
                    table, key = _text({"table": table}, "table"), _text(params, "key")
                return self.read(table, key)
            if operation == "write":
                token = _text(params, "token") if params.get("token") is not None else None
                return self.write(_checked_writes(params.get("writes"), attempt), token, attempt, now_s)
        except ValueError as error:
            return Answer(400, "bad_request", {"message": str(error)})
        return Answer(404, "unknown_operation", {"message": f"no operation {operation!r}; there are: read, write"})

    def read(self, table: str, key: str) -> Answer:
        """An item's value and version; null and 0 when there is none."""
        items = self._tables.get(table)
        item = None if items is None else items.get(key)
        value, version = _NOTHING if item is None else item
        return _new(Answer, (200, "", {"item": value, "version": version}))

    def write(self, writes: list[dict[str, Any]], token: str | None, attempt: int, now_s: float) -> Answer:
        """Apply all writes, or none. Writes must have the shape `perform` checks; each item at most once."""
        while self._forget and self._forget[0][0] <= now_s:
            del self._tokens[self._forget.popleft()[1]]
        if token is not None and token in self._tokens:
            known = self._tokens[token]
            if known.writes != writes:
                return Answer(400, "token_mismatch", {"message": f"token {token!r} came before with other writes"})
            self.replayed_total += 1
            return known.answer._replace(body={**known.answer.body, "replayed": True})
        for write in writes:
            reason = self._objection(write)
            if reason:
                self.conflicts_total += 1
                return Answer(409, "conflict", {"message": f"{write['table']}/{write['key']}: {reason}"})
        versions = [self._apply(write, token, attempt, now_s) for write in writes]
        answer = Answer(200, "", {"versions": versions, "replayed": False})
        if token is not None:
            self._tokens[token] = _Token(writes, answer)
            self._forget.append((now_s + self._token_ttl_s, token))
        return answer

    def items(self) -> int:
        """How many items all tables hold."""
        return sum(len(table) for table in self._tables.values())

    def export(self) -> dict[str, Any]:
        """Tables and effect log, JSON-able: {tables: {table: {key: value}}, effects: {columns, rows}}."""
        tables = {name: {key: item.value for key, item in table.items()} for name, table in self._tables.items()}
        return {"tables": tables, "effects": {"columns": EFFECT_COLUMNS, "rows": self.effects}}

    def _objection(self, write: dict[str, Any]) -> str:
        condition = write.get("if")
        if not condition:
            return ""
        item = self._tables.get(write["table"], {}).get(write["key"])
        version = item.version if item else 0
        if condition.get("absent") and item is not None:
            return "exists already"
        if "version" in condition and condition["version"] != version:
            return f"is at version {version}, not {condition['version']}"
        for field, least in condition.get("at_least", {}).items():
            have = item.value.get(field, 0) if item else 0
            if have < least:
                return f"{field} is {have}, under {least}"
        return ""

    def _apply(self, write: dict[str, Any], token: str | None, attempt: int, now_s: float) -> int:
        table = self._tables.setdefault(write["table"], {})
        key = write["key"]
        before = table.get(key)
        version = before.version + 1 if before else 1
        if "put" in write:
            value = dict(write["put"])
        else:
            value = dict(before.value) if before else {}
            for field, amount in write["add"].items():
                value[field] = value.get(field, 0) + amount
        table[key] = _Item(value, version)
        self.effects.append((now_s, attempt, token, write["table"], key, version, write.get("put"), write.get("add")))
        return version


def _text(params: Mapping[str, Any], name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {value!r}; give a text")
    return value


def _checked_writes(writes: object, attempt: int) -> list[dict[str, Any]]:
    """The writes, all of them of the right shape. Raises ValueError naming the first that is not."""
    if not isinstance(writes, list) or not writes:
        raise ValueError("writes must be a list of at least one write")
    seen: set[tuple[str, str]] = set()
    checked: list[dict[str, Any]] = []
    for number, given in enumerate(writes):
        where = f"writes[{number}]"
        write = {"key": str(attempt), **given} if isinstance(given, dict) and "put" in given else given
        if not isinstance(write, dict):
            raise ValueError(f"{where} is a {type(write).__name__}, not an object")  # noqa: TRY004 - bad input
        place = (_text(write, "table"), _text(write, "key"))
        if place in seen:
            raise ValueError(f"{where}: {place[0]}/{place[1]} is written twice at once")
        seen.add(place)
        if ("put" in write) == ("add" in write):
            raise ValueError(f"{where}: give either put or add")
        if "put" in write and not isinstance(write["put"], dict):
            raise ValueError(f"{where}: put must be an object")
        if "add" in write and not _counts(write["add"]):
            raise ValueError(f"{where}: add must map fields to integers")
        condition = write.get("if", {})
        if not isinstance(condition, dict) or condition.keys() - {"absent", "version", "at_least"}:
            raise ValueError(f"{where}: if may hold absent, version and at_least")
        if not _counts(condition.get("at_least", {})):
            raise ValueError(f"{where}: at_least must map fields to integers")
        checked.append(write)
    return checked


def _counts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(v, int) and not isinstance(v, bool) for v in value.values())
