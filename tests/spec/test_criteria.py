"""Expect lines as a file writes them: the forms that are taken, and the sentence for each that is not."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from harness.errors import SpecError
from harness.spec import parse_experiment
from harness.spec.criteria import Expect

TEXT = """
title: t
load: {{mobile_banking: {{arrivals: {{rate: 10/s}}}}}}
timeline:
  - {{at: outage.start, do: kv.latency, with: {{factor: 2, for: 1s}}}}
  - {{at: outage.end, do: dns.restore, fix: true}}
variants: {{a: {{}}, b: {{}}}}
expect:
  - {line}
"""


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ({"measure": "time_to_recover", "is": "<= 1.2x saved"}, "time_to_recover_s"),
        ({"measure": "amplification.peak", "is": "<= 0.5x variant b"}, "amplification.peak"),
        ({"measure": "latency.recovery.p99", "is": "<= 2x baseline"}, "latency.recovery.p99_s"),
        ({"series": "p99", "is": "<= 300ms", "over": "recovery"}, "p99 over recovery"),
        ({"series": "p99", "is": "<= 0.5x variant b", "over": "10s"}, "p99 over 10s from the fix"),
        ({"series": "goodput", "is": ">= 95% of due", "for": "baseline"}, "goodput for baseline"),
        ({"series": "queue_delay", "of": "kv", "is": "<= 2x baseline", "for": "3s", "within": "8s", "from": "fault"},
         "queue_delay of kv for 3s, beginning within 8s of the fault"),
    ],
)  # fmt: skip
def test_every_form_is_taken_and_written_back(line: dict[str, object], label: str) -> None:
    read = Expect.model_validate({"variant": "a", **line})
    assert read.label == label
    written = read.model_dump(mode="json", by_alias=True)
    assert Expect.model_validate(written) == read
    file = parse_experiment(TEXT.format(line=written))
    assert parse_experiment(file.variant("a").model_copy(update={"expect": ()}).text()).expect == ()
    assert file.expect == (read,)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"is": "<= 1"}, "either `measure` or `series`"),
        ({"measure": "recovered", "series": "p99", "is": "<= 1s"}, "either `measure` or `series`"),
        ({"measure": "recovered", "is": True, "for": "3s"}, "for: a measure is one number of a whole run"),
        ({"series": "p98", "is": "<= 1s", "over": "recovery"}, "unknown series 'p98'"),
        ({"series": "p99", "is": "<= 1s"}, "`over` a stretch (one value) or `for` one"),
        ({"series": "p99", "is": "<= 1s", "over": "3s", "for": "3s"}, "exactly one of them"),
        ({"series": "p99", "is": "<= 1s", "over": "drain"}, "neither a phase with load"),
        ({"series": "p99", "is": "<= 1s", "over": "0s"}, "neither a phase with load"),
        ({"series": "p99", "is": "<= 1s", "for": "recovery", "within": "3s"}, "recovery has its own beginning"),
        ({"series": "p99", "is": "<= 1s", "over": "3s", "within": "3s"}, "`within` says when a `for` may begin"),
        ({"series": "p99", "is": "<= 0.5x variant b", "for": "3s"}, "look at it `over` a stretch"),
        ({"series": "p99", "is": "== 1s", "over": "3s"}, "does not fit a series"),
        ({"series": "p99", "is": True, "over": "3s"}, "does not fit a series"),
        ({"series": "p99", "is": "<= 300", "over": "3s"}, "does not fit p99; write a duration"),
        ({"series": "amplification", "is": "<= 3s", "over": "3s"}, "does not fit amplification; write a ratio"),
        ({"series": "p99", "is": "<= 95% of due", "over": "3s"}, "only goodput is a share"),
        ({"series": "p99", "of": "kv", "is": "<= 1s", "over": "3s"}, "p99 has no parts"),
        ({"series": "p99", "is": "<= 1s", "over": "3s", "from": "fixed"}, "`from` also takes fix and fault"),
    ],
)
def test_a_line_that_cannot_be_answered_is_refused_with_what_to_write(line: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match="value_error") as refused:
        Expect.model_validate({"variant": "a", **line})
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{variant: a, measure: amplification.peak, is: '<= 0.5x variant c'}", "expect[0].is: no variant 'c'"),
        ("{variant: a, measure: amplification.peak, is: '<= 0.5x variant a'}", "a variant is measured by itself"),
        ("{variant: a, measure: amplification.peak, is: '<= 2x baseline'}", "no counterpart in the baseline phase"),
        ("{variant: a, series: p99, of: kv, is: '<= 2x baseline', over: recovery}", "p99 has no parts"),
    ],
)
def test_a_file_with_such_a_line_is_refused_where_it_stands(line: str, said: str) -> None:
    with pytest.raises(SpecError) as refused:
        parse_experiment(TEXT.format(line=line))
    assert said in str(refused.value)
    assert "experiment.yaml:9:" in str(refused.value)
