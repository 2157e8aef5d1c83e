"""The generated pages are what the code says now, and the texts that no code can say are complete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.reference.gallery import COMMAND, FOLDER, PAGE, experiments, page, read_record, stale
from harness.reference.gallery_answer import answer
from harness.reference.gallery_runs import SEEDS
from harness.reference.key_texts import TEXTS
from harness.reference.keys import fields, models_of, part_of, text_of
from harness.reference.measure_texts import flat, text_for
from harness.reference.pages import COMMAND as REFERENCE
from harness.reference.pages import PAGES
from harness.reference.small_png import decode, small
from harness.spec.experiment import Experiment
from harness.spec.load import load_experiment
from harness.spec.region import Region
from harness.spec.vocabulary import MEASURES
from tests.docs.blocks import ROOT


@pytest.mark.parametrize("name", PAGES)
def test_a_page_made_from_the_code_is_current(name: str) -> None:
    assert (ROOT / name).read_text() == PAGES[name](), f"{name} is not current; run: {REFERENCE}"


def every_model() -> list[Any]:
    found: list[Any] = []

    def walk(model: Any) -> None:
        if model not in found:
            found.append(model)
            for _, field in fields(model):
                for part in models_of(field.annotation):
                    walk(part)

    walk(Experiment)
    return found


def test_every_key_of_an_experiment_has_a_text_and_every_text_a_key() -> None:
    used = set()
    for model in every_model():
        for key, _ in fields(model):
            if model is Region and key != "preset":
                continue  # components have sections
            assert text_of(model, key), (model, key)
            used.add(next((part_of(base), key) for base in model.__mro__ if key in TEXTS.get(part_of(base), {})))
    assert {(part, key) for part, texts in TEXTS.items() for key in texts} == used


def keys_in(value: Any, prefix: str = "") -> set[str]:
    """The keys of a file as deep as the texts go."""
    if isinstance(value, dict) and value and text_for(prefix.removesuffix(".")) is None:
        return {key for name, inner in value.items() for key in keys_in(inner, f"{prefix}{name}.")}
    return {prefix.removesuffix(".")}


RUNS = (
    ("dns_race", "budget"),
    ("components/status_page", "automatic"),
    ("components/hospital_safety", "both"),
    ("diversification", "active_active"),
)
NOT_IN_THESE = {"reasons.*", "audit.divergence"}


@pytest.mark.long
def test_every_measure_that_a_run_writes_has_a_text(simulated: Any) -> None:
    seen = set()
    for experiment, variant in RUNS:
        measures = json.loads(simulated(experiment, variant).measures.read_text())
        seen |= keys_in({key: value for key, value in measures.items() if key != "reasons"})
    assert sorted(key for key in seen if text_for(key) is None and not _empty(key)) == []
    assert sorted(set(flat()) - {text_for(key) for key in seen} - set(MEASURES) - NOT_IN_THESE) == []


def _empty(key: str) -> bool:
    """Whole parts that a run has not: null instead of a mapping."""
    return any(known.startswith(f"{key}.") for known in flat())


def test_every_measure_that_a_criterion_may_name_has_a_text() -> None:
    assert [key for key in MEASURES if key not in flat() and text_for(key) is None] == []


@pytest.mark.parametrize("path", experiments(), ids=lambda path: path.stem)
def test_every_experiment_is_in_the_gallery_as_it_is_now(path: Path) -> None:
    why = stale(read_record(), path, load_experiment(path))
    assert not why, f"{why}; run: {COMMAND}"
    assert (ROOT / FOLDER / f"{path.stem}.png").stat().st_size < 60_000


def test_the_gallery_says_what_its_runs_say() -> None:
    known = read_record()
    if any(path.stem not in known for path in experiments()):
        pytest.fail(f"an experiment is not in the gallery; run: {COMMAND}")
    assert (ROOT / PAGE).read_text() == page(known), f"run: {COMMAND}"
    assert set(known) == {path.stem for path in experiments()}
    assert all(len(runs) == SEEDS for entry in known.values() for runs in entry["runs"].values())
    assert {path.stem for path in (ROOT / FOLDER).glob("*.png")} == set(known)


def runs(*recovered: bool, ttr: float = 2.0, **more: float) -> list[dict[str, Any]]:
    verdict = {True: "recovered", False: "metastable"}
    return [
        {"recovered": well, "verdict": verdict[well], "time_to_recover_s": ttr if well else None, **more}
        for well in recovered
    ]


def test_an_answer_says_who_recovered_how_fast_and_what_else_differs() -> None:
    said = answer({"a": runs(True, True, lost_ratio=0.1), "b": runs(False, False, lost_ratio=0.4)}, ["lost_ratio"])
    recovered, beyond = said.split("; ")
    assert recovered == "`a` (after 2 s) recovered in all 2 runs, `b` (metastable) in none"
    assert beyond == "`lost_ratio` (median): 10 % in `a` and 40 % in `b`."


def test_an_answer_of_equals_says_nothing_of_measures_that_are_alike() -> None:
    said = answer({"a": runs(True, True, x=5.0), "b": runs(True, True, ttr=0.5, x=5.1)}, ["x"])
    assert said == "every variant recovered in all 2 runs: `a` (after 2 s) and `b` (after 500 ms)."


def test_a_variant_that_sometimes_recovers_is_counted() -> None:
    assert answer({"a": runs(True, False)}, []) == "`a` in 1 of 2 recovered."


def rgba(pixels: np.ndarray, kinds: list[int]) -> bytes:
    """A PNG of RGBA pixels whose lines are filtered as `kinds` says, after the specification."""
    import struct
    import zlib

    height, width, _ = pixels.shape
    lines = pixels.reshape(height, -1).astype(int)
    raw = b""
    for y, kind in enumerate(kinds):
        up = lines[y - 1] if y else np.zeros_like(lines[0])
        left, corner = (np.concatenate([np.zeros(4, int), row[:-4]]) for row in (lines[y], up))
        near = zip(left, up, corner, strict=True)
        paeth = [min((a, b, c), key=lambda v, p=a + b - c: abs(p - v)) for a, b, c in near]
        guess = [np.zeros_like(left), left, up, (left + up) // 2, np.array(paeth)][kind]
        raw += bytes([kind]) + ((lines[y] - guess) % 256).astype(np.uint8).tobytes()

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def test_every_filter_of_a_png_is_undone() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (5, 7, 4)).astype(np.uint8)
    pixels[..., 3] = 255
    assert np.array_equal(decode(rgba(pixels, [0, 1, 2, 3, 4])), pixels[..., :3])
    assert np.array_equal(decode(rgba(pixels, [4, 3, 4, 1, 2])), pixels[..., :3])


def test_a_small_picture_is_one_with_a_palette_and_another_kind_is_refused() -> None:
    pixels = np.zeros((4, 4, 4), np.uint8)
    made = small(rgba(pixels, [0, 0, 0, 0]))
    assert made[24:26] == bytes((8, 3))
    with pytest.raises(ValueError, match="8 bits"):
        decode(made)
