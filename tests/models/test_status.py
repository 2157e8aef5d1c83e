"""The health page: what its probes find is posted, in order, after the human delay."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.flows.wants import Cause, Reply, Result, Send
from harness.models.apps.base import AppRequest
from harness.models.component import Given
from harness.models.status import ALL_WELL, Status, StatusSpec
from harness.models.status_rule import Rule, RuleSpec, on_probe, start
from harness.policies.client import ClientSpec

RULE = RuleSpec(open_after=2, window_s=1.0, close_after=2)


def page(notes: list | None = None, watches=("kv",), post_lag_s: float = 1.0) -> Status:
    def note(kind: str, **fields) -> None:
        (notes if notes is not None else []).append((kind, fields["state"], fields["found_s"]))

    spec = StatusSpec(watches, 0.25, RULE, post_lag_s, ClientSpec(0.2, 0.2, 1))
    return Status(spec, Given(7, 0.0, note, ("kv", "status"), 0, "acceptance", False))


def live(subject: Status, until_s: float, well) -> list[tuple[float, Send]]:
    """Wake the page whenever it wants; a probe is answered at once, by `well(target, now_s)`."""
    sends = []
    now_s = subject.wake_s()
    while now_s <= until_s:
        for flow in subject.background(now_s):
            send = next(flow)
            sends.append((now_s, send))
            reply = Reply(Result.OK, 200, Cause.NONE, now_s) if well(send.target, now_s) else Reply(
                Result.UNSENT, 0, Cause.DNS_EMPTY, now_s
            )  # fmt: skip
            with pytest.raises(StopIteration):
                flow.send(reply)
        assert subject.wake_s() > now_s
        now_s = subject.wake_s()
    return sends


def said(subject: Status, now_s: float) -> dict:
    with pytest.raises(StopIteration) as end:
        next(subject.handle(AppRequest("page", {}, 1, 1), now_s))
    return end.value.value.body


def test_probes_are_system_work_at_even_moments_with_ids_of_their_own():
    sends = live(page(), 1.0, lambda target, now_s: True)
    assert [at_s for at_s, _ in sends] == [0.25, 0.5, 0.75, 1.0]
    assert {(send.op, send.parent_id, send.layer) for _, send in sends} == {(0, 0, 1)}
    assert len({send.attempt_id for _, send in sends}) == 4


def test_a_disturbance_is_posted_after_the_human_delay_and_so_is_its_end():
    notes: list = []
    subject = page(notes)
    live(subject, 6.0, lambda target, now_s: not 2.0 <= now_s < 4.0)
    # Failures at 2 and 2.25 show it; successes at 4 and 4.25 end it; each goes up one second later.
    assert notes == [("status_post", "red", 2.25), ("status_post", "green", 4.25)]
    assert subject.posted.due_s == 5.25
    assert subject.gauges(6.0)["probes_failed_total"] == 8.0


def test_the_page_says_what_was_posted_and_not_what_was_found():
    subject = page()
    live(subject, 2.75, lambda target, now_s: now_s < 2.0)
    assert subject.gauges(2.75)["found"] == 1.0
    assert (said(subject, 2.75)["state"], said(subject, 2.75)["text"]) == ("green", ALL_WELL)
    assert said(subject, 3.25)["state"] == "red"
    assert said(subject, 3.25)["posted_s"] == 3.25


def test_a_short_disturbance_is_posted_when_it_is_long_over():
    notes: list = []
    subject = page(notes, post_lag_s=2.0)
    live(subject, 5.0, lambda target, now_s: not 1.0 <= now_s < 1.5)
    assert [(state, found_s) for _, state, found_s in notes] == [("red", 1.25), ("green", 1.75)]


def test_a_post_names_the_components_and_another_one_is_another_post():
    notes: list = []
    subject = page(notes, watches=("kv", "identity"), post_lag_s=0.0)
    live(subject, 4.0, lambda target, now_s: now_s < (1.0 if target == "kv" else 2.0))
    assert [state for _, state, _ in notes] == ["red", "red"]
    assert said(subject, 4.0)["text"] == "We see errors when using kv, identity."


def test_a_crash_forgets_what_was_found_and_keeps_the_page():
    notes: list = []
    subject = page(notes)
    live(subject, 2.5, lambda target, now_s: now_s < 2.0)
    subject.crashed(2.5)
    assert subject.wake_s() == math.inf
    subject.restarted(4.0)
    live(subject, 8.0, lambda target, now_s: now_s < 5.0)
    assert notes == [("status_post", "red", 5.25)]  # the finding of 2.25 never went up


def test_a_component_nobody_can_probe_is_refused():
    with pytest.raises(ValueError, match="status cannot watch dns; it has probes for kv"):
        page(watches=("dns",))


def test_the_rule_counts_failures_within_its_window_only():
    state = start()
    for now_s, ok in [(0.0, False), (0.5, True), (1.0, False)]:
        state = on_probe(RULE, state, now_s, ok)
    assert state == Rule(False, (1.0,), 0)
    assert on_probe(RULE, state, 1.5, False).disturbed


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=60))
def test_the_rule_agrees_with_its_definition(probes):
    """Disturbed from `open_after` failures within the window until `close_after` successes in a row."""
    rule, state, now = RuleSpec(3, 1.0, 2), start(), 0
    seen: list[tuple[int, bool]] = []
    disturbed = False
    for gap, ok in probes:
        now += gap
        state = on_probe(rule, state, now / 8, ok)
        seen.append((now, ok))
        if ok and disturbed and len(seen) > 1 and seen[-2][1]:
            disturbed, seen = False, []
        elif not ok:
            disturbed = disturbed or sum(not good and at > now - 8 for at, good in seen) >= 3
        assert state.disturbed == disturbed
