"""The region as processes, as a run has it: ready before zero, served after it, and gone when it should be."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from harness.record.folder import RunFolder
from harness.record.journal import read_journal
from harness.record.region import RegionMap
from harness.record.rows import read_rows

TOKEN = "a-token"
PATIENCE_S = 20.0
NAMES = ("dns", "kv", "mobile_banking")


class Run:
    """A run folder and the processes on it."""

    def __init__(self, folder: RunFolder, region: RegionMap) -> None:
        self.folder = folder
        self.region = region
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.plan: dict[str, Any] = {
            "schema_version": 1, "seed": 7, "zero_monotonic_ns": None,
            "spec": {"region": {"dns": {}, "kv": {}, "mobile_banking": {}}, "load": {"mobile_banking": {"users": 50}}},
        }  # fmt: skip
        folder.write_json(folder.plan, self.plan)
        folder.token.write_text(TOKEN)
        region.save(folder.region)

    def start(self, *names: str) -> None:
        for name in names:
            command = [sys.executable, "-m", "mock_services", "--run", str(self.folder.path), "--component", name]
            self.children[name] = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)

    def begin(self) -> None:
        self.plan["zero_monotonic_ns"] = time.monotonic_ns()
        self.folder.write_json(self.folder.plan, self.plan)

    def control(self, name: str, path: str) -> str:
        return self.region.places[name].control + path

    async def ready(self, client: aiohttp.ClientSession, begun: bool) -> None:
        async with asyncio.timeout(PATIENCE_S):
            for name in self.children:
                while True:
                    try:
                        async with client.get(self.control(name, "/_health")) as response:
                            if (await response.json())["begun"] is begun:
                                break
                    except aiohttp.ClientConnectionError:
                        pass
                    await asyncio.sleep(0.02)


@pytest.fixture
def run(region: RegionMap, tmp_path: Path) -> Iterator[Run]:
    run = Run(RunFolder.create(tmp_path, "test", "naive", 7, "now"), region)
    yield run
    for child in run.children.values():
        if child.poll() is None:
            child.kill()
        child.wait()
        for pipe in (child.stdin, child.stderr):
            if pipe is not None:
                pipe.close()


def test_a_region_starts_serves_and_ends_cleanly(run: Run) -> None:
    token = {"X-Blackstart-Token": TOKEN}

    async def body() -> None:
        async with aiohttp.ClientSession() as client:
            run.start(*NAMES)
            await run.ready(client, begun=False)
            async with client.get(run.control("kv", "/_gauges"), headers=token) as response:
                assert response.status == 409  # no time before zero
            run.begin()
            await run.ready(client, begun=True)

            address = run.region.places["mobile_banking"].addresses[0]
            headers = {"X-Blackstart-Attempt": "99", "X-Blackstart-Context": "op=5;layer=0;n=0"}
            params = {"user": 1, "to": 2, "amount": 30, "key": 5}
            async with asyncio.timeout(PATIENCE_S):
                while True:  # until the first plan is applied, the name has no address
                    async with client.post(f"http://{address}:8000/transfer", json=params, headers=headers) as response:
                        if response.status == 200:
                            break
                    await asyncio.sleep(0.05)
            async with client.get(run.control("kv", "/_export"), headers=token) as response:
                tables = (await response.json())["tables"]
            assert tables["transfers"] == {"5": {"op": 5, "from": 1, "to": 2, "amount": 30}}
            assert tables["accounts"] == {"1": {"balance": -30}, "2": {"balance": 30}}

            async with client.put(run.control("kv", "/_faults/latency"), json={"ttl_s": 0.2, "factor": 3}) as response:
                assert response.status == 403
            fault = {"ttl_s": 0.2, "factor": 3}
            async with client.put(run.control("kv", "/_faults/latency"), json=fault, headers=token) as response:
                assert response.status == 200, await response.text()
            await asyncio.sleep(0.3)
            async with client.get(run.control("kv", "/_faults"), headers=token) as response:
                assert (await response.json())["on"] == {}  # it healed itself
            async with client.get(run.control("mobile_banking", "/metrics")) as response:
                assert 'blackstart_kv_attempts_total{component="mobile_banking"}' in await response.text()
            async with client.get(run.control("mobile_banking", "/_gauges"), headers=token) as response:
                gauges = (await response.json())["gauges"]
            assert gauges["waiting_outbox"] == 0.0
            assert gauges["resolver_queries_total"] >= 1.0
            assert gauges["loop_lag_s"] < 1.0

    asyncio.run(body())
    for child in run.children.values():
        child.send_signal(signal.SIGTERM)
    for name, child in run.children.items():
        _, said = child.communicate(timeout=PATIENCE_S)
        assert (child.returncode, said) == (0, b""), f"{name}: {said.decode()}"

    rows = run.folder.rows
    files = {path.stem: read_rows(path) for path in rows.glob("*.rows")}
    assert set(files) == {"kv-served", "mobile_banking-attempt", "mobile_banking-served"}
    assert all(file.complete for file in files.values())
    sent = files["mobile_banking-attempt"].rows
    reached = {int(row["attempt"]) for row in sent if row["result"] == 0}
    assert reached == {int(row["attempt"]) for row in files["kv-served"].rows}
    assert set(sent["parent"].tolist()) <= {99, 0}
    kinds = [(entry["who"], entry["kind"], entry.get("why")) for entry in read_journal(run.folder.journal)]
    assert ("kv", "inject", None) in kinds
    assert ("kv", "heal", "expired") in kinds
    assert ("kv", "process", None) in kinds


def test_a_component_ends_at_once_when_its_parent_is_gone(run: Run) -> None:
    async def body() -> None:
        async with aiohttp.ClientSession() as client:
            run.start("kv")
            await run.ready(client, begun=False)
            run.begin()
            await run.ready(client, begun=True)

    asyncio.run(body())
    child = run.children["kv"]
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(timeout=PATIENCE_S) == 4
    assert read_rows(run.folder.rows / "kv-served.rows").complete


def test_a_port_in_use_is_a_sentence_and_exit_code_4(run: Run) -> None:
    run.start("kv")

    async def body() -> None:
        async with aiohttp.ClientSession() as client:
            await run.ready(client, begun=False)

    asyncio.run(body())
    command = [sys.executable, "-m", "mock_services", "--run", str(run.folder.path), "--component", "kv"]
    second = subprocess.run(command, stdin=subprocess.PIPE, capture_output=True, timeout=PATIENCE_S, check=False)
    assert second.returncode == 4
    assert b"the port is in use" in second.stderr
    assert b"Traceback" not in second.stderr


@pytest.mark.parametrize(
    ("name", "says"), [("nosuch", "no such component"), ("shell", "no such component"), ("../kv", "no such component")]
)
def test_an_unknown_component_is_a_usage_error(run: Run, name: str, says: str) -> None:
    command = [sys.executable, "-m", "mock_services", "--run", str(run.folder.path), "--component", name]
    child = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False)
    assert (child.returncode, says in child.stderr.decode()) == (2, True)


def test_an_empty_token_is_refused(run: Run) -> None:
    run.folder.token.write_text("\n")
    run.start("kv")
    _, said = run.children["kv"].communicate(timeout=PATIENCE_S)
    assert (run.children["kv"].returncode, "is empty" in said.decode()) == (4, True)
    assert json.loads(run.folder.plan.read_text())["zero_monotonic_ns"] is None
