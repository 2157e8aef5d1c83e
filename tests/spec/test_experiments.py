"""An experiment as a whole: defaults, variants, round trips."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.policies import backoff
from harness.spec import Experiment, ExperimentFile, parse_experiment, resolved_experiment
from harness.spec.policy import Policy

SMALLEST = "title: t\nload: {kv_reads: {arrivals: {rate: 1/s}}}\ntimeline:\n" + (
    "  - {at: outage.start, do: kv.errors, with: {share: 1, for: 1s}}\n"
    "  - {at: outage.end, do: kv.drop_queue, fix: true}\n"
)


def test_a_file_without_variants_has_one_called_base() -> None:
    file = parse_experiment(SMALLEST)
    assert file.variants == ("base",)
    assert (file.name, file.repeat, file.seed) == ("experiment", 1, 1)


def test_the_preset_small_is_the_flagships_region() -> None:
    region = parse_experiment(SMALLEST).variant("base").region
    assert region.instances() == {"dns": 1, "kv": 2, "mobile_banking": 1}
    assert region.kv is not None
    assert region.kv.capacity_per_s() == 250.0
    assert region.kv.connection.max_age_s == 1.0
    assert region.mobile_banking is not None
    assert region.mobile_banking.outbox.pace_per_s is None
    assert region.mobile_banking.connection.max_age_s is None
    assert region.dns is not None
    assert (region.dns.plan_every_s, region.dns.keep_generations, region.dns.clean_after_s) == (0.5, 3, 0.3)


def test_variants_patch_every_callers_client(changed: Callable[..., ExperimentFile]) -> None:
    file = changed()
    plain, budget = file.variant("plain"), file.variant("budget")
    for experiment, wanted in (
        (plain, None),
        (budget, Policy("client", "retry_budget", "token_bucket", {"ratio": 0.1, "burst": 100})),
    ):
        assert experiment.region.mobile_banking is not None
        assert experiment.load["mobile_banking"].client.retry_budget == wanted
        assert experiment.region.mobile_banking.client.retry_budget == wanted
    assert budget.client.timeout_s == 0.2


def test_clients_and_servers_compose_to_policy_specs(changed: Callable[..., ExperimentFile]) -> None:
    file = changed("{slots: 4", "{admission: {kind: concurrency, limit: 60}, slots: 4")
    client = file.variant("budget").load["mobile_banking"].client.policy()
    assert (client.deadline_s, client.timeout_s, client.attempts) == (0.8, 0.2, 4)
    assert client.budget is not None
    assert client.backoff != backoff.NO_BACKOFF
    plain = file.variant("plain")
    assert plain.load["mobile_banking"].client.policy().backoff == backoff.NO_BACKOFF
    assert plain.region.kv is not None
    assert plain.region.kv.server().admission.limit == 60


def test_a_story_without_a_mix_has_its_own(changed: Callable[..., ExperimentFile]) -> None:
    assert changed().variant("plain").mix("mobile_banking") == {"transfer": 0.7, "balance": 0.3}


@pytest.mark.parametrize("variant", ["plain", "budget"])
def test_a_dump_by_alias_reads_back_to_the_same_experiment(
    changed: Callable[..., ExperimentFile], variant: str
) -> None:
    experiment = changed().variant(variant)
    for again in (json.loads(json.dumps(experiment.written())), yaml.safe_load(yaml.safe_dump(experiment.written()))):
        assert resolved_experiment(again, "test") == experiment
        assert resolved_experiment(again, "test").written() == experiment.written()


def test_a_dump_is_itself_an_experiment_file(changed: Callable[..., ExperimentFile]) -> None:
    experiment = changed().variant("budget")
    again = parse_experiment(experiment.model_copy(update={"expect": ()}).text()).variant("base")
    assert again.written() == {**experiment.written(), "expect": []}


@settings(deadline=None)
@given(
    st.floats(min_value=1e-6, max_value=1e4),
    st.floats(min_value=1e-3, max_value=1e5),
    st.integers(min_value=1, max_value=20),
    st.floats(min_value=0.001, max_value=1.0),
)
def test_no_digit_is_lost_on_the_way_out_and_back(mean_s: float, rate: float, attempts: int, ratio: float) -> None:
    raw = {
        "title": "t",
        "client": {"attempts": attempts, "retry_budget": {"ratio": ratio, "burst": 5}},
        "region": {"kv": {"service": {"mean": f"{mean_s!r}s"}}},
        "load": {"kv_reads": {"arrivals": {"rate": f"{rate!r}/s"}}},
    }
    experiment = Experiment.model_validate(raw)
    assert experiment.region.kv is not None
    assert experiment.region.kv.service.mean_s == mean_s
    assert experiment.load["kv_reads"].arrivals.rate_per_s == rate
    again = Experiment.model_validate(json.loads(json.dumps(experiment.written())))
    assert again == experiment


def test_units_are_refused_in_key_names(spoilt: Callable[[str, str], str]) -> None:
    """`timeout_s: 0.2s` would be read by a lenient model: the attribute's name is not the file's."""
    assert "timeout_s: unknown key" in spoilt("timeout: 200ms", "timeout_s: 200ms")


def test_experiments_cannot_be_changed(changed: Callable[..., ExperimentFile]) -> None:
    experiment = changed().variant("plain")
    with pytest.raises(Exception, match="frozen"):
        experiment.title = "another"  # type: ignore[misc]
