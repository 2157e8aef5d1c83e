"""A flushed cache in the world: the store is asked twice for what it was asked once."""

from __future__ import annotations

from collections import Counter

import pytest
import yaml

from harness.record.journal import read_journal
from harness.record.rows import read_rows

FILE = {
    "title": "The sessions of the banking app are lost for a while",
    "seed": 7,
    "region": {"preset": "small", "mobile_banking": {"sessions": {"ttl": "10m", "prewarmed": True}}},
    "load": {"mobile_banking": {"arrivals": {"rate": "40/s", "process": "poisson"}, "users": 50}},
    "phases": {"warm_up": "2s", "baseline": "4s", "outage": "4s", "recovery": "8s", "drain": "1s"},
    "timeline": [
        {"at": "outage.start", "do": "mobile_banking.flush_cache"},
        {"at": "outage.end", "do": "mobile_banking.heal", "with": {"fault": "flush_cache"}, "fix": True},
    ],
    "steady_state": {"for": "1s"},
    "variants": {"lost": {}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, play):
    root = tmp_path_factory.mktemp("cold")
    path = root / "cold.yaml"
    path.write_text(yaml.safe_dump(FILE, sort_keys=False))
    return play(root, path, "lost")


def test_every_operation_asks_the_store_twice_as_long_as_sessions_are_lost_and_then_once_for_each_user(folder):
    operations = read_rows(folder.rows / "load-0-operation.rows").rows
    asked = read_rows(folder.rows / "mobile_banking-attempt.rows").rows
    calls = Counter(asked[asked["n"] == 0]["op"].tolist())
    due_s = {int(row["op"]): row["intended_ns"] / 1e9 for row in operations}

    def per_operation(from_s, until_s):
        return {calls[op] for op, at_s in due_s.items() if from_s <= at_s < until_s}

    assert per_operation(2.0, 5.5) == {1}
    assert per_operation(6.0, 9.5) == {2}
    rebuilt = sum(calls[op] - 1 for op, at_s in due_s.items() if at_s >= 10.0)
    assert rebuilt >= 45  # of 50 users, nearly all come within 8 s, and two of one user may meet
    assert per_operation(10.0, 18.0) == {1, 2}


def test_the_journal_has_both_ends_of_it(folder):
    told = [
        (entry["kind"], entry["t_s"])
        for entry in read_journal(folder.journal)
        if entry["kind"] in ("inject", "heal", "fix") and entry["who"] == "orchestrator"
    ]
    assert told == [("inject", 6.0), ("heal", 10.0), ("fix", 10.0)]
