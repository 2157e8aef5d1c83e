"""The operators' valve and the error fault: what stands at the door of every hosted component.

When a component drowns, its operators do not first rewrite its admission rule. They turn a valve in front of it: let in
a rate, let demand back in by a ramp, keep the less critical away. In the outage of October 2025 such throttles were put
on by hand and eased over hours. The tempting shortcut is one number, "the rate now"; then a ramp forgets the throttle
it came on top of, and a refused request uses up the turn of one that would have been let in. So each restriction keeps
its own state, all that are on must agree, and a turn is taken only by a request that really comes in:

    errors {share}               a fault: that share of attempts is answered with an error instead of by the service
    shed {above}                 refuse criticalities above a number (0 is the most critical)
    throttle_intake {rate}       let in at most a rate, evenly spaced
    ramp {from, to, over}        let in at most a rate that grows evenly, and after `over` everything
    open_intake                  take the three restrictions away, not the fault

An action given anew replaces the earlier one of its name. Rate and ramp are the same step, the token bucket of
`harness.policies.admission`; the ramp's bucket gives one admission per unit of a time that runs with the growing rate:
A(t) = integral of the rate, so in any window [a, b] at most A(b) - A(a) + 1 come in. Which attempts the fault hits is a
draw of the attempt, the same in every engine and variant.

Parameters come as an experiment file or a control port gives them (texts with units), and both read them by the rules
of `harness.policies.deeds`; ValueError says what is wrong with them, and then nothing has changed. Not here: a ramp
that looks at errors between its steps (`harness.policies.ramp`, an admission rule of the component's own).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from harness import seeds
from harness.flows.wants import Cause
from harness.models.component import Deed, Switch
from harness.policies import deeds
from harness.policies.admission import TokenBucket, TokenBucketSpec, bucket_admit, bucket_start

_ERRORS = seeds.stream_id("fault/errors")
_BY_ONE = TokenBucketSpec(1.0, 1)  # one admission per unit of the ramp's own time
Params = Mapping[str, Any]


class ErrorFault:
    """A share of attempts is answered with an error. Off until switched on."""

    def __init__(self, seed: int) -> None:
        self._luck = seeds.mix(seed, _ERRORS)
        self.share = 0.0

    def on(self, params: Params, now_s: float) -> None:
        """From {share: 10%}. Raises ValueError for a share that is not above 0% and at most 100%."""
        self.share = deeds.SHARE.of(params)

    def off(self, now_s: float) -> None:
        """Nobody is hit any more."""
        self.share = 0.0

    def hits(self, attempt: int) -> bool:
        """True when the fault is on and answers this attempt."""
        return self.share > 0.0 and seeds.draw_after(self._luck, attempt) < self.share


def intake_bucket(rate_per_s: float) -> TokenBucketSpec:
    """The throttle of a rate: evenly spaced, nothing saved up."""
    return TokenBucketSpec(1.0 / rate_per_s, 1)


class _Slope(NamedTuple):
    """A rate that grows evenly from `from_per_s` at `start_s` to `to_per_s` at `start_s + over_s`."""

    start_s: float
    from_per_s: float
    to_per_s: float
    over_s: float

    def admitted(self, now_s: float) -> float:
        """A(t): how many the rate allows from its start until `now_s`."""
        x = now_s - self.start_s
        return x * (self.from_per_s + (self.to_per_s - self.from_per_s) * x / (2.0 * self.over_s))


class Valve:
    """The door of one component. Times are seconds from the run's zero."""

    def __init__(self, seed: int, now_s: float) -> None:
        self.errors = ErrorFault(seed)
        self.faults: dict[str, Switch] = {"errors": Switch(self.errors.on, self.errors.off)}
        self.actions: dict[str, Deed] = {
            "throttle_intake": self._throttle_intake,
            "open_intake": self._open_intake,
            "ramp": self._ramp,
            "shed": self._shed,
        }
        self._shed_above = math.inf
        self._rate: TokenBucketSpec | None = None
        self._rate_state = TokenBucket(now_s)
        self._slope: _Slope | None = None
        self._slope_state = TokenBucket(0.0)
        self._restricted = False
        self._refused = self._shed_count = self._injected = 0

    def admit(self, attempt: int, criticality: int, first_try: bool, now_s: float) -> Cause:
        """NONE when the attempt may come in, INJECTED when the fault answers it, THROTTLED when a restriction does.

        `first_try` changes nothing: these valves cannot tell a retry from fresh demand.
        """
        if self.errors.hits(attempt):
            self._injected += 1
            return Cause.INJECTED
        if not self._restricted:
            return Cause.NONE
        if criticality > self._shed_above:
            self._shed_count += 1
            return Cause.THROTTLED
        if not self._in_turn(now_s):
            self._refused += 1
            return Cause.THROTTLED
        return Cause.NONE

    def gauges(self, now_s: float) -> dict[str, float]:
        """Totals: refused by throttle or ramp, refused by criticality, answered by the fault."""
        return {
            "intake_refused_total": float(self._refused),
            "shed_total": float(self._shed_count),
            "errors_injected_total": float(self._injected),
        }

    def _in_turn(self, now_s: float) -> bool:
        """Whether throttle and ramp both let one more in; a turn is taken of both or of neither."""
        rate_state, slope_state = self._rate_state, self._slope_state
        if self._rate is not None:
            rate_state, let_in = bucket_admit(self._rate, rate_state, now_s, 0, 0, 0.0, 0.5)
            if not let_in:
                return False
        if self._slope is not None:
            if now_s >= self._slope.start_s + self._slope.over_s:
                self._slope = None
                self._note_restrictions()
            else:
                allowed = self._slope.admitted(now_s)
                slope_state, let_in = bucket_admit(_BY_ONE, slope_state, allowed, 0, 0, 0.0, 0.5)
                if not let_in:
                    return False
        self._rate_state, self._slope_state = rate_state, slope_state
        return True

    def _throttle_intake(self, params: Params, now_s: float) -> dict[str, float]:
        rate = deeds.RATE.of(params)
        self._rate = intake_bucket(rate)
        self._rate_state = bucket_start(self._rate, now_s)
        self._note_restrictions()
        return {"rate_per_s": rate}

    def _ramp(self, params: Params, now_s: float) -> dict[str, float]:
        from_per_s, to_per_s, over_s = deeds.FROM.of(params), deeds.TO.of(params), deeds.OVER.of(params)
        problem = deeds.ramp_complaint(from_per_s, to_per_s)
        if problem is not None:
            raise ValueError(problem)
        self._slope, self._slope_state = _Slope(now_s, from_per_s, to_per_s, over_s), bucket_start(_BY_ONE, 0.0)
        self._note_restrictions()
        return {"from_per_s": from_per_s, "to_per_s": to_per_s, "over_s": over_s}

    def _shed(self, params: Params, now_s: float) -> dict[str, int]:
        above = deeds.ABOVE.of(params)
        self._shed_above = above
        self._note_restrictions()
        return {"above": above}

    def _open_intake(self, params: Params, now_s: float) -> dict[str, float]:
        self._rate = self._slope = None
        self._shed_above = math.inf
        self._note_restrictions()
        return {}

    def _note_restrictions(self) -> None:
        self._restricted = self._rate is not None or self._slope is not None or self._shed_above < math.inf
