"""What `serve` serves, and what it tells."""

from __future__ import annotations

from pathlib import Path

from harness.cli.serve import addresses, experiment_of
from harness.record.region import lay_out


def test_a_preset_is_an_experiment_of_its_own() -> None:
    file = experiment_of("small")
    assert file.variants == ("base",)
    assert list(file.variant("base").region.instances()) == ["dns", "kv", "mobile_banking"]


def test_the_addresses_tell_where_everything_is_and_how_to_load_it() -> None:
    lines = addresses(lay_out(42, {"dns": 1, "kv": 2}), Path("runs/serve/x"), ("kv_reads",))
    assert lines == [
        "dns queries  udp 127.42.0.2:7953",
        "  dns.region.test  control http://127.42.0.2:7900",
        "  kv.region.test   127.42.3.1:8000, 127.42.3.2:8000  control http://127.42.0.3:7900",
        "",
        "load it      locust -f locustfiles/kv_reads.py",
        'gauges       curl -H "X-Blackstart-Token: $(cat runs/serve/x/token)" http://127.42.0.2:7900/_gauges',
        "end          Ctrl-C",
    ]
