"""YAML blocks as experiments: whole ones as they are, pieces laid over a file that has the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from harness.spec.load import ExperimentFile, load_experiment
from tests.docs.blocks import ROOT, Block

FLAGSHIP = "experiments/dns_race.yaml"


def whole(value: object) -> bool:
    """Whether a mapping is an experiment by itself."""
    return isinstance(value, dict) and {"title", "load"} <= set(value)


def merged(base: Any, patch: Any) -> Any:
    """`patch` laid over `base` as a variant is: mappings deep, lists replaced, null deletes."""
    if not isinstance(base, dict) or not isinstance(patch, dict):
        return patch
    found = {key: value for key, value in base.items() if not (key in patch and patch[key] is None)}
    for key, value in patch.items():
        if value is not None:
            found[key] = merged(found.get(key), value)
    return found


def text_of(block: Block, here: Path) -> str:
    """The experiment file that the block stands for; files that the page saved are looked for `here` first."""
    value = yaml.safe_load(block.body)
    if whole(value) and block.kind != "patch":
        return block.body
    assert isinstance(value, dict), f"{block.where}: a piece of an experiment begins with a key; write the key, too"
    name = block.mark[1] if block.kind == "patch" else FLAGSHIP
    base = here / name if (here / name).is_file() else ROOT / name
    return yaml.safe_dump(merged(yaml.safe_load(base.read_text()), value), sort_keys=False, allow_unicode=True)


def saved_as(block: Block) -> str:
    """The name under which the block is saved, or ""."""
    if block.kind == "file":
        return block.mark[1]
    return block.mark[3] if block.kind == "patch" and len(block.mark) == 4 else ""


def checked(block: Block, here: Path) -> ExperimentFile:
    """The block as an experiment, every variant resolved; its file is left `here`. Raises SpecError."""
    return load_experiment(write(here, saved_as(block) or f"block-{block.line}.yaml", text_of(block, here)))


def write(here: Path, name: str, text: str) -> Path:
    """Save a page's file `here`; linked folders on the way become folders of links, so that the project's stay as
    they are."""
    path = here
    for part in Path(name).parts[:-1]:
        path = path / part
        if path.is_symlink():
            real = path.resolve()
            path.unlink()
            path.mkdir()
            for child in real.iterdir():
                (path / child.name).symlink_to(child)
        path.mkdir(exist_ok=True)
    target = path / Path(name).name
    target.unlink(missing_ok=True)
    target.write_text(text)
    return target
