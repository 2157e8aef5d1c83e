"""A cache that is lost: everybody asks the store again, as long as it is away and once more afterwards."""

from __future__ import annotations

import pytest

from harness.spec.vocabulary import VERBS
from tests.models.small_store import on_stage

# What is asked again and again, and the table that the cache spares.
ASKED = {
    "mobile_banking": ("balance", {"user": 1}, "sessions"),
    "food_delivery": ("quote", {"restaurant": 3}, "menus"),
    "coffee": ("menu", {"store": 3}, "menus"),
    "streaming": ("manifest", {"user": 1, "title": 3}, "manifests"),
}
FRESH = {
    "mobile_banking": {"sessions": {"ttl": "60s", "prewarmed": False}},
    "food_delivery": {"menu_fresh": "60s"},
    "coffee": {"menu_fresh": "60s"},
    "streaming": {"fresh": "60s"},
}


@pytest.mark.parametrize("app", ASKED)
def test_a_lost_cache_keeps_nothing_and_comes_back_cold(app):
    operation, params, table = ASKED[app]
    scene, store, brain = on_stage(app, FRESH[app], 0.125)
    seen = []

    def ask_twice():
        before = store.asked.count(table)
        for _ in range(2):
            answer = scene.ask(app, operation, params, 900 + len(seen))
            scene.until(scene.now_s + 1.0)
            assert [response.status for response in answer] == [200]
        seen.append(store.asked.count(table) - before)

    fault = brain.faults["flush_cache"]
    ask_twice()
    ask_twice()
    fault.on({}, scene.now_s)
    ask_twice()
    fault.on({}, scene.now_s)  # again: nothing else
    ask_twice()
    fault.off(scene.now_s)
    ask_twice()
    ask_twice()
    assert seen == [1, 0, 2, 2, 1, 0]


@pytest.mark.parametrize("app", ASKED)
def test_losing_a_cache_takes_nothing_but_its_length(app):
    _, _, brain = on_stage(app, {}, 0.125)
    with pytest.raises(ValueError, match="takes nothing but its length; leave out share"):
        brain.faults["flush_cache"].on({"share": "10%"}, 0.0)


def test_only_apps_whose_cache_spares_the_store_can_lose_it():
    assert {name for name, verbs in VERBS.items() if "flush_cache" in verbs} == set(ASKED)
