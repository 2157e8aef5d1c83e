"""Each trap of Locust that is known to us, and the test that says our code does not step into it.

The map is itself checked: a test that is renamed or removed is missed here. Tests of our code, not of Locust: where a
trap is a call that one must not make, it is that none of our modules makes it.
"""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.flows.wants import Cause, Reply, Request, Result, Send
from harness.load.observing import observer

ROOT = Path(__file__).parents[2]
LOAD, LOCUST, HOUSE = "tests/load/test_", "tests/locustfiles/test_", "tests/house/test_"
TRAPS = {
    "an error in a listener is logged, and the test goes on without it": [
        f"{LOAD}plugin.py::test_a_listener_that_fails_is_found_by_counting",
    ],
    "listeners are called by keyword": [
        f"{LOAD}workers.py::test_every_listener_of_ours_takes_what_locust_calls_it_with"
    ],
    "a page that works at / breaks under --web-base-path": [
        f"{LOAD}web_routes.py::test_it_lies_below_the_base_path_and_locusts_page_is_given_the_script",
    ],
    "routes are public, for every origin and every interface": [
        f"{LOAD}web_routes.py::test_with_a_login_nothing_is_shown_without_it",
        f"{LOAD}web_routes.py::test_what_another_page_posts_is_refused_and_nothing_happens",
        f"{LOAD}web_routes.py::test_the_page_stays_on_this_machine",
        f"{LOAD}web_routes.py::test_every_action_needs_the_token",
    ],
    "a master that ends in init leaves workers behind; one whose workers do not come waits for ever": [
        f"{LOCUST}master_and_workers.py::test_stories_that_no_locustfile_plays_are_told_before_anybody_is_forked",
        f"{LOCUST}master_and_workers.py::test_a_master_that_is_killed_takes_its_workers_with_it",
        f"{LOCUST}master_and_workers.py::test_a_worker_that_never_comes_is_waited_for_as_long_as_said",
    ],
    "the last statistics of workers are lost with quit": [
        f"{LOCUST}master_and_workers.py::test_each_operation_is_started_once_whatever_users_locust_spreads",
        f"{LOCUST}master_and_workers.py::test_a_worker_without_the_run_s_folder_ships_every_row",
    ],
    "/swarm does not enforce choices": [
        f"{LOCUST}shapes.py::test_what_locusts_page_does_not_enforce_ends_the_test",
        f"{LOCUST}shapes.py::test_options_that_make_no_shape_are_complained_about",
    ],
    "a slow spawn cuts a stage short, because Locust asks a shape once a second and blocks in between": [
        f"{LOCUST}shapes.py::test_no_stage_is_cut_short_by_a_slow_spawn",
        f"{LOCUST}shapes.py::test_each_shape_is_a_function_of_the_time",
    ],
    "a shape's user classes govern only who is added": [
        f"{LOCUST}shapes.py::test_nobody_who_is_there_turns_into_somebody_else",
        f"{LOCUST}shapes.py::test_the_phase_is_the_journals_and_before_it_says_one_the_plans",
    ],
    "a closed loop asks less when the service is slow": [
        f"{LOAD}pacer.py::test_what_is_overdue_starts_at_once_and_none_is_skipped",
        f"{LOCUST}stall.py::test_as_many_are_due_while_it_hangs_and_their_latency_counts_from_when_they_were",
        "tests/sim/test_crowd_world.py::test_a_closed_loop_is_told_of_with_what_it_hides",
    ],
    "requests per second stand still while a service hangs, and fall afterwards": [
        f"{LOCUST}stall.py::test_the_hole_is_where_and_as_long_as_the_hang",
        f"{LOCUST}stall.py::test_locusts_own_chart_stands_still_while_it_hangs_and_falls_when_all_is_well",
    ],
    "any failed request is exit code 1, and the handler registered first has the last word": [
        f"{LOCUST}load_process.py::test_an_outage_is_no_reason_to_exit_with_a_failure",
        f"{LOAD}plugin.py::test_failed_requests_alone_are_not_locust_s_exit_1",
        f"{LOAD}plugin.py::test_an_exit_code_of_the_locustfile_s_own_is_a_criterion_that_failed",
    ],
    "--json-file has entries by name only, and no total": [f"{LOAD}plugin.py::test_rows_are_what_the_server_counted"],
    "statistics are reset by --reset-stats": [f"{LOAD}plugin.py::test_the_run_is_judged_and_its_record_counted"],
    "a second event loop in a patched process fails": [f"{HOUSE}imports.py::test_the_process_kinds_never_mix"],
    "FastHttpSession sends a request four times (max_retries=3)": [
        f"{LOAD}connections.py::test_a_closing_server_sees_each_request_once",
        f"{LOAD}traps.py::test_no_module_of_ours_uses_what_is_a_trap",
    ],
    "client_pool= replaces the user's timeouts, and waiting for a slot has none": [
        f"{LOAD}driver.py::test_one_deadline_is_round_everything",
        f"{LOAD}connections.py::test_waiting_for_a_slot_is_counted_and_ends_when_one_is_free",
    ],
    "timeouts are per socket operation: a dripping body lasts": [
        f"{LOAD}driver.py::test_one_deadline_is_round_everything",
    ],
    "allow_redirects=False changes a client that others share": [
        f"{LOAD}connections.py::test_a_redirect_is_an_answer_and_is_not_followed",
        f"{LOAD}traps.py::test_no_module_of_ours_uses_what_is_a_trap",
    ],
    "a name is looked up for each new connection and never again for a kept one": [
        f"{LOAD}resolver.py::test_a_name_is_asked_for_once_per_ttl",
        f"{LOAD}connections.py::test_instances_behind_one_name_take_turns",
    ],
    "an exception within catch_response loses the sample": [
        f"{LOAD}operations.py::test_a_story_that_breaks_is_counted_as_our_fault_and_has_a_row",
        f"{LOAD}driver.py::test_an_attempt_stopped_from_outside_has_a_row",
        f"{LOAD}traps.py::test_no_module_of_ours_uses_what_is_a_trap",
    ],
    "a stop timeout of 0 discards what is in flight": [
        f"{LOAD}plugin.py::test_users_cut_off_stand_in_the_record_as_unfinished",
        f"{LOCUST}load_process.py::test_a_run_that_is_cut_accounts_for_what_was_open",
    ],
    "after a fork Python's generator is reseeded and NumPy's is the same in every worker": [
        f"{HOUSE}clocks_and_chance.py::test_nobody_draws_from_a_global_generator",
        f"{LOAD}session.py::test_the_workers_shares_are_together_the_plan",
        "tests/policies/test_crowd.py::test_workers_together_have_the_turns_of_one",
    ],
    "a name per operation makes reports of megabytes": [
        f"{LOAD}traps.py::test_locust_is_told_as_many_names_as_there_are_kinds_of_operation",
    ],
    "response times are rounded to two digits": [
        "tests/analyse/test_percentiles.py::test_quantiles_agree_with_the_sorted_values_to_three_digits",
    ],
    "--run-time counts from before the process was ready": [
        f"{LOCUST}plain_locust.py::test_every_file_runs_with_plain_locust_against_one_region",
    ],
}
# What one must not call in a Locust process whose record is to be trusted. (The plugin records what others call.)
CALLS = {"FastHttpSession", "HTTPClientPool", "rename_request", "allow_redirects", "catch_response", "client_pool"}


@pytest.mark.parametrize("trap", TRAPS)
def test_every_trap_has_tests_that_are_there(trap: str) -> None:
    assert TRAPS[trap]
    for place in TRAPS[trap]:
        path, _, name = place.partition("::")
        names = {node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)}
        assert name in names, f"{path} has no {name}"


def test_no_module_of_ours_uses_what_is_a_trap() -> None:
    found = []
    for path in [*(ROOT / "harness/load").rglob("*.py"), *(ROOT / "locustfiles").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "arg", None)
            if name in CALLS:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {name}")  # type: ignore[attr-defined]
    assert found == []


def test_locust_is_told_as_many_names_as_there_are_kinds_of_operation() -> None:
    told: list[dict[str, Any]] = []
    request = SimpleNamespace(fire=lambda **event: told.append(event))
    observe = observer(SimpleNamespace(events=SimpleNamespace(request=request)), 0)
    for op in range(3000):
        want = Send("kv", Request(("read", "write")[op % 2], {"key": str(op)}), op, 0, 0, op, 0, 1.0, 1.0)
        ok = op % 3 > 0
        reply = Reply(Result.OK if ok else Result.TIMEOUT, 200 if ok else 0, Cause.NONE if ok else Cause.TIMEOUT, 1.0)
        observe(want, reply, 0.5, 10)
    assert len(told) == 3000
    assert {event["name"] for event in told} == {"/read", "/write"}
    assert len({event["url"] for event in told}) == 2
    assert len({id(event["exception"]) for event in told}) == 2  # none, and the one failure there was: an error a kind
