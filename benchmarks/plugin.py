"""What does the plugin cost? Closed-loop peak of anyone's locustfile with it and without, in paired runs of Locust.

    python benchmarks/plugin.py [--users 40] [--seconds 8] [--pairs 4] [--client fast|requests] [--json]

The locustfile has one user class that asks as fast as it can, against the least HTTP server there is, in a process of
its own. Plain Locust and Locust with the plugin take turns in the order A B B A, so drift of the machine meets both.
Requests are those of Locust's own statistics, from all users being there to the first being stopped, so neither
starting up nor judging counts. The share is with by without, the median over pairs; at least 0.85 is wanted. It is told
twice: of the peak, which on a busy machine is what others left over, and of requests per second of processor time,
which is the same on any.

`--client fast` (FastHttpUser) is the harder case: its requests cost a third of those of HttpUser, what is added stays.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "harness/load/plugin.py"
THEIRS = """
import json, time
from locust import {base}, constant, events, task

at = []

def look(**found):
    at.append((time.monotonic(), time.process_time(), Peak.environment.stats.total.num_requests))

@events.init.add_listener
def _(environment, **found):
    Peak.environment = environment

events.spawning_complete.add_listener(look)
events.test_stopping.add_listener(look)

@events.test_stop.add_listener
def _(**found):
    with open("told.json", "w") as file:
        json.dump(at, file)

class Peak({base}):
    wait_time = constant(0)

    @task
    def get(self):
        self.client.get("/")
"""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Answering(asyncio.Protocol):
    """Answers every request that has no body."""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(ANSWER * data.count(b"\r\n\r\n"))


async def serve() -> None:
    """Listen on a free port, say which, and go on until the parent is gone."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def peak_per_s(folder: Path, url: str, args, *, plugin: bool) -> tuple[float, float]:
    """One run of Locust; requests per second, and per second of processor time."""
    files = f"their.py,{PLUGIN}" if plugin else "their.py"
    options = ["-H", url, "-u", str(args.users), "-r", str(args.users), "-t", f"{args.seconds}s"]
    argv = [sys.executable, "-m", "locust", "-f", files, "--headless", "--only-summary"]
    env = {**os.environ, "PYTHONWARNINGS": "ignore"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*argv, *options], cwd=folder, env=env, check=False, **quiet)
    (wall, cpu, requests), (wall_end, cpu_end, requests_end) = json.loads((folder / "told.json").read_text())
    count = requests_end - requests
    return count / (wall_end - wall), count / (cpu_end - cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=40)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--client", choices=("fast", "requests"), default="fast")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        asyncio.run(serve())
        return
    argv = [sys.executable, __file__, "--serve"]
    with (
        tempfile.TemporaryDirectory() as place,
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server,
    ):
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        folder = Path(place)
        (folder / "their.py").write_text(THEIRS.format(base="FastHttpUser" if args.client == "fast" else "HttpUser"))
        pairs = []
        for number in range(args.pairs):
            found = {}
            for plugin in (False, True) if number % 2 == 0 else (True, False):
                found[plugin] = peak_per_s(folder, url, args, plugin=plugin)
            (plain, plain_cpu), (ours, ours_cpu) = found[False], found[True]
            pairs.append({"plain_per_s": plain, "plugin_per_s": ours})
            pairs[-1] |= {"share": ours / plain, "cpu": ours_cpu / plain_cpu}
            if not args.json:
                print(
                    f"pair {number + 1}: plain {plain:6.0f}/s, plugin {ours:6.0f}/s, share {ours / plain:.3f}; "
                    f"per processor second {plain_cpu:6.0f}, {ours_cpu:6.0f}, share {ours_cpu / plain_cpu:.3f}"
                )
        server.stdin.close()
    share, cpu = (statistics.median(pair[key] for pair in pairs) for key in ("share", "cpu"))
    if args.json:
        print(json.dumps({"client": args.client, "users": args.users, "pairs": pairs, "share": share, "cpu": cpu}))
    else:
        print(
            f"median of {args.pairs} pairs: {share:.3f} of the plain peak, {cpu:.3f} per processor second "
            "(wanted: at least 0.85)"
        )


if __name__ == "__main__":
    main()
