"""The cascade's chart: every part of a lane drawn, no label over another, and names that are only names."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import vl_convert
from hypothesis import given
from hypothesis import strategies as st

from harness.report.cascade_chart import cascade_figure
from harness.report.labels import LETTER_PX, Word, placed, shared
from harness.report.marks import WIDTH, Band, Mark

BANDS = [Band("baseline", 0.0, 10.0), Band("outage", 10.0, 20.0), Band("recovery", 20.0, 60.0)]


def lane(name: str, began_s: float = 12.0, **more: Any) -> dict[str, Any]:
    plain = {
        "component": name, "triggers": [[10.0, 14.0, f"{name}.flap"]], "trouble": [[began_s, 40.0]],
        "sustained": [[14.0, 40.0]], "refusing": [[15.0, 16.0]], "drained_s": 40.0, "peak_at_s": 25.0,
        "actions": [[30.0, "throttle_intake", False], [30.5, "restart_managers", True]],
        "notes": [{"kind": "zone_removed", "count": 3, "at_s": [12.0, 12.5, 13.0]}],
    }  # fmt: skip
    return {**plain, **more}


def values(spec: object) -> list[dict[str, Any]]:
    """All inline data of a Vega-Lite specification."""
    found: list[Any] = []
    if isinstance(spec, dict):
        found += spec["values"] if isinstance(spec.get("values"), list) else []
        for part in spec.values():
            found += values(part)
    elif isinstance(spec, list):
        for part in spec:
            found += values(part)
    return [one for one in found if isinstance(one, dict)]


@given(
    st.lists(st.tuples(st.floats(0, 60), st.sampled_from(["poller died", "x", "restart managers (runbook)"]))),
    st.lists(st.floats(0, 60)),
)
def test_no_label_covers_another_or_leaves_the_chart(moments: list[tuple[float, str]], rules: list[float]) -> None:
    words = [(word, "#000", 5) for word in shared(sorted(moments), (0.0, 60.0))]
    spans = []
    for word, _, dx, flip in placed(words, [at_s for at_s, _ in moments], rules, (0.0, 60.0), LETTER_PX):
        long_px = LETTER_PX * len(word.text)
        at_px = (word.from_s if flip else word.to_s) * WIDTH / 60.0 + dx
        spans.append((at_px - long_px, at_px) if flip else (at_px, at_px + long_px))
    spans.sort()
    assert all(before[1] < after[0] for before, after in pairwise(spans))
    assert all(start >= 0 and end <= WIDTH for start, end in spans)


def test_a_label_gives_way_to_a_symbol_and_crosses_a_rule_only_for_want_of_room() -> None:
    word = Word(30.0, 30.0, "stale apply")
    domain = (0.0, 60.0)
    (free,) = placed([(word, "#000", 3)], [30.0], [], domain, LETTER_PX)
    assert not free[3]
    (flipped,) = placed([(word, "#000", 3)], [30.0, 31.0], [], domain, LETTER_PX)
    assert flipped[3]
    (from_rule,) = placed([(word, "#000", 3)], [30.0], [31.0], domain, LETTER_PX)
    assert from_rule[3]
    (crossing,) = placed([(word, "#000", 3)], [29.0, 30.0], [31.0], domain, LETTER_PX)
    assert not crossing[3]
    assert placed([(word, "#000", 3)], [29.0, 30.0, 31.0], [], domain, LETTER_PX) == []


def test_every_part_of_a_lane_is_drawn_at_its_moments() -> None:
    figure = cascade_figure([lane("kv")], 60.0, BANDS, [Mark(20.0, "fix", "#009E73")])
    assert figure is not None
    bars = {(row["part"], row["t"], row["end"]) for row in values(figure.spec) if "part" in row}
    assert bars == {
        ("trigger", 10.0, 14.0),
        ("trouble while the trigger lasts", 12.0, 40.0),
        ("sustaining effect", 14.0, 40.0),
        ("refuses or fails work", 15.0, 16.0),
        ("drain from the peak", 25.0, 40.0),
    }
    texts = {row["label"] for row in values(figure.spec) if "ink" in row}
    assert texts == {"throttle intake, restart managers (runbook)", "flap", "zone removed x3"}


def test_what_never_drained_has_no_drain_and_no_lanes_make_no_chart() -> None:
    figure = cascade_figure([lane("kv", drained_s=None)], 60.0, BANDS, [])
    assert figure is not None
    assert not [row for row in values(figure.spec) if row.get("part") == "drain from the peak"]
    assert cascade_figure([], 60.0, BANDS, []) is None


def test_ten_lanes_are_higher_and_not_narrower_and_a_name_is_only_a_name() -> None:
    evil = "<script>alert(1)</script>"
    figure = cascade_figure([lane(evil if n == 3 else f"component_{n}") for n in range(10)], 60.0, BANDS, [])
    assert figure is not None
    assert (figure.spec["width"], figure.spec["height"]) == (WIDTH, 628)
    svg = vl_convert.vegalite_to_svg(figure.spec)
    assert "<script>alert" not in svg
    assert "&lt;script&gt;alert(1)" in svg
