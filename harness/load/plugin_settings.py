"""What the command line asked the plugin for, read and checked before any load.

Everything that can be wrong is read while the process starts: experiment, hosts, region. So it is said at once, with
an exit code, and a test that starts later has nothing left to read; a `LoadTestShape`'s clock runs meanwhile.

Leaves out: options that are Locust's own, which it has checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness import units
from harness.errors import SpecError
from harness.load import plugin_hosts
from harness.load.clock import monotonic_ns
from harness.load.find_run import find_run
from harness.load.plugin_plan import UNKNOWN_S, free_plan, read_plan
from harness.load.resolver import RegionResolver, WireQuery
from harness.load.session import resolver_spec
from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.record.region import DNS_PORT, RegionMap, read_region
from harness.spec.region import Region

_OURS = Path(__file__).with_name("plugin.py")


class Served(NamedTuple):
    """The region of `blackstart serve`."""

    folder: RunFolder
    map: RegionMap
    knobs: Region
    resolver: RegionResolver


class Settings:
    """What the command line asked for."""

    def __init__(self, environment: Any, options: Mapping[str, Any]) -> None:
        self.environment = environment
        self.experiment = Path(options["experiment"]) if options.get("experiment") else None
        self.variant: str | None = options.get("variant")
        self.seed: int | None = options.get("seed")
        self.runs = Path(options.get("runs") or "runs")
        self.by_hand = bool(options.get("by_hand"))
        self.deadline_s = _deadline_s(options.get("deadline"))
        self.allowed = frozenset(options.get("allow_host") or ())
        self.files = [Path(name) for name in environment.parsed_locustfiles or () if Path(name) != _OURS]
        self.headless = bool(getattr(environment.parsed_options, "headless", True))
        self.served: Served | None = None
        self._planned: tuple[float, Plan] | None = None

    @classmethod
    def of(cls, environment: Any) -> Settings:
        """From Locust's parsed options. Raises SpecError."""
        found = vars(environment.parsed_options)
        prefix = "blackstart_"
        return cls(environment, {key[len(prefix) :]: found[key] for key in found if key.startswith(prefix)})

    @property
    def by_buttons(self) -> bool:
        """Whether the timeline is left to whoever presses buttons on the page."""
        return self.by_hand and self.served is not None and self.environment.web_ui is not None

    @property
    def name(self) -> str:
        """What the run is called: the experiment's file, or the locustfile."""
        if self.experiment is not None:
            return self.experiment.stem
        return self.files[0].stem if self.files else "locust"

    def run_time_s(self) -> float | None:
        """How long Locust was told to run; None for until it is stopped. A shape decides for itself."""
        found = getattr(self.environment.parsed_options, "run_time", None)
        shape = self.environment.shape_class
        if shape is not None and not shape.use_common_options:
            return None
        return float(found) if isinstance(found, int | float) and found else None

    def urls(self) -> list[tuple[str, str | None]]:
        """The base URL of each user class."""
        own = self.environment.host
        return [(found.__name__, own or found.host) for found in self.environment.user_classes]

    def check(self) -> list[str]:
        """Read all that may be wrong; the hosts that load goes to. Raises HarnessError with what to do."""
        urls = self.urls()
        if self.served is None and any(plugin_hosts.in_region(plugin_hosts.host_of(url)) for _, url in urls):
            self.served = _served()
        if self.experiment is not None and self.run_time_s() is not None:
            raise SpecError(
                f"--run-time: {self.experiment} says how long its phases last, and the load ends with them; leave "
                "--run-time out"
            )
        plan = self.plan()
        if plan.timeline and self.served is None and not self.by_hand:
            raise SpecError(
                f"{self.experiment}: its timeline is carried out on the region of `blackstart serve`, and no user "
                "class has a host there (http://kv.region.test:8000); give --blackstart-by-hand if you carry it out "
                "yourself"
            )
        self.allowed |= frozenset(plan.experiment.allow_hosts)
        return plugin_hosts.check_hosts(urls, self.allowed)

    def facts(self) -> dict[str, Any]:
        """The plan of the next test for the page, as in plan.json; without a region there is nothing to press."""
        facts = self.plan().to_json()
        return facts if self.served is not None else facts | {"components": {}}

    def plan(self, length_s: float | None = None) -> Plan:
        """The plan of a test that starts now, or of one that has lasted `length_s`. Raises SpecError."""
        knobs = self.served.knobs if self.served is not None else None
        wanted_s = 0.0 if self.experiment is not None else length_s or self.run_time_s() or UNKNOWN_S
        if self._planned is not None and self._planned[0] == wanted_s:
            return self._planned[1]  # read before the load: a shape's clock runs while a test starts
        if self.experiment is not None:
            plan = read_plan(self.experiment, self.variant, self.seed, knobs)
        else:
            seed = 1 if self.seed is None else self.seed
            plan = free_plan(self.name, self.variant or "base", seed, wanted_s, knobs)
        self._planned = (wanted_s, plan)
        return plan


def _served() -> Served:
    """The region that is served now. Raises RunError when there is none."""
    found = find_run({})
    plan = Plan.from_json(found.folder.read_json(found.folder.plan), str(found.folder.plan))
    region = read_region(found.folder.region)
    ask = WireQuery(region.dns_address, DNS_PORT, plan.seed)
    resolver = RegionResolver(resolver_spec(plan), ask, lambda: monotonic_ns() * 1e-9)
    return Served(found.folder, region, plan.experiment.region, resolver)


def _deadline_s(text: str | None) -> float | None:
    if not text:
        return None
    try:
        return units.duration_s(text)
    except ValueError as error:
        raise SpecError(f"--blackstart-deadline: {error}") from error
