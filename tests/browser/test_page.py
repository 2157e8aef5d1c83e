"""The Recovery page in a real browser, told what to show by a stand-in for its server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import TOKEN, Double, a_state, a_tick

pytestmark = pytest.mark.long
Visit = Callable[..., Any]
PAGE = "/blackstart/"
INJECT = {"t_s": 10.0, "who": "web", "kind": "inject", "what": "dns.stall_enactor", "fix": False, "error": None}


def text(page: Any, where: str) -> str:
    return str(page.locator(where).inner_text())


def until(page: Any, where: str, words: str) -> None:
    page.wait_for_function(
        "([where, words]) => document.querySelector(where)?.innerText.includes(words)", arg=[where, words]
    )


def test_a_run_is_shown_as_it_is_told(double: Double, visit: Visit) -> None:
    double.say("state", a_state())
    double.say("tick", a_tick(8.0))
    page = visit(double.url + PAGE)
    until(page, "#word", "steady")
    assert text(page, "#title") == "A planted outage"
    assert [text(page, f"#{name}") for name in ("experiment", "variant", "seed", "phase", "clock", "status")] == [
        "planted", "naive", "7", "baseline", "8.0 s", "running",
    ]  # fmt: skip
    lines = page.locator("#lines tr").all_inner_texts()
    assert [" ".join(line.split()) for line in lines] == ["goodput ✓ holds 99.8 % 95 %", "p99 ✓ holds 120 ms 240 ms"]
    assert [text(page, f"#n-{name}") for name in ("offered", "goodput", "amplification", "backlog", "throttled")] == [
        "100", "100", "1", "2", "0",
    ]  # fmt: skip
    double.say("tick", a_tick(16.0, first=30))  # the outage, and the last windows once more
    until(page, "#n-goodput", "0")
    assert [text(page, f"#n-{name}") for name in ("offered", "goodput", "amplification", "backlog", "throttled")] == [
        "100", "0", "3", "49", "12",
    ]  # fmt: skip
    assert "✓ valid so far" in text(page, "#generator")


def test_a_chart_shows_the_spike_and_a_gap_where_nothing_is_known(double: Double, visit: Visit) -> None:
    double.say("state", a_state())
    double.say("tick", a_tick(24.0, events=[INJECT]))
    page = visit(double.url + PAGE)
    until(page, "#chart-rates .legend", "goodput 100")
    page.wait_for_timeout(700)
    canvas = page.locator("#chart-rates canvas")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.38, box["y"] + 60)  # of 42 s: within the outage
    until(page, "#chart-rates .legend", "goodput 0 at 1")
    assert "attempts 300" in text(page, "#chart-rates .legend")
    page.locator("#chart-p99").scroll_into_view_if_needed()
    until(page, "#chart-p99 .legend", "p99 120")
    page.wait_for_timeout(700)
    box = page.locator("#chart-p99 canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.38, box["y"] + 40)
    until(page, "#chart-p99 .legend", "p99 - at 1")


def test_a_press_asks_first_and_sends_what_was_filled_in_with_the_token(double: Double, visit: Visit) -> None:
    double.say("state", a_state())
    double.say("tick", a_tick(8.0))
    page = visit(double.url + PAGE)
    page.click("[data-verb='dns.stall_enactor']")
    assert double.presses == []
    assert text(page, "#press-title") == "Inject: dns, stall enactor"
    assert page.evaluate("document.activeElement.name") == "enactor"
    page.select_option("[name=enactor]", "az2")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("3.5")
    page.keyboard.press("Enter")
    until(page, "#announce", "Done")
    [(headers, body)] = double.presses
    assert headers["X-Blackstart-Token"] == TOKEN
    assert len(body.pop("press")) >= 32
    assert body == {
        "deed": "inject", "component": "dns", "name": "stall_enactor", "params": {"enactor": "az2"},
        "ttl_s": 3.5, "fix": False,
    }  # fmt: skip
    assert not page.locator("#press").is_visible()
    assert page.evaluate("document.activeElement.dataset.verb") == "dns.stall_enactor"  # where one came from


def test_the_words_of_a_refusal_stay_and_the_next_try_is_another_press(double: Double, visit: Visit) -> None:
    double.answers.append((400, {"error": "give mean or factor <b>"}))
    double.say("state", a_state())
    double.say("tick", a_tick(8.0))
    page = visit(double.url + PAGE)
    page.allowed = ["status of 400"]  # the browser says so itself
    page.click("[data-verb='kv.latency']")
    page.click("#press-confirm")
    until(page, "#press-error", "give mean or factor <b>")
    assert "inject refused" in text(page, "#entries")
    page.fill("[name=factor]", "4")
    page.click("#press-confirm")
    until(page, "#announce", "Done")
    first, second = (body for _, body in double.presses)
    assert first["press"] != second["press"]
    assert second["params"] == {"factor": 4}


def test_a_double_click_is_one_press(double: Double, visit: Visit) -> None:
    double.say("state", a_state())
    double.say("tick", a_tick(8.0))
    page = visit(double.url + PAGE)
    page.click("[data-verb='kv.drop_queue']")
    page.evaluate("() => { const b = document.getElementById('press-confirm'); b.click(); b.click(); b.click(); }")
    until(page, "#announce", "Done")
    assert len(double.presses) == 1


def test_escape_and_cancel_do_nothing(double: Double, visit: Visit) -> None:
    double.say("state", a_state())
    double.say("tick", a_tick(8.0))
    page = visit(double.url + PAGE)
    page.click("[data-verb='kv.drop_queue']")
    page.keyboard.press("Escape")
    page.click("[data-verb='kv.drop_queue']")
    page.click("#press-cancel")
    page.wait_for_timeout(100)
    assert double.presses == []


def test_a_fault_that_is_on_counts_down_and_its_heal_is_offered_as_the_fix(double: Double, visit: Visit) -> None:
    double.say("state", a_state())
    on = [{"component": "dns", "name": "stall_enactor", "ends_s": 15.0}]
    double.say("tick", a_tick(12.0, events=[INJECT], faults_on=on))
    page = visit(double.url + PAGE)
    until(page, "#faults-on", "3.0 s left")
    page.click("[data-verb='dns.restore']")
    assert not page.is_checked("[name=fix]")  # a fault remains on
    page.keyboard.press("Escape")
    page.click("#faults-on button")
    assert page.is_checked("[name=fix]")
    page.click("#press-confirm")
    until(page, "#announce", "Done")
    [(_, body)] = double.presses
    assert (body["deed"], body["component"], body["name"], body["fix"]) == ("heal", "dns", "stall_enactor", True)
    assert "ttl_s" not in body
    double.say("tick", a_tick(13.0, first=48))
    until(page, "#faults-on", "None.")
    page.click("[data-verb='dns.restore']")
    assert page.is_checked("[name=fix]")  # nothing is on, and nothing was fixed yet


def test_a_connection_that_breaks_is_said_and_what_is_told_again_counts_once(double: Double, visit: Visit) -> None:
    double.say("state", a_state())
    double.say("tick", a_tick(12.0, events=[INJECT]))
    page = visit(double.url + PAGE)
    page.allowed = ["EventSource", "stream"]
    until(page, "#entries", "inject")
    double.stream_status = 503
    double.hang_up()
    until(page, "#connection", "Connection lost")
    double.stream_status = 200
    page.wait_for_function("document.getElementById('connection').hidden", timeout=8000)
    double.say("tick", a_tick(12.5, events=[INJECT]))
    until(page, "#clock", "12.5 s")
    assert page.locator("#entries li").count() == 1


def test_after_the_run_the_measures_stand_there_with_the_way_to_the_report(double: Double, visit: Visit) -> None:
    measures = {
        "verdict": "metastable", "verdict_reason": "it stays down", "validity": {"valid": True, "reasons": []},
        "recovered": False, "time_to_recover_s": None, "censored": True, "time_to_detect_s": 0.4,
        "amplification": {"overall": 2.61, "peak": 3.0}, "backlog": {"at_fix": 412, "peak": 5210.0, "drain_s": None},
        "wasted_work_ratio": 0.973, "reasons": {"backlog.drain_s": "it had not drained when the load ended"},
    }  # fmt: skip
    double.say("state", a_state(status="ended", report_url="/blackstart/report"))
    double.say("tick", a_tick(42.0))
    double.say(
        "ended", {"measures": measures, "report_url": "/blackstart/report", "exit_code": 1, "run_folder": "runs/x"}
    )
    page = visit(double.url + PAGE)
    until(page, "#final-word", "metastable")
    words = " ".join(text(page, "#final").split())
    for part in (
        "time to recover not reached",
        "amplification, overall 2.61",
        "backlog at the fix 412",
        "wasted work 97.3 %",
        "time to drain - it had not drained when the load ended",
        "exit code 1",
    ):
        assert part in words
    assert page.get_attribute("#report a", "href") == "/blackstart/report"
    assert page.is_disabled("[data-verb='dns.restore']")
    double.say("state", a_state(run_folder="runs/planted/two"))  # another run: the old one is forgotten
    double.say("tick", a_tick(1.0))
    page.wait_for_function("document.getElementById('final').hidden")
    assert text(page, "#n-backlog") == "2"
    assert text(page, "#clock") == "1.0 s"


def test_what_a_file_or_a_service_says_is_never_markup(double: Double, visit: Visit) -> None:
    evil = "<img src=x onerror=alert(1)>"
    double.say("state", a_state(title=evil, description=evil, experiment=evil, variants=[evil, "b"], status="idle"))
    double.say("tick", a_tick(3.0, events=[{**INJECT, "what": evil, "error": evil, "who": evil}]))
    page = visit(double.url + PAGE)
    until(page, "#title", evil)
    until(page, "#entries", evil)
    assert page.locator("img").count() == 0


def test_the_next_variant_can_be_chosen_while_nothing_runs(double: Double, visit: Visit) -> None:
    double.say("state", a_state(status="idle", ready=True))
    page = visit(double.url + PAGE)
    until(page, "#waiting", "Press Start")
    page.select_option("#variant-choice", "budget")
    page.click("#variant-form button")
    until(page, "#announce", "budget")
    assert [body for _, body in double.presses] == [{"variant": "budget"}]
    double.say("state", a_state())
    page.wait_for_function("document.getElementById('variant-form').hidden")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_on_a_phone(double: Double, visit: Visit, scheme: str) -> None:
    double.say("state", a_state(title="A title of a length that no phone has room for in one line of text"))
    double.say("tick", a_tick(24.0, events=[INJECT]))
    page = visit(double.url + PAGE, width=390, height=800, scheme=scheme)
    until(page, "#word", "steady")
    page.wait_for_timeout(700)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    parts = "[...document.querySelectorAll('section, button, dd, td, canvas')]"
    assert page.evaluate(f"{parts}.filter(e => e.getBoundingClientRect().right > 391).length") == 0
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 28)"}[scheme]


def test_everything_can_be_reached_by_keyboard_with_a_focus_that_shows(double: Double, visit: Visit) -> None:
    double.say("state", a_state())
    double.say("tick", a_tick(8.0))
    page = visit(double.url + PAGE)
    until(page, "#word", "steady")
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("() => { const e = document.activeElement; const s = getComputedStyle(e);"
                          " return [e.dataset.verb ?? e.id ?? e.tagName, s.outlineStyle, s.outlineWidth]; }")
        )  # fmt: skip
    verbs = {"dns.stall_enactor", "dns.restore", "kv.latency", "kv.drop_queue"}
    assert verbs <= {name for name, _, _ in reached}
    assert all((style, width) == ("solid", "3px") for name, style, width in reached if name in verbs)


def test_a_long_run_leaves_no_growing_pile_in_the_page(double: Double, visit: Visit) -> None:
    """The ticks of five minutes leave as many elements as a short run does, and no growing pile."""
    double.say("state", a_state(phases=[{"name": "baseline", "begin_s": 0, "end_s": 300}]))
    page = visit(double.url + PAGE)
    for number in range(1, 601):
        first = max(0, 2 * (number - 1))
        event = {**INJECT, "t_s": number * 0.5}
        double.say("tick", a_tick(number * 0.5, first=first, events=[event]))
    until(page, "#clock", "5 min 00 s")
    page.wait_for_timeout(700)
    assert page.locator("#entries li").count() == 300
    assert page.evaluate("document.querySelectorAll('*').length") < 2000
    assert page.locator("canvas").count() == 5
