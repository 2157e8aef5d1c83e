"""The JSON Schema: accepts what the models accept, refuses the usual slips, says the same as the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

jsonschema: Any = pytest.importorskip("jsonschema")

from harness.policies import catalogue  # noqa: E402
from harness.spec import load_experiment  # noqa: E402
from harness.spec.schema import json_schema  # noqa: E402

EXPERIMENTS = sorted((Path(__file__).parents[2] / "experiments").glob("*.yaml"))


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_there_are_experiments_to_look_at() -> None:
    assert {"dns_race", "resolvers", "slow_dependency"} <= {path.stem for path in EXPERIMENTS}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_file_satisfies_the_schema(validator: Any, path: Path) -> None:
    validator.validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_resolved_experiment_satisfies_the_schema(validator: Any, path: Path) -> None:
    file = load_experiment(path)
    for variant in file.variants:
        validator.validate({**file.variant(variant).written(), "expect": []})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("timeout: 200ms", "timeout: 200"),
        ("attempts: 4", "attemps: 4"),
        ("rate: 50/s", "rate: 50"),
        ("mobile_banking: {arr", "mobile_bankin: {arr"),
        ("ratio: 0.1, burst: 100", "ratoi: 0.1"),
        ("kind: exponential", "kind: exponentail"),
        ("do: kv.latency", "do: kv.latencie"),
        ("plain: {}", "plain: {seed: 3}"),
        ("title: A store turns slow\n", ""),
    ],
)
def test_an_editor_would_underline_it(validator: Any, text: str, old: str, new: str) -> None:
    validator.validate(yaml.safe_load(text))
    spoilt = text.replace(old, new, 1)
    assert spoilt != text
    if "ratoi" in new or "exponentail" in new:  # patches are open in the schema; the same words in the shared part
        spoilt = text.replace(
            "backoff: none", "backoff: {kind: exponentail}" if "kind" in new else "retry_budget: {ratoi: 1}"
        )
    assert not validator.is_valid(yaml.safe_load(spoilt))


def test_every_policy_of_the_catalogue_is_offered() -> None:
    client = json_schema()["$defs"]["Client"]["properties"]
    slots = [slot for slot in catalogue.SLOTS["client"] if catalogue.entries("client", slot)]
    assert len(slots) >= 4
    for slot in slots:
        offered = client[slot]["anyOf"][0]["enum"]
        assert {entry.kind for entry in catalogue.entries("client", slot)} | {"none"} == set(offered) - {None}
