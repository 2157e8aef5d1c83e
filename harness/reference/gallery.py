"""`python -m harness.reference.gallery`: every experiment with its question, its picture and its answer, on one page.

An experiment is run again when a fingerprint of its variants is not the one in the record, and with `--all` in any
case; the page itself is then written from the record alone, so that a test can tell in a moment whether it is current.

    docs/images/gallery/record.json     what was seen: facts of every run, and the fingerprints they belong to
    docs/images/gallery/<name>.png      the picture
    docs/gallery.md                     the page
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from harness.reference.gallery_answer import answer
from harness.reference.gallery_runs import SEEDS, Shown, asked, fingerprints, runs
from harness.spec.load import ExperimentFile, load_experiment

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = "docs/gallery.md"
FOLDER: Final = "docs/images/gallery"
COMMAND: Final = "make gallery"
SECTIONS: Final = {
    "": ("The flagship outage and what follows from it", ""),
    "components": ("One service at a time", "Each has its own way to stay down."),
    "incidents": (
        "Real outages",
        "Modelled on what was published; `blackstart incidents NAME` tells each with its sources and what is unknown.",
    ),
}
# Experiments that take minutes and are told at length elsewhere: they stand here with a link instead of a picture.
OWN_PAGE: Final = {"aws_2025_10_20": "replay.md"}
Record = dict[str, dict[str, Any]]


def experiments(root: Path = ROOT) -> list[Path]:
    """The files of the gallery, section by section; published results have a page of their own."""
    folder = root / "experiments"
    found = [path for section in SECTIONS for path in sorted((folder / section).glob("*.yaml"))]
    return [path for path in found if path.stem not in OWN_PAGE]


def read_record(root: Path = ROOT) -> Record:
    """What was seen at the last run of each experiment, by file name."""
    path = root / FOLDER / "record.json"
    found: Record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def stale(record: Mapping[str, Any], path: Path, file: ExperimentFile) -> str:
    """Why an experiment must be run again, in words; "" when it need not."""
    known = record.get(path.stem)
    if known is None:
        return f"{path.name} is not in the gallery"
    if known["fingerprints"] != fingerprints(file):
        return f"{path.name} has changed since its picture was made"
    return "" if (ROOT / FOLDER / f"{path.stem}.png").is_file() else f"{path.name} has no picture"


def page(record: Mapping[str, Any], root: Path = ROOT) -> str:
    """The page, Markdown, from the files and the record."""
    lines = [
        "# Gallery",
        "",
        f"Made by `{COMMAND}`: every variant of every experiment, {SEEDS} runs each in virtual time with successive "
        "seeds. In the pictures grey is what users wanted, orange the attempts their clients sent, blue what came back "
        "in time, all per second; each thin line is a run, and the green rule is the fix. Attempts beyond four times "
        "the offered load are cut off. The answers are computed from these runs; three are enough to show what "
        "happens, and too few to say how often.",
        "",
        "Published results that were found again have [a page of their own](reproduced.md), and so has "
        "[the replay](replay.md) of 19-20 October 2025.",
    ]
    for section, (title, about) in SECTIONS.items():
        lines += ["", f"## {title}", *(["", about] if about else [])]
        for path in experiments(root):
            if path.parent == root / "experiments" / section:
                lines += _entry(path, load_experiment(path), record[path.stem], root)
    return "\n".join(lines) + "\n"


def _entry(path: Path, file: ExperimentFile, known: Mapping[str, Any], root: Path) -> list[str]:
    shown = path.relative_to(root).as_posix()
    said = answer(known["runs"], asked(file))
    return [
        "",
        f"### {file.title}",
        "",
        f"*{file.description}*",
        "",
        f"![Offered, attempts and goodput of {path.stem}, one panel a variant](images/gallery/{path.stem}.png)",
        "",
        f"{said[0].upper()}{said[1:]}",
        "",
        f"`blackstart compare {shown} --engine simulate --repeat {SEEDS}`",
    ]


def keep(record: Record, path: Path, file: ExperimentFile, shown: Sequence[Shown], picture: bytes) -> None:
    """Write one experiment's picture and put what was seen into the record."""
    folder = ROOT / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{path.stem}.png").write_bytes(picture)
    seen: dict[str, list[dict[str, Any]]] = {variant: [] for variant in file.variants}
    for run in shown:
        seen[run.variant].append({"seed": run.seed, **run.facts})
    record[path.stem] = {"fingerprints": fingerprints(file), "runs": seen}
    order = {found.stem: record[found.stem] for found in experiments() if found.stem in record}
    text = json.dumps(order, indent=1, allow_nan=False)
    (folder / "record.json").write_text(text + "\n", encoding="utf-8")


def main(words: Sequence[str]) -> int:
    """Run what is stale, or what is named, or `--all`; then write the page."""
    from harness.reference.gallery_figure import png

    record = read_record()
    for path in experiments():
        file = load_experiment(path)
        why = "asked for" if "--all" in words or path.stem in words else stale(record, path, file)
        if why:
            sys.stderr.write(f"{path.stem}: {why}\n")
            shown = list(runs(file))
            keep(record, path, file, shown, png(shown))
    (ROOT / PAGE).write_text(page(record), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
