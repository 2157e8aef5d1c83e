"""Comparisons of planted runs: what may be said, what may not, and that names decide nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.compare import compare
from harness.errors import SpecError
from harness.record.folder import RunFolder
from tests.analyse.planted import Truth, plant

RISING = ((0.0, 2.0), (6.0, 2.0), (40.0, 3000.0))


def recovers(variant: str, seed: int, after_s: float = 2.0) -> Truth:
    return Truth(variant=variant, seed=seed, refused=((6.0, 8.0 + after_s),))


def stuck(variant: str, seed: int) -> Truth:
    return Truth(variant=variant, seed=seed, refused=((6.0, 99.0),), times_out=True, waiting=RISING)


def runs(root: Path, *truths: Truth) -> list[RunFolder]:
    return [plant(root, truth) for truth in truths]


def judged(comparison: dict[str, Any], number: int = 0) -> dict[str, dict[str, Any]]:
    return {one["measure"]: one for one in comparison["pairs"][number]["judged"]}


def test_one_pair_of_runs_is_shown_and_not_judged(tmp_path: Path) -> None:
    comparison = compare(runs(tmp_path, stuck("naive", 1), recovers("budget", 1)))
    assert {one["verdict"] for one in judged(comparison).values()} == {"unsure"}
    assert comparison["sentences"] == [
        "naive: metastable; budget: recovered, steady 2 s after the fix. That is what one pair of runs shows; it is "
        "unsure whether it holds, since at least 7 pairs are needed."
    ]
    assert comparison["repeat"] == (
        "blackstart compare experiments/planted.yaml --variant naive --variant budget --seed 1 --repeat 1"
    )
    assert comparison["chances"][1] == {
        "variant": "budget", "recovered": 1, "runs": 1,
        "low": pytest.approx(0.2065, abs=1e-4), "high": 1.0, "interval": "21% to 100%",
    }  # fmt: skip


@pytest.mark.parametrize(("count", "verdict"), [(6, "unsure"), (7, "worse")])
def test_as_many_pairs_are_asked_for_as_three_answers_at_once_need(tmp_path: Path, count: int, verdict: str) -> None:
    seeds = range(1, count + 1)
    comparison = compare(runs(tmp_path, *(stuck("naive", s) for s in seeds), *(recovers("budget", s) for s in seeds)))
    assert judged(comparison)["recovered"]["verdict"] == verdict
    assert ("at least 7 pairs are needed" in comparison["sentences"][0]) == (verdict == "unsure")


def test_twelve_pairs_settle_it_in_every_primary_measure(tmp_path: Path) -> None:
    seeds = range(1, 13)
    comparison = compare(runs(tmp_path, *(stuck("naive", s) for s in seeds), *(recovers("budget", s) for s in seeds)))
    found = judged(comparison)
    assert {one["verdict"] for one in found.values()} == {"worse"}
    assert found["recovered"]["p"] == 2 / 2**12
    assert found["recovered"]["p_adjusted"] == 3 * 2 / 2**12
    assert found["time_to_recover_s"]["difference"] == pytest.approx(18.0)  # watched for 20 s against 2 s
    assert found["time_to_recover_s"]["low"] <= 18.0 <= found["time_to_recover_s"]["high"]
    assert comparison["sentences"][0].startswith(
        "naive: recovered in 0 of 12 valid runs; budget: recovered in 12 of 12 valid runs after 2 s to 2 s. "
        "naive against budget: worse in the chance of recovery"
    )


def test_six_pairs_do_not_reach_significance_over_three_measures(tmp_path: Path) -> None:
    seeds = range(1, 7)
    comparison = compare(runs(tmp_path, *(stuck("naive", s) for s in seeds), *(recovers("budget", s) for s in seeds)))
    assert {one["verdict"] for one in judged(comparison).values()} == {"unsure"}
    assert {one["p_adjusted"] for one in judged(comparison).values()} == {3 * 2 / 64}


def test_equal_variants_are_the_same_in_what_does_not_vary_and_unsure_in_recovery(tmp_path: Path) -> None:
    seeds = range(1, 7)
    comparison = compare(runs(tmp_path, *(recovers("a", s) for s in seeds), *(recovers("b", s) for s in seeds)))
    found = judged(comparison)
    assert found["time_to_recover_s"]["verdict"] == found["amplification.overall"]["verdict"] == "same"
    assert found["recovered"]["verdict"] == "unsure"  # six pairs without a split do not show equal chances


def anonymous(comparison: dict[str, Any]) -> list[list[dict[str, Any]]]:
    return [pair["judged"] for pair in comparison["pairs"]]


def test_renaming_variants_changes_no_verdict(tmp_path: Path) -> None:
    seeds = range(1, 8)
    found = []
    for number, (first, second) in enumerate((("naive", "budget"), ("recovered", "metastable"), ("b", "a"))):
        folders = runs(
            tmp_path / str(number), *(stuck(first, s) for s in seeds), *(recovers(second, s, 1 + s / 2) for s in seeds)
        )
        found.append(anonymous(compare(folders)))
    assert found[0] == found[1] == found[2]


def test_permuting_seeds_and_the_order_of_runs_changes_no_verdict(tmp_path: Path) -> None:
    seeds = (1, 2, 3, 4, 5, 6, 7)
    shuffled = (5, 1, 7, 3, 2, 6, 4)
    folders = runs(tmp_path / "a", *(stuck("x", s) for s in seeds), *(recovers("y", s, 1 + s / 2) for s in seeds))
    other = runs(
        tmp_path / "b",
        *(stuck("x", t) for t in shuffled),
        *(recovers("y", t, 1 + s / 2) for s, t in zip(seeds, shuffled, strict=True)),
    )
    expected = {m: one["verdict"] for m, one in judged(compare(folders)).items()}
    assert {m: one["verdict"] for m, one in judged(compare(other)).items()} == expected
    mixed = [folders[0], *folders[:0:-1]]
    assert anonymous(compare(mixed)) == anonymous(compare(folders))


def test_swapping_the_sides_turns_worse_into_better(tmp_path: Path) -> None:
    seeds = range(1, 13)
    bad, good = runs(tmp_path, *(stuck("x", s) for s in seeds)), runs(tmp_path, *(recovers("y", s) for s in seeds))
    one, other = judged(compare([*bad, *good])), judged(compare([*good, *bad]))
    for measure, found in one.items():
        assert (found["verdict"], other[measure]["verdict"]) == ("worse", "better")
        assert found["p_adjusted"] == other[measure]["p_adjusted"]


def test_invalid_runs_are_left_out_and_named(tmp_path: Path) -> None:
    folders = runs(tmp_path, stuck("naive", 1), recovers("budget", 1)._replace(dropped=1))
    comparison = compare(folders)
    assert comparison["pairs"][0]["seeds"] == []
    assert "Left out as invalid: budget." in comparison["trust"]
    assert "nothing can be concluded" in comparison["sentences"][0]
    assert comparison["chances"][1]["runs"] == 0


def test_runs_of_one_variant_have_a_chance_and_no_pair(tmp_path: Path) -> None:
    comparison = compare(runs(tmp_path, stuck("naive", 1), recovers("naive", 2)))
    assert comparison["pairs"] == []
    assert comparison["sentences"] == [
        "All runs are of one variant: naive: recovered in 1 of 2 valid runs after 2 s to 2 s. "
        "There is nothing to compare it with."
    ]


def test_comparative_expect_lines_are_unsure_until_enough_pairs(tmp_path: Path) -> None:
    def with_expect(folders: list[RunFolder]) -> list[RunFolder]:
        for folder in folders:
            plan = folder.read_json(folder.plan)
            plan["spec"]["expect"] = [
                {"variant": None, "compare": ["budget", "naive"], "measure": "recovered", "is": "better"}
            ]
            folder.write_json(folder.plan, plan)
        return folders

    few = with_expect(runs(tmp_path / "few", stuck("naive", 1), recovers("budget", 1)))
    assert [answer["verdict"] for answer in compare(few)["expect"]] == ["unsure"]
    seeds = range(1, 7)
    many = with_expect(
        runs(tmp_path / "many", *(stuck("naive", s) for s in seeds), *(recovers("budget", s) for s in seeds))
    )
    assert [answer["verdict"] for answer in compare(many)["expect"]] == ["pass"]


def test_runs_watched_for_different_times_are_refused_with_a_sentence(tmp_path: Path) -> None:
    folders = runs(tmp_path, stuck("naive", 1), recovers("budget", 1)._replace(recovery_s=10.0))
    with pytest.raises(SpecError, match=r"the time watched after the outage differs: 20 s in .* 10 s in"):
        compare(folders)


def test_different_experiments_and_lines_are_refused_with_a_sentence(tmp_path: Path) -> None:
    folders = runs(tmp_path, stuck("naive", 1), recovers("budget", 1))
    plan = folders[1].read_json(folders[1].plan)
    folders[1].write_json(folders[1].plan, {**plan, "experiment": "other"})
    with pytest.raises(SpecError, match=r"the experiment differs: planted in .* other in"):
        compare(folders)
    plan["spec"]["steady_state"]["for"] = "5s"
    folders[1].write_json(folders[1].plan, plan)
    with pytest.raises(SpecError, match="how steady is defined differs"):
        compare(folders)


def test_one_run_is_no_comparison(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="at least two"):
        compare(runs(tmp_path, stuck("naive", 1)))
