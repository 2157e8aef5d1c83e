"""A fleet of hosts that follows the demand, through a `compute` that may say no.

Autoscaling looks like arithmetic: hosts = demand / (target x slots per host). What matters in an outage is between the
number wished for and the number that serves. A host is launched by a call that can be refused (no capacity, request
limit), takes time to boot, and serves nobody until the network can reach it; meanwhile old hosts reach the end of their
life. So a frozen `compute` is felt late: not when it freezes, but when the load rises or enough hosts have died.

    every `evaluate`    retire hosts past their life; replace those that nobody could reach for `replace_after`;
                        desired = demand of the last period / (target x slots), within minimum and maximum;
                        launch what is missing, at most `step`; or after a `cooldown` without change, terminate surplus
    usable              launched + boot time over + reachable; asked of `network` where there is one
    refused             counted by reason; tried again at the next evaluation, on top of the client's own retries,
                        under the same token: an answer that was lost must not leave an instance nobody knows. So is
                        a termination, or the instance would stay for ever

Replacing costs the network two changes, one gone and one new, so a network that is behind gets more work from exactly
those who wait for it. Hosts launched before the run are local: no compute need be told when they end.

A fleet behind a load balancer registers its hosts there, and replaces those that the balancer calls unhealthy
(`fleet_targets.py`).

Leaves out: prediction, several zones, and warm pools. Source: EC2 Auto Scaling (target tracking, cooldown, maximum
instance lifetime); Buildkite's review of 20 October 2025, hit hours after the trigger when the morning load came.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from harness import seeds
from harness.flows.call import CallResult, call
from harness.flows.client import Client, worth_repeating
from harness.flows.wants import Answer, Cause, Flow, Reply, Request, Want
from harness.models.fleet_hosts import FleetSpec, Hosts
from harness.models.fleet_targets import Targets

COMPUTE = "compute"
NETWORK = "network"
LAYER = 1
GAUGES = (
    "hosts",
    "hosts_usable",
    "hosts_desired",
    "hosts_unready",
    "hosts_launching",
    "hosts_ending",
    "launched_total",
    "terminated_total",
    "replaced_total",
    "retired_total",
    "unhealthy_replaced_total",
    "launch_insufficient_total",
    "launch_request_limit_total",
    "launch_other_total",
)


class Fleet:
    """The hosts of one component. `network` is None where there is none, `targets` for a fleet behind no balancer.

    Times are seconds from zero.
    """

    def __init__(
        self, spec: FleetSpec, owner: str, compute: Client, network: Client | None, note: Callable[..., None],
        seed: int, now_s: float, targets: Targets | None = None,
    ) -> None:  # fmt: skip
        self.spec = spec
        self.owner = owner
        self.targets = targets
        self.hosts = Hosts(spec, seed, now_s, named=targets is not None)
        self.launching = 0
        self.desired = spec.initial
        self.launched_total = self.terminated_total = self.replaced_total = self.retired_total = 0
        self.unhealthy_total = 0
        self.failed_total = {"insufficient": 0, "request_limit": 0, "other": 0}
        self.frozen = False  # the last launch was refused
        self._compute, self._network = compute, network
        self._note = note
        self._calls = seeds.stream_id(f"{owner}/fleet")
        self._checking = False
        self._tokens: list[str] = []  # of launches that may or may not have happened
        self._ending: dict[int, bool] = {}  # instances to terminate: whether that is under way
        self._changed_s = now_s
        self._evaluate_s = now_s + spec.evaluate_s
        self._period_s = now_s  # when it began
        self._busy, self._busy_s, self._missed_s, self._since_s = 0.0, 0.0, 0.0, now_s

    # What the owner tells and asks

    def observe(self, busy: float, now_s: float) -> None:
        """From now on so many slots are wanted: those in use, and those waited for."""
        self._busy_s += self._busy * (now_s - self._since_s)
        self._since_s, self._busy = now_s, busy

    def missed(self, slot_s: float) -> None:
        """Work of so many slot-seconds was refused for want of slots."""
        self._missed_s += slot_s

    def usable(self, now_s: float) -> int:
        """Hosts that serve now."""
        return self.hosts.usable(now_s)

    def slots(self, now_s: float) -> int:
        """Slots of the hosts that serve now."""
        return self.hosts.usable(now_s) * self.spec.slots_per_host

    def background(self, now_s: float) -> list[Flow]:
        """Launches, terminations and questions to begin now."""
        if now_s < self._evaluate_s:
            return []
        self._evaluate_s = now_s + self.spec.evaluate_s
        return self._evaluate(now_s)

    def wake_s(self) -> float:
        """The next evaluation, or when `usable` is to be asked again: a host will have booted, or hosts changed."""
        return min(self._evaluate_s, self.hosts.recount_s)

    def crashed(self) -> None:
        """The process that steers the fleet died; hosts live on, and what was under way is asked for again."""
        self.launching = 0
        self._checking = False
        self._ending = dict.fromkeys(self._ending, False)
        if self.targets is not None:
            self.targets.lost()

    def gauges(self, now_s: float) -> dict[str, float]:
        """Hosts by state, and every launch and end by its kind."""
        usable = self.usable(now_s)
        found = (
            len(self.hosts), usable, self.desired, len(self.hosts) - usable, self.launching, len(self._ending),
            self.launched_total, self.terminated_total, self.replaced_total, self.retired_total,
            self.unhealthy_total, *self.failed_total.values(),
        )  # fmt: skip
        return dict(zip(GAUGES, map(float, found), strict=True))

    # Decisions

    def _evaluate(self, now_s: float) -> list[Flow]:
        spec, hosts = self.spec, self.hosts
        old, lost = hosts.past_life(now_s), hosts.lost(now_s)
        lost = [number for number in lost if number not in old]
        sick = self._sick({*old, *lost})
        self.retired_total += len(old)
        self.replaced_total += len(lost)
        self.unhealthy_total += len(sick)
        self._end([*old, *lost, *sick])
        self.desired = self._wanted(now_s)
        missing = self.desired - len(hosts) - self.launching
        flows: list[Flow] = []
        if missing > 0:
            self._changed_s = now_s
            launches = min(missing, spec.step)
            self.launching += launches
            flows += [self._launch(now_s) for _ in range(launches)]
        elif missing < 0 and now_s >= self._changed_s + spec.cooldown_s:
            self._changed_s = now_s
            self._end(hosts.least_useful()[: min(-missing, spec.step)])
        for instance, under_way in self._ending.items():
            if not under_way:
                self._ending[instance] = True
                flows.append(self._terminate(instance, now_s))
        if self._network is not None and not self._checking and hosts.unreached():
            self._checking = True
            flows.append(self._check(self._network, now_s))
        if self.targets is not None:
            flows += self.targets.round(hosts.older_than(self.targets.grace_s, now_s), now_s)
        return flows

    def _sick(self, others: set[int]) -> list[int]:
        """Those that the balancer calls unhealthy and that do not end anyway."""
        if self.targets is None or not self.targets.sick:
            return []
        found = [number for number, host in self.hosts.there.items() if host.instance in self.targets.sick]
        return [number for number in found if number not in others][: self.spec.unhealthy_step]

    def _wanted(self, now_s: float) -> int:
        """Hosts for the demand of the period that ends now; another begins."""
        self.observe(self._busy, now_s)
        demand = (self._busy_s + self._missed_s) / (now_s - self._period_s)
        self._busy_s = self._missed_s = 0.0
        self._period_s = now_s
        return self.spec.desired(demand)

    def _end(self, numbers: list[int]) -> None:
        self.terminated_total += len(numbers)
        for number in numbers:
            instance = self.hosts.end(number)
            if instance is not None and instance >= 0:
                self._ending[instance] = False
            if instance is not None and self.targets is not None:
                self.targets.leave(instance)

    # Conversations

    def _launch(self, now_s: float) -> Generator[Want, Answer, None]:
        token = self._tokens.pop() if self._tokens else f"{self.owner}-{seeds.mix(self._calls)}"
        instance = None
        try:
            params = {"purpose": self.owner, "token": token}
            result = yield from self._call(self._compute, COMPUTE, "launch", params, now_s)
            instance = (result.reply.body or {}).get("instance") if result.ok else None
        finally:
            if instance is None:  # whatever became of it: the next launch asks for this very instance
                self._tokens.append(token)
        self.launching -= 1
        if instance is None:
            reason = _reason(result.reply)
            self.failed_total[reason] += 1
            self._freeze(True, reason)
            return
        self._freeze(False, "")
        self.launched_total += 1
        self.hosts.launched(instance, self._network is None, result.ended_s)
        if self.targets is not None:
            self.targets.join(instance)
            yield from self.targets.tell(result.ended_s)

    def _terminate(self, instance: int, now_s: float) -> Generator[Want, Answer, None]:
        """Give an instance back; when that fails, the next evaluation tries again."""
        result = yield from self._call(self._compute, COMPUTE, "terminate", {"instance": instance}, now_s)
        if worth_repeating(result.reply):
            self._ending[instance] = False
        else:
            self._ending.pop(instance, None)

    def _check(self, network: Client, now_s: float) -> Generator[Want, Answer, None]:
        """Ask which of the hosts that were unreachable are reachable now."""
        unsure = self.hosts.unreached()
        result = yield from self._call(network, NETWORK, "reachable_many", {"instances": list(unsure)}, now_s)
        self._checking = False
        found = (result.reply.body or {}).get("reachable", []) if result.ok else []
        for number, reachable in zip(unsure.values(), found, strict=False):
            if reachable:
                self.hosts.reached(number)

    def _call(
        self, client: Client, target: str, operation: str, params: Mapping[str, Any], now_s: float
    ) -> Generator[Want, Answer, CallResult]:
        self._calls += 1
        return call(
            client, target, Request(operation, dict(params)), op=0, layer=LAYER, parent_id=0, call_no=self._calls,
            now_s=now_s, deadline_s=float("inf"),
        )  # fmt: skip

    def _freeze(self, frozen: bool, reason: str) -> None:
        if frozen != self.frozen:
            self.frozen = frozen
            self._note("scaling_frozen" if frozen else "scaling_again", fleet=self.owner, reason=reason)


def _reason(reply: Reply) -> str:
    """Why a launch failed: throttling with 503 is how `compute` says that no droplet is free."""
    if reply.cause is not Cause.THROTTLED:
        return "other"
    return "request_limit" if reply.status == 429 else "insufficient"
