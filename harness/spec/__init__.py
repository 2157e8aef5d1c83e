"""The experiment file: read safely, checked completely, resolved per variant.

values     "500ms" and "100/s", read once and written back exactly
policy     a policy by kind and parameters, through the catalogue
client, region, experiment     the models
patch      variants over the file, an app's client over everyone's
document   YAML with the place of every value
load       a file -> ExperimentFile; complaints as file:line:column
events, checks, notes          the timeline resolved; what is wrong; what is doubtful
schema     JSON Schema for editors

from harness.spec import load_experiment
experiment = load_experiment(Path("experiments/dns_race.yaml")).variant("budget")
experiment.load["mobile_banking"].client.policy()      # ClientSpec of the load generator
experiment.region.mobile_banking.client.policy()       # ClientSpec of the app
"""

from __future__ import annotations

from harness.spec.client import Client
from harness.spec.components.dns import Dns
from harness.spec.components.kv import Kv
from harness.spec.components.mobile_banking import MobileBanking
from harness.spec.criteria import Expect
from harness.spec.entries import Event
from harness.spec.experiment import Arrivals, Experiment, Load, Phases, SteadyState
from harness.spec.load import ExperimentFile, load_experiment, parse_experiment, resolved_experiment
from harness.spec.region import Region

__all__ = [
    "Arrivals",
    "Client",
    "Dns",
    "Event",
    "Expect",
    "Experiment",
    "ExperimentFile",
    "Kv",
    "Load",
    "MobileBanking",
    "Phases",
    "Region",
    "SteadyState",
    "load_experiment",
    "parse_experiment",
    "resolved_experiment",
]
