"""A service that hangs is a hole in our curves, where it hung; in Locust's own chart it is somewhere else.

Locust's requests per second are a mean over the ten seconds that ended two seconds before the *last request it was told
of*. While a service hangs it is told of none, so the number stands still; when answers come again, the hang itself
moves into those ten seconds, and the number falls although all is well. Both are pinned here from one run: real
Locust, a region that is stopped (SIGSTOP) for `HANG_S`, and callers who wait.
"""

from __future__ import annotations

import csv
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from harness.analyse.windows import WIDTH_S, Windows
from harness.record.folder import RunFolder
from harness.record.rows import read_rows

pytestmark = pytest.mark.long
RATE_PER_S = 24
HANG_FROM_S, HANG_S, LOAD_S = 6.0, 5.0, 17.0
EXPERIMENT = f"""
title: A service that hangs
region: {{preset: small, mobile_banking: null}}
client: {{deadline: 60s, timeout: 60s, attempts: 1, resolver: forever}}
load: {{kv_reads: {{arrivals: {{rate: {RATE_PER_S}/s, process: even}}}}}}
phases: {{warm_up: 1s, baseline: 5s, outage: {HANG_S}s, recovery: 6s, drain: 60s}}
timeline:
  - {{at: outage.start, do: kv.latency, with: {{mean: 30ms, for: 100ms}}}}
  - {{at: outage.end, do: kv.drop_queue, fix: true}}
variants: {{naive: {{}}}}
"""


class Stalled(NamedTuple):
    """One run. `hang` is when the region really stood still, `locust` what Locust charted: (time, requests/s).

    Locust stamps a row with the whole second in which it wrote it: the time given here may be up to 1 s too early.
    """

    windows: Windows
    hang: tuple[float, float]
    locust: list[tuple[float, float]]


@pytest.fixture(scope="module")
def stalled(
    make_load: Any,
    bare_region: Callable[[RunFolder], subprocess.Popen[bytes]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Stalled:
    history: Path = tmp_path_factory.mktemp("csv") / "locust"
    load = make_load(EXPERIMENT)
    region = bare_region(load.folder)
    load.start("kv_reads", options=("--csv", str(history), "--csv-full-history"))
    load.until_ready()
    load.fix_zero()
    zero_ns = load.folder.read_json(load.folder.plan)["zero_monotonic_ns"]
    wall_zero_s = time.time() - (time.monotonic_ns() - zero_ns) * 1e-9
    hang = []
    for at_s, sign in ((HANG_FROM_S, signal.SIGSTOP), (HANG_FROM_S + HANG_S, signal.SIGCONT)):
        time.sleep(max(0.0, at_s - (time.monotonic_ns() - zero_ns) * 1e-9))
        region.send_signal(sign)
        hang.append((time.monotonic_ns() - zero_ns) * 1e-9)
    assert load.wait() == 0, load.log()
    assert load.summary()["outcomes"]["good"] == load.plan.schedule().op.size, load.summary()
    windows = Windows(LOAD_S + 1.0)
    windows.feed_operations(read_rows(load.folder.rows / "load-0-operation.rows").rows)
    with history.with_name("locust_stats_history.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["Name"] == "Aggregated"]
    charted = [(float(row["Timestamp"]) - wall_zero_s, float(row["Requests/s"])) for row in rows]
    return Stalled(windows, (hang[0], hang[1]), charted)


def test_the_hole_is_where_and_as_long_as_the_hang(stalled: Stalled) -> None:
    good = stalled.windows.get("good")
    starts_s = np.arange(good.size) * WIDTH_S
    start_s, end_s = stalled.hang
    within = (starts_s >= start_s + WIDTH_S) & (starts_s + WIDTH_S <= end_s)
    assert within.sum() >= (HANG_S - 3 * WIDTH_S) / WIDTH_S
    assert good[within].sum() == 0
    before = (starts_s >= 1.0) & (starts_s + WIDTH_S <= start_s)
    after = (starts_s >= end_s + 1.0) & (starts_s + WIDTH_S <= LOAD_S)
    assert (good[before] > 0).all()
    assert (good[after] > 0).all()


def test_as_many_are_due_while_it_hangs_and_their_latency_counts_from_when_they_were(stalled: Stalled) -> None:
    due = stalled.windows.get("due")
    load = slice(0, round(LOAD_S / WIDTH_S))
    assert set(due[load].tolist()) == {RATE_PER_S * WIDTH_S}
    first, last = (round(at_s / WIDTH_S) for at_s in (HANG_FROM_S, HANG_FROM_S + HANG_S))
    assert stalled.windows.get("good")[first:].sum() == due[first:].sum()  # all of them came good, later
    assert stalled.windows.get("good")[last : last + 4].max() > 2 * RATE_PER_S * WIDTH_S  # and those in a burst


def test_locusts_own_chart_stands_still_while_it_hangs_and_falls_when_all_is_well(stalled: Stalled) -> None:
    start_s, end_s = stalled.hang
    before = max(rate for at_s, rate in stalled.locust if at_s + 1.0 <= start_s)
    during = [rate for at_s, rate in stalled.locust if start_s + 0.5 <= at_s and at_s + 1.0 <= end_s]
    after = [rate for at_s, rate in stalled.locust if end_s + 0.5 <= at_s]
    assert min(during) >= before > 0.5 * RATE_PER_S, stalled.locust  # it still takes in the seconds before the hang
    assert len(during) > 1, stalled.locust
    assert len(set(during)) == 1, stalled.locust  # and then stands still
    assert min(after) < 0.9 * during[0], stalled.locust
