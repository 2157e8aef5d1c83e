"""Two providers, one caller: which of them to ask, when to leave one, and when to come back.

The naive failover is "if it fails, ask the other one". It asks the dead one first every time, so each operation pays
its timeouts; and it moves the whole load in one step to a provider that may have half the machines. The first is cured
here, by remembering: a side is left after some failures in a row and asked again by probes only. The second is not the
caller's to cure: a standby must refuse what it cannot do, or it dies of its visitors. So refusals count as signs of
life: who leaves a side because it is full only takes the herd along.

    none              always the first (static stability: nothing switches, nothing herds, and its outage is yours)
    active_passive    the first, unless it is down; then the second
    active_active     a share of the keys lives at each; those of a side that is down go to the other

    up      n failures in a row  -> down        a failure: no answer, or an answer of 500 and over that is no refusal
    down    m successes in a row -> up          one call in each `probe_every` is sent to it as a probe

A probe is a real request: it has one attempt, and when that fails the operation goes on at the other side, so nobody
pays more for being the probe than one timeout. With both sides down the caller stays at home.

`choose` and `on_result` are pure steps over values; `Failover` keeps the state of one process and plays the calls.
Leaves out: agreement between processes (each finds out for itself, as clients do), and moving data
(`harness.models.provider`). Source: AWS Builders' Library, "Static stability using Availability Zones".
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Final, NamedTuple

from harness import seeds
from harness.flows.call import CallResult, call
from harness.flows.client import Client, worth_repeating
from harness.flows.wants import Answer, Request, Result, Want

MODES: Final = ("none", "active_passive", "active_active")
FIRST, SECOND = 0, 1
_OTHER = seeds.stream_id("failover/other")  # numbers the second call of an operation whose probe failed


class FailoverSpec(NamedTuple):
    """How a caller uses two providers. `first_share`: of the keys, those at home at the first (active_active)."""

    mode: str = "active_passive"
    fail_after: int = 3
    back_after: int = 3
    probe_every_s: float = 0.5
    first_share: float = 0.5


class Side(NamedTuple):
    """What a caller remembers of one provider."""

    failures: int = 0  # in a row, while up
    successes: int = 0  # in a row, while down
    down: bool = False
    probe_s: float = 0.0  # when the next probe may go, while down


Sides = tuple[Side, Side]


class Choice(NamedTuple):
    """Whom to ask: FIRST or SECOND, and whether as a probe."""

    side: int
    probe: bool


def start() -> Sides:
    """Both are thought well of."""
    return Side(), Side()


def home_of(spec: FailoverSpec, u: float) -> int:
    """Where a key is at home; `u` is the key's own draw."""
    return SECOND if spec.mode == "active_active" and u >= spec.first_share else FIRST


def choose(spec: FailoverSpec, sides: Sides, u: float, now_s: float) -> tuple[Sides, Choice]:
    """Whom to ask for a key with draw `u`."""
    home = home_of(spec, u)
    away = 1 - home
    if spec.mode == "none" or not sides[home].down:
        return sides, Choice(home, probe=False)
    if now_s >= sides[home].probe_s:
        return _with(sides, home, sides[home]._replace(probe_s=now_s + spec.probe_every_s)), Choice(home, probe=True)
    return sides, Choice(home if sides[away].down else away, probe=False)


def on_result(spec: FailoverSpec, sides: Sides, side: int, alive: bool, now_s: float) -> Sides:
    """A call to `side` showed it alive, or not."""
    was = sides[side]
    if alive:
        successes = was.successes + 1 if was.down else 0
        if was.down and successes < spec.back_after:
            return _with(sides, side, was._replace(successes=successes))
        return _with(sides, side, Side())
    if was.down:
        return _with(sides, side, was._replace(successes=0))
    failures = was.failures + 1
    if failures < spec.fail_after:
        return _with(sides, side, was._replace(failures=failures))
    return _with(sides, side, Side(0, 0, down=True, probe_s=now_s + spec.probe_every_s))


def _with(sides: Sides, side: int, value: Side) -> Sides:
    return (value, sides[SECOND]) if side == FIRST else (sides[FIRST], value)


class Failover:
    """One process's view of two providers. Times are seconds from the run's zero."""

    def __init__(self, spec: FailoverSpec, targets: tuple[str, str], clients: tuple[Client, Client]) -> None:
        """`clients` are this process's towards each of the `targets`; probes have its policies, but one attempt.

        Raises ValueError for a mode that does not exist.
        """
        if spec.mode not in MODES:
            raise ValueError(f"failover mode is {spec.mode!r}; it is one of {', '.join(MODES)}")
        self.spec = spec
        self.targets = targets
        self.clients = clients
        self.sides = start()
        self.left_total = [0, 0]  # how often each side was left, and returned to
        self.returned_total = [0, 0]
        self._probing = tuple(_prober(client) for client in clients)

    def call(
        self, request_of: Callable[[int], Request], u: float, *, op: int, layer: int, parent_id: int, call_no: int,
        now_s: float, deadline_s: float, criticality: int = 0,
    ) -> Generator[Want, Answer, tuple[CallResult, int]]:  # fmt: skip
        """Ask one side, and after a failed probe the other: the result, and which side it came from.

        `request_of(side)` is what to ask of FIRST or SECOND; `u` is the draw of the key.
        """
        self.sides, choice = choose(self.spec, self.sides, u, now_s)
        side, client = choice.side, self.clients[choice.side]
        if choice.probe:
            client = self._probing[side]
        result = yield from call(
            client, self.targets[side], request_of(side), op=op, layer=layer, parent_id=parent_id, call_no=call_no,
            now_s=now_s, deadline_s=deadline_s, criticality=criticality,
        )  # fmt: skip
        self._learn(side, result)
        if not choice.probe or result.ok:
            return result, side
        side, attempts = 1 - side, result.attempts
        result = yield from call(
            self.clients[side], self.targets[side], request_of(side), op=op, layer=layer, parent_id=parent_id,
            call_no=_OTHER + call_no, now_s=result.ended_s, deadline_s=deadline_s, criticality=criticality,
        )  # fmt: skip
        self._learn(side, result)
        return result._replace(attempts=attempts + result.attempts), side

    def _learn(self, side: int, result: CallResult) -> None:
        if result.limited or result.attempts == 0:  # it was not even asked
            return
        alive = result.reply.result is Result.REFUSED or not worth_repeating(result.reply)
        was_down = self.sides[side].down
        self.sides = on_result(self.spec, self.sides, side, alive, result.ended_s)
        is_down = self.sides[side].down
        self.left_total[side] += is_down and not was_down
        self.returned_total[side] += was_down and not is_down


def _prober(client: Client) -> Client:
    spec = client.spec._replace(attempts=1, hedge=None)
    return Client(spec, client.seed, f"{client.name}/probe", 0.0)
