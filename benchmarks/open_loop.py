"""How punctual is the load process? Start lag of 4,000 operations a second, open loop, against a bare echo.

    python benchmarks/open_loop.py [--rate 4000] [--seconds 20] [--rounds 1] [--json]

Two generators take turns with the same schedule, against the same kind of server process, each alone on the machine:

    bare    gevent greenlets, kept-alive sockets, a fixed request: no flow, no policy, no parsing, no rows, no Locust
    ours    the load process as the orchestrator starts it: Locust, story, retries, deadline, DNS, rows, gauges

Lag is the time from an operation's intended start to the first instruction that runs for it. What both lose to the
machine (other processes, the kernel) shows in `bare`; the ratio is what we add. `--bare DIR` is the bare generator.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

from support.one_run import bare_region, environ, fix_zero, locust_argv, make_run, median, read_region, show


def bare(directory: str) -> None:
    """Play the folder's schedule with the least there is; prints lags as JSON."""
    import gc
    from pathlib import Path

    import gevent
    import gevent.socket

    from harness.plan import Plan
    from harness.record.folder import RunFolder

    folder = RunFolder(Path(directory))
    plan = Plan.from_json(folder.read_json(folder.plan))
    place = read_region(folder.region).places["kv"]
    due_s = plan.schedule().intended_s.tolist()
    body = b'{"table": "users", "key": "12"}'
    head = f"POST /read HTTP/1.1\r\nHost: {place.name}:8000\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    idle: list = []
    lags_s: list[float] = []
    done = 0
    gc.collect()
    gc.freeze()
    gc.disable()
    zero_s = time.monotonic() + 0.5

    def operate(at_s: float) -> None:
        nonlocal done
        lags_s.append(time.monotonic() - zero_s - at_s)
        if idle:
            sock = idle.pop()
        else:
            sock = gevent.socket.create_connection((place.addresses[len(lags_s) % len(place.addresses)], place.port))
        sock.sendall(request)
        sock.recv(65536)
        idle.append(sock)
        done += 1

    for at_s in due_s:
        while (wait_s := at_s + zero_s - time.monotonic()) > 0:
            gevent.sleep(wait_s)
        gevent.spawn_raw(operate, at_s)
    gevent.sleep(1.0)
    lags_s.sort()
    n = len(lags_s)
    print(json.dumps({
        "scheduled": len(due_s), "done": done, "lag_p50_s": lags_s[n // 2], "lag_p99_s": lags_s[n * 99 // 100],
        "lag_max_s": lags_s[-1], "cpu_s": time.process_time(),
    }))  # fmt: skip


def play_bare(rate: float, seconds: float) -> dict:
    """One round of the bare generator, in a process of its own."""
    folder, _ = make_run(rate, seconds)
    with bare_region(folder):
        out = subprocess.run([sys.executable, __file__, "--bare", str(folder.path)], capture_output=True, check=True)
    return json.loads(out.stdout)


def play_ours(rate: float, seconds: float) -> dict:
    """One round of the load process."""
    folder, plan = make_run(rate, seconds)
    with bare_region(folder), (folder.path / "load.log").open("wb") as log:
        process = subprocess.Popen(
            locust_argv("kv_reads"), env=environ(folder), stdin=subprocess.PIPE, stdout=log, stderr=log
        )
        while not (folder.path / "load.ready").exists():
            if process.poll() is not None:
                sys.exit((folder.path / "load.log").read_text())
            time.sleep(0.02)
        fix_zero(folder, plan, 0.5)
        process.wait()
        process.stdin.close()
    return folder.read_json(folder.path / "load-0.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=4000.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--bare", metavar="DIR", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.bare:
        bare(args.bare)
        return
    bares, ours = [], []
    for _ in range(args.rounds):
        bares.append(play_bare(args.rate, args.seconds))
        ours.append(play_ours(args.rate, args.seconds))
    bare_p99_s = median([one["lag_p99_s"] for one in bares])
    ours_p99_s = median([one["lag_p99_s"] for one in ours])
    show(
        {
            "rate_per_s": args.rate,
            "seconds": args.seconds,
            "scheduled": sum(one["scheduled"] for one in ours),
            "started": sum(one["started"] for one in ours),
            "dropped": sum(one["dropped"] for one in ours),
            "good": sum(one["outcomes"]["good"] for one in ours),
            "late_share": sum(one["late"] for one in ours) / sum(one["scheduled"] for one in ours),
            "bare_lag_p50_s": median([one["lag_p50_s"] for one in bares]),
            "ours_lag_p50_s": median([one["lag_p50_s"] for one in ours]),
            "bare_lag_p99_s": bare_p99_s,
            "ours_lag_p99_s": ours_p99_s,
            "ours_over_bare_p99": ours_p99_s / bare_p99_s,
            "ours_lag_max_s": max(one["lag_max_s"] for one in ours),
            "bare_cpu_share": median([one["cpu_s"] for one in bares]) / args.seconds,
            "ours_cpu_share": median([one["cpu_s"] for one in ours]) / args.seconds,
        },
        args.json,
    )


if __name__ == "__main__":
    main()
