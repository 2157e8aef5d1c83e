"""Complaints about an experiment file: where, what was found, what is allowed, what to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.errors import SpecError
from harness.spec import parse_experiment
from harness.spec.vocabulary import COMPONENTS, STORIES

Spoilt = Callable[[str, str], str]
Place = Callable[[str, str, str], str]


@pytest.mark.parametrize(
    ("old", "new", "culprit", "said"),
    [
        (
            "timeout: 200ms",
            "timeout: 200",
            "200",
            "slow.yaml:{at}: client.timeout: 200 is not a duration; write a number with one of us, ms, s, m, min, h, "
            "as in '500ms'",
        ),
        (
            "attempts: 4",
            "attempts: 40",
            "40",
            "slow.yaml:{at}: client.attempts: 40 is out of bounds; it must be at most 20",
        ),
        (
            "attempts: 4",
            "attemps: 4",
            "attemps",
            "slow.yaml:{at}: client.attemps: unknown key; known here: deadline, timeout, attempts, propagate_deadline, "
            "backoff, retry_budget, breaker, limiter, hedge, hints, resolver; did you mean 'attempts'?",
        ),
        (
            "rate: 50/s",
            "rate: -50/s",
            "-50/s",
            "slow.yaml:{at}: load.mobile_banking.arrivals.rate: '-50/s' is out of bounds; a rate here is above 0/s",
        ),
        (
            "  mobile_banking: {arr",
            "  mobile_bankin: {arr",
            "mobile_bankin:",
            f"slow.yaml:{{at}}: load.mobile_bankin: unknown story; stories are {', '.join(STORIES)}; "
            "did you mean 'mobile_banking'?",
        ),
        (
            "distribution: fixed",
            "distribution: fix",
            "fix}",
            "slow.yaml:{at}: region.kv.service.distribution: 'fix' is not one of exponential, fixed; "
            "did you mean 'fixed'?",
        ),
        (
            "seed: 7",
            "seed: -7",
            "-7",
            "slow.yaml:{at}: seed: -7 is out of bounds; it must be at least 0",
        ),
        (
            "title: A store turns slow",
            "titel: A store turns slow",
            "titel",
            "slow.yaml:{at}: title: missing; write one line that says what happens, as in `title: A DNS race "
            "empties an endpoint`\nslow.yaml:{at}: titel: unknown key; known here: title, description, incident, "
            "time_scale, seed, region, conventions, client, load, phases, timeline, steady_state, repeat, stop_when, "
            "expect, targets, allow_hosts, variants; did you mean 'title'?",
        ),
        (
            "users: 100",
            "users: 100, mix: {transfer: 0.5, balanc: 0.5}",
            "balanc:",
            "slow.yaml:{at}: load.mobile_banking.mix.balanc: unknown operation; mobile_banking has transfer, balance; "
            "did you mean 'balance'?",
        ),
        (
            "users: 100",
            "users: 100, mix: {transfer: 0.5}",
            "{transfer: 0.5}",
            "slow.yaml:{at}: load.mobile_banking.mix: shares add up to 0.5; they must add up to 1",
        ),
        (
            "orchestrator_cpu",
            "orchestrator_cpus",
            "orchestrator_cpus",
            "slow.yaml:{at}: stop_when.orchestrator_cpus: unknown gauge; stop_when takes orchestrator_cpu, load_cpu, "
            f"{', '.join(f'{name}_cpu' for name in COMPONENTS)}, backlog; did you mean 'orchestrator_cpu'?",
        ),
        (
            "{variant: budget, m",
            "{variant: bugdet, m",
            "bugdet",
            "slow.yaml:{at}: expect[0].variant: no variant 'bugdet'; variants are plain, budget; "
            "did you mean 'budget'?",
        ),
        (
            "measure: time_to_recover",
            "measure: time_to_recovery",
            "time_to_recovery",
            "slow.yaml:{at}: expect[0].measure: unknown measure 'time_to_recovery'; it is a dotted key of "
            "measures.json, as in amplification.peak; did you mean 'time_to_recover_s'?",
        ),
        (
            "[budget, plain]",
            "[budget, budget]",
            "[budget, budget]",
            "slow.yaml:{at}: expect[1].compare: a variant is compared with itself; name two",
        ),
        (
            "plain: {}",
            "plain: {regio: {}}",
            "regio:",
            "slow.yaml:{at}: variants.plain.regio: a variant cannot patch 'regio'; it may patch region, conventions, "
            "client, load, phases, timeline, steady_state, stop_when, time_scale; did you mean 'region'?",
        ),
        (
            "plain: {}",
            "plain: {seed: 8}",
            "seed:",
            "slow.yaml:{at}: variants.plain.seed: a variant cannot patch 'seed'; it may patch region, conventions, "
            "client, load, phases, timeline, steady_state, stop_when, time_scale",
        ),
        (
            "title:",
            "targets: {bank: 'http://bank.example.com'}\ntitle:",
            "'http",
            "slow.yaml:{at}: targets.bank: 'http://bank.example.com' is not on loopback; a run may only touch this "
            "machine (127.0.0.0/8, ::1); remove it",
        ),
        (
            "title:",
            "targets: {bank: 'http://127.0.0.1:8000'}\ntitle:",
            "'http",
            "slow.yaml:{at}: targets.bank: 'http://127.0.0.1:8000': a run drives the region it starts, and cannot be "
            "pointed at a service of yours; remove it",
        ),
        (
            "title:",
            "allow_hosts: [localhost, 10.0.0.1]\ntitle:",
            "10.0.0.1",
            "slow.yaml:{at}: allow_hosts[1]: '10.0.0.1' is not on loopback; a run may only touch this machine "
            "(127.0.0.0/8, ::1); remove it",
        ),
        (
            "rate: 50/s",
            "rate: 1e9/s",
            "1e9/s",
            "slow.yaml:{at}: load.mobile_banking.arrivals.rate: 1e+09/s for 29 s are 2.9e+10 operations; a plan holds "
            "at most 10,000,000 of a story; lower the rate or shorten the phases",
        ),
        (
            "recovery: 20s",
            "recovery: 30h",
            "{warm_up",
            "slow.yaml:{at}: phases: a run of 108012 s is over the 86,400 s (a day) a run may take; shorten the phases",
        ),
        (
            'is: "<= 15s"',
            'is: "== metastable"',
            '"== metastable"',
            "slow.yaml:{at}: expect[0].is: '== metastable' can never hold for time_to_recover; write a bound, as in "
            "'<= 15s'",
        ),
        (
            'measure: time_to_recover, is: "<= 15s"',
            'measure: censored, is: "<= 15s"',
            '"<= 15s"',
            "slow.yaml:{at}: expect[0].is: '<= 15s' can never hold for censored; write true or false",
        ),
        (
            "backoff: none",
            "resolver: ttll",
            "ttll",
            "slow.yaml:{at}: client.resolver: unknown resolver policy 'ttll'; resolver takes none, ttl, c_ares, "
            "forever, fixed, serve_stale; did you mean 'ttl'?",
        ),
    ],
)
def test_a_complaint_says_where_what_and_what_to_do(
    spoilt: Spoilt, place: Place, old: str, new: str, culprit: str, said: str
) -> None:
    assert spoilt(old, new) == said.replace("{at}", place(old, new, culprit))


@pytest.mark.parametrize(
    ("old", "new", "culprit", "said"),
    [
        ("ratio: 0.1", "ratoi: 0.1", "ratoi", "unknown parameter 'ratoi'; token_bucket takes ratio, burst"),
        ("ratio: 0.1", "ratio: -0.1", "-0.1", "variants.budget.client.retry_budget.ratio: -0.1 is out of bounds"),
        ("kind: exponential", "kind: exponentail", "exponentail", "did you mean 'exponential'?"),
        ("base: 50ms", "base: 50", "50}", "50 is not a duration"),
        ("base: 50ms", "base: 50ms, cap: 10ms", "{kind: exp", "backoff exponential: "),
        ("backoff: none", "backoff: 3", "3}", "3 is not a policy; write none, fixed"),
        ("{slots: 4", "{admission: {kind: queue}, slots: 4", "{kind: queue}", "limit is missing"),
        ("{slots: 4", "{discipline: lifi, slots: 4", "lifi", "did you mean 'lifo'?"),
        ("variants:\n", "varints:\n", "varints", "did you mean 'variants'?"),
        ("load:\n", "laod:\n", "laod", "did you mean 'load'?"),
        ("region:\n", "regoin:\n", "regoin", "did you mean 'region'?"),
        ("users: 100", "users: many", "many", "'many' is not a whole number"),
        ("client: {deadline", "client: 3\nclien: {deadline", "3\n", "3 is not a mapping"),
        ("is: better", "is: larger", "larger", "'larger' is not a condition"),
        (
            "{variant: budget, measure: time_to_recover,",
            "{measure: time_to_recover,",
            "{measure",
            "names either `variant`",
        ),
        (
            'is: "<= 15s"',
            "is: better",
            "{variant: budget, measure",
            "`compare` wants better, same or worse, and `variant` wants",
        ),
        (
            'measure: time_to_recover, is: "<= 15s"',
            'measure: verdict, is: "== recoverd"',
            '"== recoverd"',
            "'recovered'",
        ),
        ("recovery: 20s", "recovery: 0s", "0s, drain", "a duration here is above 0s"),
        ("poisson", "poison", "poison", "did you mean 'poisson'?"),
    ],
)
def test_a_complaint_points_at_the_culprit(
    spoilt: Spoilt, place: Place, old: str, new: str, culprit: str, said: str
) -> None:
    start = f"slow.yaml:{place(old, new, culprit)}: "
    complaints = spoilt(old, new)
    assert any(line.startswith(start) and said in line for line in complaints.splitlines()), (start, complaints)


def test_a_combination_that_cannot_work_says_why(spoilt: Spoilt) -> None:
    assert "attempts is 1, so there are no retries to budget" in spoilt("attempts: 4", "attempts: 1")


def test_all_complaints_come_at_once_in_the_order_of_the_file(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_experiment(text.replace("users: 100", "users: 0").replace("slots: 4", "slots: 0"), "slow")
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == ["5", "8"]


def test_a_value_shared_by_all_variants_is_complained_about_once(spoilt: Spoilt) -> None:
    assert spoilt("deadline: 800ms", "deadline: 800").count("\n") == 0


def test_what_is_wrong_in_one_variant_only_names_it(spoilt: Spoilt) -> None:
    said = spoilt("plain: {}", "plain: {region: {dns: null}}")
    assert said == (
        "slow.yaml:8:3: load.mobile_banking: story mobile_banking needs dns, which is absent; remove `dns: null` from "
        "the region (variant plain)"
    )


def test_an_aliased_patch_is_complained_about_where_it_is_written(text: str) -> None:
    shared = text.replace("budget: {client: {", "budget: {client: &c {").replace("ratio: 0.1", "ratio: 100")
    with pytest.raises(SpecError) as caught:
        parse_experiment(shared.replace("stop_when", "  again: {client: *c}\nstop_when"), "slow")
    assert str(caught.value).count("\n") == 0
    assert "slow.yaml:16:" in str(caught.value)


def test_a_text_that_is_no_experiment_is_refused() -> None:
    for text in ("- a\n", "just words", "3"):
        with pytest.raises(SpecError, match=r"x\.yaml:1:1: not a mapping"):
            parse_experiment(text, "x")


def test_an_unknown_variant_is_refused_with_the_nearest(text: str) -> None:
    file = parse_experiment(text, "slow")
    with pytest.raises(SpecError, match=r"no variant 'bugdet'; it has plain, budget; did you mean 'budget'\?"):
        file.variant("bugdet")
