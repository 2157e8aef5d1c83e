"""The region map: every component has its own loopback addresses, and finds the others in one file."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import RecordError
from harness.record.region import component_name, lay_out, read_region

INSTANCES = {"dns": 1, "kv": 2, "mobile_banking": 1}


def test_components_are_numbered_from_two_with_their_own_addresses() -> None:
    region = lay_out(12, INSTANCES)
    assert region.dns_address == "127.12.0.2"
    assert region.places["kv"].addresses == ("127.12.3.1", "127.12.3.2")
    assert region.places["kv"].control == "http://127.12.0.3:7900"
    assert region.places["mobile_banking"].name == "mobile-banking.region.test"


@settings(deadline=None)
@given(
    st.integers(min_value=10, max_value=250),
    st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.integers(1, 200), min_size=1, max_size=12),
)
def test_no_two_places_share_an_address_and_all_are_loopback(net: int, instances: dict[str, int]) -> None:
    region = lay_out(net, instances)
    addresses = [address for place in region.places.values() for address in place.addresses]
    addresses += [place.control.removeprefix("http://").partition(":")[0] for place in region.places.values()]
    assert len(set(addresses)) == len(addresses) == sum(instances.values()) + len(instances)
    assert all(ipaddress.ip_address(address).is_loopback for address in addresses)
    assert f"127.{net}.0.1" not in addresses


def test_a_map_saved_is_read_back(tmp_path: Path) -> None:
    region = lay_out(12, INSTANCES)
    region.save(tmp_path / "region.json")
    assert read_region(tmp_path / "region.json") == region


def test_a_region_without_dns_has_no_dns_address() -> None:
    assert lay_out(12, {"kv": 1}).dns_address == ""


def test_names_have_dashes_and_end_under_test() -> None:
    assert component_name("mobile_banking") == "mobile-banking.region.test"


@pytest.mark.parametrize("content", ["{torn", "{}", "[]", '{"components": {"kv": {}}, "net": 1, "dns_address": ""}'])
def test_a_damaged_map_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "region.json").write_text(content)
    with pytest.raises(RecordError, match="not a region map"):
        read_region(tmp_path / "region.json")


def test_a_missing_map_asks_whether_the_region_runs(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"is the region running \(`blackstart serve`\)\?"):
        read_region(tmp_path / "region.json")
