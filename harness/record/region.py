"""The region map (`region.json`): which component listens where, so that any process can find it.

Every run owns one 127.R.0.0/16 (R from 10 to 250), so runs beside each other never share an address. In it:

    127.R.0.1          the orchestrator's lock, port 7999: held as long as the run lives
    127.R.0.<c>        control port of component number c (2, 3, ...), port 7900; dns answers queries on 7953
    127.R.<c>.<i>      instance i (1, 2, ...) of component c, port 8000

Names are `<component with dashes>.region.test`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from harness.errors import RecordError

LOCK_PORT = 7999
CONTROL_PORT = 7900
DNS_PORT = 7953
SERVICE_PORT = 8000
ZONE = "region.test"


class Place(NamedTuple):
    """Where one component is."""

    component: str
    number: int  # from 2, in the order of the plan's components
    name: str  # the name its clients resolve
    addresses: tuple[str, ...]  # one per instance
    port: int
    control: str  # base URL of the control port


class RegionMap(NamedTuple):
    """All components of a run's region."""

    net: int
    dns_address: str
    places: dict[str, Place]

    def save(self, path: Path) -> None:
        """Write `region.json`."""
        value = {
            "net": self.net,
            "dns_address": self.dns_address,
            "dns_port": DNS_PORT,
            "components": {name: place._asdict() for name, place in self.places.items()},
        }
        path.write_text(json.dumps(value, indent=1) + "\n")


def component_name(component: str) -> str:
    """The DNS name of a component, as in "mobile-banking.region.test"."""
    return f"{component.replace('_', '-')}.{ZONE}"


def lay_out(net: int, instances: dict[str, int]) -> RegionMap:
    """The map for `instances` (component -> how many), in that order, within 127.<net>.0.0/16."""
    places = {}
    for number, (component, count) in enumerate(instances.items(), 2):
        places[component] = Place(
            component,
            number,
            component_name(component),
            tuple(f"127.{net}.{number}.{i}" for i in range(1, count + 1)),
            SERVICE_PORT,
            f"http://127.{net}.0.{number}:{CONTROL_PORT}",
        )
    dns = places.get("dns")
    return RegionMap(net, f"127.{net}.0.{dns.number}" if dns else "", places)


def read_region(path: Path) -> RegionMap:
    """Read `region.json`. Raises RecordError when it is missing or damaged."""
    try:
        value = json.loads(path.read_text())
        places = {
            name: Place(**{**place, "addresses": tuple(place["addresses"])})
            for name, place in value["components"].items()
        }
        return RegionMap(value["net"], value["dns_address"], places)
    except OSError as error:
        raise RecordError(
            f"{path}: cannot be read: {error.strerror}; is the region running (`blackstart serve`)?"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path}: not a region map ({error})") from error
