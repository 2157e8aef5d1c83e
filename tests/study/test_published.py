"""Published results: the models are right in short runs, and the table says so or says not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scipy.stats import gamma

from harness.errors import SpecError
from harness.models.station import StationSpec
from harness.study import claims, published_cache, published_collapse, published_contention, published_loops
from harness.study import reproduce as study
from harness.study.claims import AGREES, DIFFERS, STATED, Effort
from harness.study.published_files import goodput_share
from harness.study.published_queues import drain_s, watch

FILES = Path(__file__).parents[2] / "experiments/published"
SHORT = Effort(4, FILES)
# At the boundary itself luck decides there; here, with even arrivals and fixed service times, there is none.
KNOWN = {"R15a": ["spell of 650ms: runs that are stuck"]}


@pytest.mark.parametrize("model", [published_contention, published_cache, published_collapse], ids=["R1", "R7", "R5"])
def test_a_few_repeats_of_the_small_models_agree(model: Any) -> None:
    found = list(model.lines(SHORT))
    assert [line for line in found if line.verdict == DIFFERS] == []
    assert len(found) >= 3


def test_full_jitter_more_than_halves_the_calls() -> None:
    """The published headline: 57 % fewer than plain exponential backoff."""
    calls = {}
    for kind in ("exponential", "full"):
        rng = published_contention.seeds.rng(3, kind)
        calls[kind] = sum(published_contention.contend(kind, 100, rng)[0] for _ in range(3))
    assert 0.35 < calls["full"] / calls["exponential"] < 0.5


def test_a_collapse_is_for_good_and_backoff_prevents_it() -> None:
    told = [published_collapse.collapse("at once", seed) for seed in range(1, 13)]
    assert {one.collapsed for one in told} == {True, False}, "it depends on the seed, as published"
    assert all(one.amplification > 2.0 for one in told if one.collapsed)
    assert all(one.success > 0.9 and one.amplification < 1.5 for one in told if not one.collapsed)
    assert min(one.success for one in told) < 0.01
    assert not any(published_collapse.collapse("backoff and jitter", seed).collapsed for seed in range(1, 6))


def test_the_open_loop_is_an_m_m_1_and_the_closed_one_hides_its_queue() -> None:
    rng = published_contention.seeds.rng(1, "loops")
    opened = published_loops.open_loop(published_loops.exponential_s, 0.1, 100_000, rng)
    closed = published_loops.closed_loop(published_loops.exponential_s, 0.1, 1, 100_000, rng)
    assert published_loops.quantile(opened, 0.99) == pytest.approx(2.30, rel=0.12)
    assert published_loops.quantile(closed, 0.99) == pytest.approx(0.4605, rel=0.04)  # 0.1 ln 100: nobody ever waits


def test_the_station_is_an_m_m_1_with_the_standard_error_of_theory() -> None:
    """SE of the mean sojourn = sqrt(rho (2 + 5 rho - 4 rho^2 + rho^3) / (1 - rho)^4 / n) / mu; three are allowed."""
    rho, mu, jobs = 0.8, 10.0, 40_000
    se = (rho * (2 + 5 * rho - 4 * rho**2 + rho**3) / (1 - rho) ** 4 / (0.9 * jobs)) ** 0.5 / mu
    assert abs(watch(StationSpec(1, 1 / mu), rho * mu, jobs, 1).sojourn_s - 0.5) <= 3 * se


def test_a_backlog_drains_as_first_passage_says() -> None:
    times = [drain_s(50.0, 1000, seed) for seed in range(1, 17)]
    assert sum(times) / 16 == pytest.approx(20.0, abs=3 * 1.10 / 4)


def test_a_sample_agrees_within_three_standard_errors_and_no_further() -> None:
    values = [9.0, 10.0, 11.0, 10.0]  # mean 10, standard error 0.408
    assert claims.sample("R0", "x", values, 11.2).verdict == AGREES
    assert claims.sample("R0", "x", values, 11.3).verdict == DIFFERS
    assert claims.sample("R0", "x", values, 11.3, slack=0.1).verdict == AGREES
    assert claims.sample("R0", "x", values, 8.0, published_se=0.6).verdict == AGREES


def test_a_single_run_agrees_within_the_middle_of_many() -> None:
    values = [float(value) for value in range(1, 101)]
    assert claims.one_run("R0", "x", values, 3.0).verdict == AGREES
    assert claims.one_run("R0", "x", values, 2.9).verdict == DIFFERS
    assert claims.one_run("R0", "x", values, 98.0).verdict == AGREES
    assert claims.one_run("R0", "x", values, 98.4).verdict == DIFFERS
    assert claims.one_run("R0", "x", values, 98.4, slack=0.5).verdict == AGREES
    assert claims.one_run("R0", "x", values, 50.0).interval == "3 to 98 in 95 % of runs"


def test_the_interval_of_a_mean_time_is_that_of_the_exponential() -> None:
    """Against the exact one, by the gamma distribution."""
    for events in (6, 20, 80):
        low, high = (50.0 / gamma.ppf(q, events + more) for q, more in ((0.975, 1), (0.025, 0)))
        found = claims.factor("R0", "x", 50.0, events, 2.5, 2.0).interval
        assert [float(end) for end in found.split(" to ")] == pytest.approx([low, high], rel=0.02)


def test_numbers_are_shown_without_powers_of_ten() -> None:
    assert [claims.shown(value) for value in (63575.2, 9999.6, 1002.4, 812.34, 0.01365, 0.0)] == [
        "63575", "10000", "1002", "812.3", "0.01365", "0",
    ]  # fmt: skip


@pytest.mark.parametrize("rho", [0.8, 1.0, 1.2, 5.0])
def test_goodput_within_a_deadline_is_that_of_theory(rho: float) -> None:
    """Against sojourn times as gamma variables, for all that are let in."""
    let_in = [rho**j for j in range(101)]
    within = sum(weight * gamma.cdf(1.0, j + 1, scale=0.01) for j, weight in enumerate(let_in))
    accepted = sum(let_in) / (sum(let_in) + rho**101)
    assert goodput_share(rho, 100, 100.0) == pytest.approx(rho * accepted * within / sum(let_in), rel=1e-9)


def test_an_emptied_cache_warms_up_at_the_pace_of_its_backend() -> None:
    """A full one serves what a Zipf law asks of the commonest thousand keys; the first row after the flush does not."""
    rates = published_cache.hit_rates(100, 1)
    assert min(rates[:3]) > 0.8
    assert rates[4] < min(rates[:3])
    slow = published_cache.hit_rates(5, 1)
    assert slow[4] < 0.5 < slow[9] < slow[29] < min(rates[:3])


def test_the_page_has_every_line_and_the_command_that_makes_it() -> None:
    claim = claims.Claim("R0", "a source", lambda effort: iter(()))
    lines = [claims.sample("R0", "a | b", [1.0, 1.1], 1.0), claims.sample("R0", "far", [1.0, 1.1], 2.0)]
    page = study.markdown([(claim, line) for line in lines], SHORT)
    assert "`blackstart reproduce --seeds 4 --markdown > docs/reproduced.md`" in page
    assert "**1 of 2 published numbers found again**" in page
    rows = [line for line in page.splitlines() if line.startswith("| R0")]
    assert rows[0].startswith("| R0 | a source | a \\| b | 1 | 1.05 | ")
    assert rows[1].startswith("| R0 |  | far | 2 | 1.05 | ")
    assert "**differs**" in rows[1]


def test_shares_agree_when_their_intervals_overlap() -> None:
    assert claims.share("R0", "x", 10, 20, 15, 20).verdict == AGREES
    assert claims.share("R0", "x", 2, 20, 15, 20).verdict == DIFFERS
    assert claims.share("R0", "x", 0, 20, 20, 20).interval == "0% to 16%"


def test_bands_and_factors_have_edges() -> None:
    assert claims.band("R0", "x", 1.05, 1.0, 0.05 + 1e-9, low=1.0, high=1.1).verdict == AGREES
    assert claims.band("R0", "x", 1.06, 1.0, 0.05, low=0.99, high=1.1).verdict == DIFFERS, "however wide ours is"
    assert claims.factor("R0", "x", 40.0, 2, 10.0, 2.0).verdict == AGREES
    assert claims.factor("R0", "x", 41.0, 2, 10.0, 2.0).verdict == DIFFERS
    assert claims.factor("R0", "x", 40.0, 0, 10.0, 2.0).verdict == DIFFERS, "no event, no agreement"
    assert claims.stated("R0", "x", "1", "2", "why").verdict == STATED


def test_the_required_results_are_all_there() -> None:
    assert set(study.results()) == {"R1", "R5", "R6", "R7", "R8", "R9", "R12", "R14", "R15a", "R16", "R17"}
    assert all(claim.source for claim in study.CLAIMS)
    with pytest.raises(SpecError, match="no published result 'R99'; there are R1"):
        study.chosen(["R99"])
    with pytest.raises(SpecError, match="at least 3"):
        list(study.reproduce(study.CLAIMS[:1], Effort(2, FILES)))
    with pytest.raises(SpecError, match="--experiments DIR"):
        study.files_folder(Path("nowhere"))


def test_every_published_experiment_cites_what_was_published() -> None:
    files = sorted(FILES.glob("*.yaml"))
    assert len(files) >= 6
    assert all(path.read_text().startswith(("# Published: ", "# Theory: ")) for path in files)


@pytest.mark.long
@pytest.mark.parametrize("result", ["R8", "R9", "R12", "R15a", "R16", "R17"])
def test_published_results_are_found_again(result: str) -> None:
    found = [line for _, line in study.reproduce(study.chosen([result]), Effort(10, FILES))]
    assert [line.what for line in found if line.verdict == DIFFERS] == KNOWN.get(result, [])


@pytest.mark.long
def test_published_critical_outages_are_found_again() -> None:
    found = [line for _, line in study.reproduce(study.chosen(["R14"]), Effort(10, FILES))]
    assert [line for line in found if line.verdict == DIFFERS] == []
