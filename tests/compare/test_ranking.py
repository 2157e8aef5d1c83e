"""Variants in the order in which a person would choose among them."""

from __future__ import annotations

from harness.compare.ranking import Rank, _order, sentence


def rank(variant, recovered, runs, ttr_s=None, lost=0.0):
    return Rank(None, variant, recovered, runs, ttr_s, lost)


def test_the_chance_of_recovery_comes_before_its_speed():
    slow, lucky = rank("slow", 10, 10, 30.0), rank("lucky", 6, 10, 1.0)
    assert sorted([lucky, slow], key=_order) == [slow, lucky]


def test_among_equal_chances_the_faster_wins_and_then_the_one_that_lost_less():
    a, b, c = rank("a", 1, 1, 2.0, 50.0), rank("b", 1, 1, 2.0, 10.0), rank("c", 1, 1, 1.0, 900.0)
    assert sorted([a, b, c], key=_order) == [c, b, a]


def test_variants_that_never_recovered_are_told_apart_by_what_they_lost():
    bad, worse = rank("bad", 0, 3, None, 100.0), rank("worse", 0, 3, None, 2000.0)
    assert sorted([worse, bad], key=_order) == [bad, worse]


def test_a_variant_without_a_valid_run_comes_last():
    nothing, stuck = rank("nothing", 0, 0), rank("stuck", 0, 1, None, 5000.0)
    assert sorted([nothing, stuck], key=_order) == [stuck, nothing]


def test_the_sentence_names_every_variant_once():
    told = sentence([rank("a", 2, 2, 1.5), rank("b", 1, 2, 3.0), rank("c", 0, 2), rank("d", 0, 0)])
    assert told == (
        "Recovered in every valid run, fastest first: a (1.5 s); in some: b (1 of 2); in none: c; no valid run: d."
    )
