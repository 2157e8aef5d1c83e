"""The region of an experiment: its components, each with its knobs, and the preset they start from.

Each component's knobs are in `harness/spec/components/`, with defaults. The preset `small` is three DNS enactors, one
table store of 250 requests a second behind two addresses, and one banking app: the values at which the flagship outage
was tried on real sockets. The preset `region` has every service of the cloud besides, and `sectors` every app. A
component set to null is absent.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from harness.spec.components.airline import Airline
from harness.spec.components.balancer import Balancer
from harness.spec.components.coffee import Coffee
from harness.spec.components.compute import Compute
from harness.spec.components.dns import Dns
from harness.spec.components.food_delivery import FoodDelivery
from harness.spec.components.functions import Functions
from harness.spec.components.hospital import Hospital
from harness.spec.components.identity import Identity
from harness.spec.components.kv import Kv
from harness.spec.components.mobile_banking import MobileBanking
from harness.spec.components.network import Network
from harness.spec.components.provider import Provider
from harness.spec.components.queue import Queue
from harness.spec.components.smart_home import SmartHome
from harness.spec.components.status import Status
from harness.spec.components.streaming import Streaming
from harness.spec.knobs import Hosted
from harness.spec.values import Model

# In the order of their addresses, which is also the order in which rows number them.
CLOUD: Final = ("compute", "network", "balancer", "queue", "functions", "identity", "status", "provider")
APPS: Final = ("mobile_banking", "food_delivery", "hospital", "smart_home", "streaming", "coffee", "airline")
ALWAYS: Final = ("mobile_banking",)  # there unless it is set to null
HOSTED: Final = (*APPS, *CLOUD)  # components with a brain of their own, which may call others and so have a client
MANAGED: Final = ("kv",)  # components whose records are written by plans; the other names are fixed
# A preset is a patch over the defaults of the models.
PRESETS: Final[dict[str, dict[str, Any]]] = {
    "small": {},
    "region": {name: {} for name in CLOUD},
    "sectors": {name: {} for name in APPS},
}
# The knobs of each hosted component, for whoever has only its name.
KNOBS: Final[dict[str, type[Hosted]]] = {
    "mobile_banking": MobileBanking,
    "food_delivery": FoodDelivery,
    "hospital": Hospital,
    "smart_home": SmartHome,
    "streaming": Streaming,
    "coffee": Coffee,
    "airline": Airline,
    "compute": Compute,
    "network": Network,
    "balancer": Balancer,
    "queue": Queue,
    "functions": Functions,
    "identity": Identity,
    "status": Status,
    "provider": Provider,
}


class Region(Model):
    """The components of a run; None is absent."""

    preset: Literal["small", "region", "sectors"] = "small"
    dns: Dns | None = Dns()
    kv: Kv | None = Kv()
    mobile_banking: MobileBanking | None = MobileBanking()
    food_delivery: FoodDelivery | None = None
    hospital: Hospital | None = None
    smart_home: SmartHome | None = None
    streaming: Streaming | None = None
    coffee: Coffee | None = None
    airline: Airline | None = None
    compute: Compute | None = None
    network: Network | None = None
    balancer: Balancer | None = None
    queue: Queue | None = None
    functions: Functions | None = None
    identity: Identity | None = None
    status: Status | None = None
    provider: Provider | None = None

    def instances(self) -> dict[str, int]:
        """How many of each component there are, absent ones left out, in the order of their addresses."""
        counts = {"dns": 1 if self.dns else 0, "kv": self.kv.instances if self.kv else 0}
        counts.update((name, knobs.instances) for name, knobs in self.hosted().items())
        return {name: count for name, count in counts.items() if count}

    def hosted(self) -> dict[str, Hosted]:
        """The knobs of the components with a brain of their own, absent ones left out."""
        return {name: knobs for name in HOSTED if (knobs := getattr(self, name)) is not None}
