"""The tab that is put into Locust's page: found, lost, found again, and never in the way of the tabs that are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import Double, a_state, a_tick

pytestmark = pytest.mark.long
BAR = """() => { document.getElementById('app').innerHTML = `
  <div>
    <div class="MuiTabs-root"><div class="MuiTabs-scroller"><div role="tablist">
      <button role="tab" id="one">One</button>
    </div></div></div>
    <div id="content">a table</div>
  </div>`; }"""


def test_without_a_bar_there_is_a_link_and_with_one_a_tab(double: Double, visit: Callable[..., Any]) -> None:
    double.say("state", a_state())
    double.say("tick", a_tick(8.0))
    page = visit(double.url)
    assert page.get_attribute("#blackstart-link", "href") == f"{double.url}/blackstart/"
    page.evaluate(BAR)
    page.wait_for_selector("#blackstart-tab")
    assert page.locator("#blackstart-link").count() == 0
    page.click("#blackstart-tab")
    frame = page.frame_locator("#blackstart-panel iframe")
    frame.locator("#word", has_text="steady").wait_for()
    assert not page.is_visible("#content")
    assert page.get_attribute("#blackstart-tab", "aria-selected") == "true"
    page.click("#one")
    assert page.is_visible("#content")
    assert page.locator("iframe").count() == 0


def test_a_page_that_is_made_anew_gets_its_tab_again(double: Double, visit: Callable[..., Any]) -> None:
    double.say("state", a_state())
    page = visit(double.url)
    page.evaluate(BAR)
    page.click("#blackstart-tab")
    page.evaluate(BAR)  # React's way
    page.wait_for_selector("#blackstart-panel iframe")
    assert page.locator("#blackstart-tab").count() == 1
    assert not page.is_visible("#content")
    page.evaluate("document.getElementById('app').innerHTML = ''")
    page.wait_for_selector("#blackstart-link")


def test_the_frame_follows_the_theme_of_locusts_page(double: Double, visit: Callable[..., Any]) -> None:
    double.say("state", a_state())
    page = visit(double.url)  # a light system
    page.evaluate("document.body.style.background = '#121212'")  # and Locust's own switch on dark
    page.evaluate(BAR)
    page.click("#blackstart-tab")
    body = page.frame_locator("#blackstart-panel iframe").locator("body.embedded")
    body.wait_for()
    assert body.evaluate("b => getComputedStyle(b).backgroundColor") == "rgb(20, 24, 28)"
