"""What stands between the callers of `compute` and its work: parameters that make sense, and an account's throttle.

EC2 gives each account a bucket of tokens for requests that change something, and answers `RequestLimitExceeded` when it
is empty. In the event operators made that bucket smaller for hours, so that launches came back no faster than what they
need behind the door. The bucket stores a time and not a level (`harness.policies.pacing`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.models.component import Params
from harness.policies import deeds, pacing
from harness.policies.pacing import Pace, PaceSpec


class Asked(NamedTuple):
    """The parameters of a request, checked. `run_for_s` is inf for an instance that does not end by itself."""

    instance: int | None
    owner: int | None
    token: str | None
    purpose: str
    run_for_s: float

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Asked:
        """ValueError, saying what is allowed, for a parameter of the wrong shape."""
        for name in ("instance", "owner"):
            value = params.get(name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
                raise ValueError(f"{name} is {value!r}; give a number")
        run_for_s = params.get("run_for_s", math.inf)
        if isinstance(run_for_s, bool) or not isinstance(run_for_s, int | float) or not run_for_s > 0.0:
            raise ValueError(f"run_for_s is {run_for_s!r}; give seconds above 0")
        token = params.get("token")
        return cls(
            params.get("instance"), params.get("owner"), None if token is None else str(token),
            str(params.get("purpose", "user")), float(run_for_s),
        )  # fmt: skip


class ApiThrottle:
    """The bucket; None is none. Its deeds are for a brain's actions."""

    def __init__(self, spec: PaceSpec | None, now_s: float) -> None:
        self.refused_total = 0
        self._own = spec
        self._spec: PaceSpec | None = None
        self._state: Pace | None = None
        self._set(spec, now_s)

    def let_in(self, now_s: float) -> bool:
        """Take a token, if there is one."""
        if self._spec is None or self._state is None:
            return True
        self._state, granted = pacing.take(self._spec, self._state, now_s)
        self.refused_total += not granted
        return granted

    def throttle(self, params: Params, now_s: float) -> dict[str, float]:
        """Operators: {rate}, evenly spaced. ValueError for a rate that is none."""
        rate = deeds.RATE.of(params)
        self._set(PaceSpec(1.0 / rate, 1), now_s)
        return {"rate_per_s": rate}

    def open(self, params: Params, now_s: float) -> dict[str, float]:
        """Operators: the usual bucket again, full."""
        self._set(self._own, now_s)
        return {}

    def _set(self, spec: PaceSpec | None, now_s: float) -> None:
        self._spec = spec
        self._state = None if spec is None else pacing.start(spec, now_s)
