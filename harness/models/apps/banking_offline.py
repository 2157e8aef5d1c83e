"""A bank without its store: it takes small transfers on trust, and shows the balance it saw last.

Failing over needs a second store that is large enough and up to date. The alternative is to need no store for a while:
a card terminal on an aeroplane has always worked like that. The app takes a transfer into its outbox and says so; the
store hears of it later. That is a promise made without looking, so there is a limit to what one transfer may risk.

    captures        a transfer of at most `risk_limit` that could not be confirmed is answered "captured", not 503
    after           how long the store is given; waiting as long as the customer does is no fallback
    known to be away: after a failure customers are served from here at once, and one in each `probe_every` asks the
                    store whether it is back. Nothing switches when the store dies, and nothing herds when it returns
    stale_balance   for how long the balance seen last may be shown

The outbox decides how fast what was captured is settled afterwards. Leaves out: limits by customer (many small
transfers risk as much as a large one), and balances that show what was captured.
Source: AWS Builders' Library, "Static stability using Availability Zones".
"""

from __future__ import annotations

import math
from typing import NamedTuple

from harness.flows.fallbacks import Kept
from harness.models.apps.base import AppRequest, Response


class OfflineSpec(NamedTuple):
    """The knobs. `risk_limit` in pence; `stale_balance_s` 0 shows no old balance."""

    captures: bool = True
    risk_limit: int = 10_000
    after_s: float = 0.25
    probe_every_s: float = 0.25
    stale_balance_s: float = 0.0


class Offline:
    """What the app does alone. Times are seconds from the run's zero."""

    def __init__(self, spec: OfflineSpec) -> None:
        self.spec = spec
        self.captured_total = 0  # answers, so a customer who asks twice counts twice
        self.balances: Kept[int] = Kept(0.0, spec.stale_balance_s)
        self._probe_s = -math.inf

    def patient(self, request: AppRequest, now_s: float) -> AppRequest:
        """The request, with the time the store is given for it."""
        return request._replace(deadline_s=min(request.deadline_s, now_s + self.spec.after_s))

    def alone(self, reached: bool, now_s: float) -> bool:
        """Whether to ask nobody now; `reached` says that the last call to the store got through."""
        if reached:
            return False
        if now_s >= self._probe_s:
            self._probe_s = now_s + self.spec.probe_every_s
            return False
        return True

    def takes(self, amount: int) -> bool:
        """Whether a transfer of `amount` pence may be taken on trust."""
        return self.spec.captures and amount <= self.spec.risk_limit

    def captured(self, op: int) -> Response:
        """The answer to somebody whose transfer is in the outbox."""
        self.captured_total += 1
        return Response(200, "", {"transfer": op, "degraded": "captured"})

    def seen(self, user: int, now_s: float) -> Response | None:
        """The balance seen last, with its age; None when it is too old or was never seen."""
        known = self.balances.stale(user, now_s)
        if known is None:
            return None
        return Response(200, "", {"balance": known.value, "age_s": known.age_s, "degraded": "stale"})

    def gauges(self) -> dict[str, float]:
        """Readings, for the app to add to its own."""
        stale = self.balances.stale_served_total
        return {
            "captured_total": float(self.captured_total),
            "stale_served_total": float(stale),
            "degraded_total": float(self.captured_total + stale),
        }
