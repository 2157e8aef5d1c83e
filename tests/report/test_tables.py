"""Tables beside the charts, from planted measures: exact texts, and a partial audit that says so first."""

from __future__ import annotations

from typing import Any

from harness.report import retelling, tables
from harness.report.page import markdown

APP = {
    "sector": "food", "value_lost": {"outage": 12.5, "recovery": 2000.0, "total": 2012.5}, "people_minutes": 3.25,
    "missed_windows": None, "operations": {"order": {"due": 1200, "failed": 30}, "quote": {"due": 10, "failed": 0}},
}  # fmt: skip
BANK = {
    "sector": "banking", "value_lost": {"outage": 9.0, "recovery": 4000.0, "total": 4009.0}, "people_minutes": 1.0,
    "missed_windows": 4, "operations": {"transfer": {"due": 5, "failed": 5}},
}  # fmt: skip
COUNTS = {
    "acknowledged": 90, "lost": 2, "expired": 1, "duplicated": 3, "stuck": 4, "stuck_age_max_s": 12.5,
    "unacknowledged_done": 7, "unacknowledged_not_done": 8, "examples": {"lost": [5, 6], "duplicated": [], "stuck": []},
}  # fmt: skip
AUDIT = {
    "partial": True, "reasons": ["kv: its state was not recorded"], "lost": 2, "expired": 1, "duplicated": 3,
    "stuck": 4, "out_of_order": 5, "mismatched": 0, "money_created": -150, "by_app": {"food_delivery": COUNTS},
}  # fmt: skip
MEASURES: dict[str, Any] = {
    "impact": {"by_app": {"food_delivery": APP, "mobile_banking": BANK}},
    "goodput_share": {
        "outage": {"by_operation": {"food_delivery": {"order": 0.5, "quote": 0.9987}}},
        "recovery": {"by_operation": {"food_delivery": {"order": 1.0, "quote": None}}},
    },
    "audit": AUDIT,
}


def test_sectors_stand_dearest_first_with_each_operations_share() -> None:
    bank, food = tables.sector_rows(MEASURES)
    assert (bank["app"], bank["missed_windows"], bank["recovery_debt"]) == ("mobile_banking", "4", "£4,000")
    assert (food["due"], food["failed"]) == ("1,210", "30")
    assert (food["outage_debt"], food["people_minutes"]) == ("£12.50", "3.2")
    assert food["missed_windows"] == "-"
    shares = [(one["name"], one["outage"], one["recovery"]) for one in food["operations"]]
    assert shares == [("order", "50 %", "100 %"), ("quote", "99.9 %", "-")]


def test_a_share_just_under_all_is_never_rounded_to_all() -> None:
    told = [tables.share(value) for value in (0.994, 0.9996, 1.0, 0.0, None)]
    assert told == ["99.4 %", "> 99.9 %", "100 %", "0 %", "-"]


def test_a_partial_audit_says_so_before_its_first_number() -> None:
    first, second, third = retelling.data(MEASURES)
    assert first.startswith("THIS AUDIT IS PARTIAL")
    assert "kv: its state was not recorded" in first
    assert second.startswith("2 acknowledged operations were lost (1 thrown away knowingly), 3 took effect twice")
    assert third == "0 entries are not what the effect log leads to; money created: -£1.50."
    assert retelling.data({"audit": None}) == []


def test_the_audit_names_operations_and_resolves_what_was_not_acknowledged() -> None:
    (row,) = tables.audit_rows(MEASURES)
    assert (row["lost"], row["stuck"], row["age"]) == ("2", "4", "12.5 s")
    assert (row["resolved"], row["examples"]) == ("7 done, 8 not", "lost 5, 6")
    assert tables.audit_totals(MEASURES)[-1] == ("money created", "-£1.50")


def test_the_status_page_is_told_late_wrong_or_silent() -> None:
    page = {"first_post_lag_s": 4.25, "false_clear_s": 8.0}
    late = tables.status_sentence({"status_page": page})
    assert late == (
        "The status page said that something was wrong 4.25 s after users felt it; it was green for 8 s while users' "
        "operations were not steady."
    )
    reasons = {"status_page.first_post_lag_s": "the page never said that anything was wrong"}
    silent = tables.status_sentence({"status_page": {**page, "first_post_lag_s": None}, "reasons": reasons})
    assert "the page never said that anything was wrong" in silent
    assert tables.status_sentence({"status_page": None}) == ""


def test_a_lane_without_trouble_or_drain_says_why() -> None:
    quiet = {
        "component": "dns", "began_s": None, "trigger": None, "sustained_s": 0.0, "peak": 0.0, "peak_at_s": None,
        "action": "restore", "drained_s": None, "notes": [{"kind": "stale_apply", "count": 2, "at_s": [1.0, 2.0]}],
    }  # fmt: skip
    stuck = {
        **quiet, "component": "kv", "began_s": 3.0, "trigger": "kv.latency", "sustained_s": 9.0, "peak": 1234.0,
        "peak_at_s": 8.0, "action": None, "notes": [],
    }  # fmt: skip
    reasons = {"cascade.dns.began_s": "it was in no trouble", "cascade.kv.drained_s": "99 items still waited"}
    first, second = tables.cascade_rows({"cascade": [quiet, stuck], "reasons": reasons})
    assert (first["began"], first["reason"], first["drained"]) == ("-", "it was in no trouble", "-")
    assert (first["action"], first["notes"]) == ("restore", "stale apply x2")
    assert (second["began"], second["peak"]) == ("3.00 s", "1,234")
    assert second["drained"] == "not drained: 99 items still waited"


def test_a_value_in_markdown_is_text_and_stays_on_its_line() -> None:
    assert markdown("a|b\n# <b>*x*</b> [y](z) mobile_banking _u_ `c`") == (
        "a\\|b \\# &lt;b&gt;\\*x\\*&lt;/b&gt; \\[y\\](z) mobile_banking \\_u\\_ \\`c\\`"
    )
