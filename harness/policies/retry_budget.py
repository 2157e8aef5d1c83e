"""Retry budget: let retries be at most a share of the work, whatever happens.

Retries are useful when failures are rare and ruinous when they are not: each layer multiplies the load just when there
is least room. "At most 3 attempts" caps the *number*: in a hard outage load still triples. A budget caps the *ratio*:

    tokens <- min(burst, tokens + ratio)   for each first try (or each success);   a retry takes 1, or is not sent

With failure share p the load settles at 1 + min(p/(1-p), ratio) instead of 1/(1-p). Three accounts of one idea:

    token_bucket   deposits on first tries, a retry needs 1 token: the sum of deposits is exactly what may be spent
    brooker_post   deposits on *successes*, as the article says: the budget dries up in a hard outage
    brooker_code   deposits on first tries, and a retry needs *more* than 1, as the article's code does

Tokens are counted in millionths, as whole numbers: ten deposits of 0.1 are then exactly one token, in any engine.
Leaves out: sharing between processes. A fleet of N clients holds N buckets of `burst`, so the first moment of an outage
allows N x burst retries. Source: M. Brooker, "Fixing retries with token buckets and circuit breakers" (2022-02-28) and
its simulator (retry_strategy.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from harness.policies.entry import Entry, number, share

TOKEN: Final = 1_000_000  # one retry, in the whole numbers the state counts


class BudgetSpec(NamedTuple):
    """All in millionths of a token: what a first try and a success deposit, what a retry needs, and the cap."""

    per_first: int
    per_success: int
    need: int
    cap: int


class Budget(NamedTuple):
    """Millionths of a token at hand."""

    tokens: int


def start(spec: BudgetSpec, now_s: float) -> Budget:
    """A full bucket."""
    return Budget(spec.cap)


def on_first(spec: BudgetSpec, state: Budget, now_s: float) -> Budget:
    """A first try is being sent."""
    return Budget(min(spec.cap, state.tokens + spec.per_first))


def take(spec: BudgetSpec, state: Budget, now_s: float, timed_out: bool, throttled: bool) -> tuple[Budget, bool]:
    """Ask for one retry."""
    if state.tokens < spec.need:
        return state, False
    return Budget(state.tokens - TOKEN), True


def on_result(
    spec: BudgetSpec, state: Budget, now_s: float, n: int, ok: bool, timed_out: bool, throttled: bool
) -> Budget:
    """An attempt ended; only `brooker_post` learns from it."""
    if not ok:
        return state
    return Budget(min(spec.cap, state.tokens + spec.per_success))


def on_cancel(spec: BudgetSpec, state: Budget, now_s: float, n: int, sent: bool) -> Budget:
    """An attempt taught nothing; a granted retry that never left gives its token back."""
    if sent:
        return state
    return Budget(min(spec.cap, state.tokens + TOKEN))


def _token_bucket(ratio: float, burst: float) -> BudgetSpec:
    return BudgetSpec(round(ratio * TOKEN), 0, TOKEN, round(burst * TOKEN))


def _brooker_post(ratio: float, burst: float) -> BudgetSpec:
    return BudgetSpec(0, round(ratio * TOKEN), TOKEN, round(burst * TOKEN))


def _brooker_code(ratio: float, burst: float) -> BudgetSpec:
    return BudgetSpec(round(ratio * TOKEN), 0, TOKEN + 1, round(burst * TOKEN))


def _deposits_count(params: Mapping[str, Any]) -> str | None:
    if round(params["ratio"] * TOKEN) == 0 and params["ratio"] > 0:
        return f"ratio {params['ratio']:g} is below a millionth and would count as 0; raise it or write 0"
    return None


def _more_than_one(params: Mapping[str, Any]) -> str | None:
    if params["burst"] <= 1:
        return f"burst {params['burst']:g} never exceeds the 1 token a retry must find; use a burst above 1"
    return _deposits_count(params)


_RATIO = share("ratio", 0.1, "tokens per deposit: the share of extra load allowed", high=10.0)
ENTRIES = (
    Entry(
        kind="token_bucket",
        side="client",
        slot="retry_budget",
        rule="tokens + ratio per first try, at most burst; a retry takes 1 or is not sent",
        params=(_RATIO, number("burst", 10.0, "most tokens held; also the start", low=1.0, open_=False)),
        source="Brooker 2022-02-28; SRE book ch. 21 (per-client retry budget)",
        build=_token_bucket,
        check=_deposits_count,
    ),
    Entry(
        kind="brooker_post",
        side="client",
        slot="retry_budget",
        rule="tokens + ratio per success, at most burst; a retry takes 1 or is not sent",
        params=(_RATIO, number("burst", 5.0, "most tokens held; also the start", low=1.0, open_=False)),
        source="Brooker 2022-02-28, the article",
        build=_brooker_post,
        check=_deposits_count,
    ),
    Entry(
        kind="brooker_code",
        side="client",
        slot="retry_budget",
        rule="tokens + ratio per first try, at most burst; a retry takes 1 and needs more than 1",
        params=(_RATIO, number("burst", 5.0, "most tokens held; also the start", low=1.0, open_=False)),
        source="mbrooker/simulator_example, retry_strategy.py",
        build=_brooker_code,
        check=_more_than_one,
    ),
)
