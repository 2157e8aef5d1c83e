"""A network of one's own for each test that binds sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.live.net import claim
from harness.record.region import RegionMap


@pytest.fixture
def region() -> Iterator[RegionMap]:
    with claim({"dns": 1, "kv": 2, "mobile_banking": 1}) as claimed:
        yield claimed.region
