"""The lease manager at work: ticks in seconds, and the writes by which a lease becomes one.

`harness.flows.lease_manager` decides; this keeps its state, gives each of its wishes to the store, and tells it how the
store answered. A lease, a check of one and an attempt at one are the same write, kept safe in the same way:

    put leases/<droplet> {term: v + 1}    if it is at version v, under the token lease-<droplet>-<v>

A write whose answer was lost is thus repeated as the very same write, whoever repeats it, and the store answers with
the first outcome. A conflict says that somebody else wrote; the version is then read, and the attempt has failed.

A tick that comes late (a busy process) is made up for; those that pass while the process is down are not.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from harness import seeds
from harness.flows import lease_manager
from harness.flows.call import CallResult, call
from harness.flows.client import Client
from harness.flows.lease_manager import LeaseSpec, Work
from harness.flows.wants import Answer, Cause, Flow, Request, Want
from harness.models.component import Note

STORE = "kv"
LAYER = 1
_CALLS = seeds.stream_id("compute/leases")


class LeaseKeeper:
    """One manager and what it has counted. Tick n begins at n * `tick_s`, in seconds from the run's zero."""

    def __init__(
        self, spec: LeaseSpec, tick_s: float, client: Client, note: Note, now_s: float, *, leased: bool = True
    ) -> None:
        """ValueError for knobs that mean nothing."""
        self.spec = spec
        self.tick_s = tick_s
        self.client = client
        self.state = lease_manager.start(spec, -1 if now_s <= 0.0 else self._tick_at(now_s), leased=leased)
        self.attempts_total = self.wasted_total = self.failed_total = self.dropped_total = 0
        self.checks_total = self.checks_failed_total = self.lost_total = self.conflicts_total = 0
        self._busy = 0
        self._note = note
        self._versions = [0] * spec.droplets
        self._calls = 0
        self._gone = False
        self._all_leased = leased

    def next_s(self) -> float:
        """When the next tick begins."""
        return (self.state.tick + 1) * self.tick_s

    def advance(self, now_s: float) -> list[Flow]:
        """The flows of all ticks that are due."""
        flows: list[Flow] = []
        while self.next_s() <= now_s:
            done = lease_manager.tick(self.spec, self.state)
            self.state = done.state
            self.attempts_total += len(done.attempts) + len(done.wasted)
            self.wasted_total += len(done.wasted)
            self.dropped_total += done.dropped
            self.lost_total += len(done.lost)
            self.checks_total += len(done.checks)
            self._busy = len(done.state.busy) + len(done.wasted)
            if done.lost and self._all_leased:
                self._all_leased = False
                self._note("leases_lost", first=len(done.lost))
            flows += [self._check(droplet, now_s) for droplet in done.checks]
            flows += [self._attempt(work, now_s) for work in done.attempts]
            if done.probe:
                flows.append(self._probe(now_s))
        return flows

    def has(self, droplet: int) -> bool:
        """Whether a droplet has a lease."""
        return self.state.until[droplet] > 0

    def restart(self) -> int:
        """Operators restart the managers: the line is thrown away. How much work that was."""
        work = self.waiting()
        self.state = lease_manager.restart(self.state)
        return work

    def crashed(self) -> None:
        """What is not written down is gone."""
        self.state = lease_manager.restart(self.state)._replace(throttle=lease_manager.NO_CAP)

    def restarted(self, now_s: float) -> None:
        """Go on with the tick that is due."""
        self.state = self.state._replace(tick=max(self.state.tick, self._tick_at(now_s)))

    def throttle(self, cap: int) -> None:
        """Operators cap the line; 0 takes the cap away."""
        self.state = lease_manager.throttled(self.state, cap)

    def waiting(self) -> int:
        """Droplets that wait for a lease, outside, in line or at work."""
        return len(self.state.outside) + len(self.state.line) + len(self.state.busy)

    def gauges(self) -> dict[str, float]:
        """Readings; `lease_worker_busy` is the share of the last tick's attempts that were used."""
        state = self.state
        return {
            "leased": float(lease_manager.leased(state)),
            "waiting_leases": float(self.waiting()),
            "lease_line": float(len(state.line)),
            "oldest_lease_wait_s": lease_manager.oldest_wait_ticks(state) * self.tick_s,
            "lease_worker_busy": self._busy / self.spec.attempts_per_tick,
            "lease_cap": float(state.throttle or self.spec.line_cap),
            "store_gone": float(lease_manager.is_gone(self.spec, state)),
            "lease_attempts_total": float(self.attempts_total),
            "wasted_attempts_total": float(self.wasted_total),
            "failed_attempts_total": float(self.failed_total),
            "expired_dropped_total": float(self.dropped_total),
            "state_checks_total": float(self.checks_total),
            "state_checks_failed_total": float(self.checks_failed_total),
            "leases_lost_total": float(self.lost_total),
            "lease_conflicts_total": float(self.conflicts_total),
        }

    def _tick_at(self, now_s: float) -> int:
        """The tick under way at `now_s`."""
        tick = int(max(0.0, now_s) / self.tick_s)
        return tick - 1 if tick * self.tick_s > now_s else tick

    def _check(self, droplet: int, now_s: float) -> Generator[Want, Answer, None]:
        ok = yield from self._write(droplet, now_s)
        self.checks_failed_total += not ok
        self.state = lease_manager.checked(self.spec, self.state, droplet, ok)
        self._tell()

    def _attempt(self, work: Work, now_s: float) -> Generator[Want, Answer, None]:
        ok = yield from self._write(work.droplet, now_s)
        self.failed_total += not ok
        self.state = lease_manager.attempted(self.spec, self.state, work, ok)
        self._tell()

    def _probe(self, now_s: float) -> Generator[Want, Answer, None]:
        result = yield from self._call(Request("read", {"table": "leases", "key": "0"}, write=False), now_s)
        self.state = lease_manager.probed(self.spec, self.state, result.ok)
        self._tell()

    def _write(self, droplet: int, now_s: float) -> Generator[Want, Answer, bool]:
        version = self._versions[droplet]
        put = {"table": "leases", "key": str(droplet), "put": {"term": version + 1}, "if": {"version": version}}
        token = f"lease-{droplet}-{version}"
        result = yield from self._call(Request("write", {"writes": [put], "token": token}), now_s)
        if result.ok:
            self._versions[droplet] = version + 1
        elif result.reply.cause is Cause.CONFLICT:
            self.conflicts_total += 1
            read = Request("read", {"table": "leases", "key": str(droplet)}, write=False)
            found = yield from self._call(read, result.ended_s)
            if found.ok:
                self._versions[droplet] = int((found.reply.body or {}).get("version", 0))
        return result.ok

    def _call(self, ask: Request, now_s: float) -> Generator[Want, Answer, CallResult]:
        self._calls += 1
        deadline_s = now_s + self.client.spec.deadline_s
        return (
            yield from call(
                self.client, STORE, ask, op=0, layer=LAYER, parent_id=0, call_no=_CALLS + self._calls,
                now_s=now_s, deadline_s=deadline_s, criticality=0,
            )
        )  # fmt: skip

    def _tell(self) -> None:
        """Note the few moments that a reader looks for."""
        gone = lease_manager.is_gone(self.spec, self.state)
        facts: dict[str, Any] = {"leased": lease_manager.leased(self.state), "droplets": self.spec.droplets}
        if gone is not self._gone:
            self._gone = gone
            self._note("store_gone" if gone else "store_back", **facts)
        if not self._all_leased and facts["leased"] == self.spec.droplets:
            self._all_leased = True
            self._note("all_leased", **facts)
