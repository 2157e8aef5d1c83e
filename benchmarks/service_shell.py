"""What does a mock service cost? Requests a second of `kv` at zero service time, over those of a bare aiohttp handler.

    python benchmarks/service_shell.py [--clients 48] [--slice 1.0] [--pairs 4] [--json]

Both are servers in processes of their own, on kept-alive connections of one closed-loop client in this process; slices
alternate A B B A. `kv` is the real service in its real shell: wire context, station, table store, served rows, gauges.
Its service time is 1 ns with 1,000 slots, so its own modelled capacity is never the limit. The processor time each
server spends on one request is shown too: that figure holds also on a busy machine.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import time
import urllib.request

import gevent
import psutil
from support.one_run import bare_region, environ, fix_zero, make_run, median, read_region, show

from harness.flows.wants import Request, Send
from harness.load.connections import ConnectionPool, Trip
from harness.load.http_face import Target
from harness.record.folder import RunFolder

KV_NET = 248  # the bare region has its own


def start_kv(folder: RunFolder) -> subprocess.Popen[bytes]:
    """The kv service of a run, ready and past its zero."""
    argv = [sys.executable, "-m", "mock_services", "--run", str(folder.path), "--component", "kv"]
    process = subprocess.Popen(argv, env=environ(folder), stdin=subprocess.PIPE)
    control = read_region(folder.region).places["kv"].control
    for _ in range(500):
        try:
            with urllib.request.urlopen(f"{control}/_health", timeout=1) as answer:
                if json.load(answer)["ready"]:
                    return process
        except OSError:
            time.sleep(0.02)
        if process.poll() is not None:
            break
    sys.exit("kv did not become ready")


class Client:
    """A closed loop of greenlets against one server, which can be let go and held."""

    def __init__(self, folder: RunFolder, server: psutil.Process, clients: int, numbers: itertools.count) -> None:
        place = read_region(folder.region).places["kv"]
        self.done = 0
        self.go = gevent.event.Event()
        self._server = server
        self._target = Target(0, place.name, place.port, ConnectionPool(place.addresses[0], place.port))
        self._numbers = numbers
        for _ in range(clients):
            gevent.spawn(self._loop)

    def _loop(self) -> None:
        request = Request("read", {"table": "users", "key": "12"}, write=False)
        while True:
            self.go.wait()
            number = next(self._numbers)
            want = Send("kv", request, number, 0, number, 0, 0, 1.0, float("inf"))
            answer = self._target.pool.exchange(self._target.encode(want), Trip())
            if answer.status != 200:
                sys.exit(f"the server answered {answer.status}: {answer.body!r}")
            self.done += 1

    def one_slice(self, length_s: float) -> tuple[float, float]:
        """Requests a second, and processor seconds of the server per request."""
        before, cpu_s, at_s = self.done, self._cpu_s(), time.monotonic()
        self.go.set()
        gevent.sleep(length_s)
        self.go.clear()
        took_s = time.monotonic() - at_s
        count = self.done - before
        gevent.sleep(0.05)  # what is open ends
        return count / took_s, (self._cpu_s() - cpu_s) / max(1, self.done - before)

    def _cpu_s(self) -> float:
        times = self._server.cpu_times()
        return times.user + times.system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=48)
    parser.add_argument("--slice", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    bare_folder, _ = make_run(100.0, 3.0)
    kv_folder, kv_plan = make_run(100.0, 3.0, KV_NET)
    with bare_region(bare_folder) as bare:
        kv = start_kv(kv_folder)
        try:
            fix_zero(kv_folder, kv_plan, 0.2)
            time.sleep(0.5)
            numbers = itertools.count(1)
            shell = Client(kv_folder, psutil.Process(kv.pid), args.clients, numbers)
            plain = Client(bare_folder, psutil.Process(bare.pid), args.clients, numbers)
            shell.one_slice(0.5)
            plain.one_slice(0.5)
            shells, plains = [], []
            for pair in range(args.pairs):
                for ours in (True, False) if pair % 2 == 0 else (False, True):
                    (shells if ours else plains).append((shell if ours else plain).one_slice(args.slice))
        finally:
            kv.stdin.close()
            kv.wait()
    show(
        {
            "clients": args.clients,
            "pairs": args.pairs,
            "shell_per_s": median([rate for rate, _ in shells]),
            "bare_per_s": median([rate for rate, _ in plains]),
            "shell_over_bare": median([a[0] / b[0] for a, b in zip(shells, plains, strict=True)]),
            "shell_cpu_us_per_request": median([cpu_s for _, cpu_s in shells]) * 1e6,
            "bare_cpu_us_per_request": median([cpu_s for _, cpu_s in plains]) * 1e6,
            "bare_over_shell_cpu": median([b[1] / a[1] for a, b in zip(shells, plains, strict=True)]),
        },
        args.json,
    )


if __name__ == "__main__":
    main()
