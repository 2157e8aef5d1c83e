"""What theory expects: callers with retries and one station as a fluid, without chance.

Where recovery stops can be had in closed form only for a full outage without bounds (lambda times the sum of
(D - k tau)+ over the tries k equals mu tau). The same bookkeeping done step by step covers slow spells and bounded
lines too. Work waits V seconds; a try sent when V plus its service exceeds the timeout is given up after the timeout,
and the next try follows at once:

    V' = sum of tries a second x service / slots - 1        (V >= 0; V is capped by the bound of the line)
    tries k + 1 at t + tau  =  tries k at t, if V(t) + service(t) > tau and k < retries

It counts as stuck when, one recovery phase after the fix, new tries still come too late. Draws of nature, a deadline
shorter than all tries, and every policy that is neither "at once" nor a bounded line are left out: for an experiment
with any of those there is no expectation (None), rather than a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.plan import Plan, make_plan
from harness.policies.discipline import FifoSpec
from harness.spec import Experiment, ExperimentFile
from harness.study.axes import Span
from harness.timeline import edges
from harness.units import duration_s

_STEPS_PER_TIMEOUT = 40
_STEPS_MOST = 40_000


def stuck(file: ExperimentFile) -> bool | None:
    """Whether the fluid is stuck at the end of the recovery phase; None when the theory does not cover this."""
    plan = make_plan(file, file.variants[0], engine="world")
    experiment = plan.experiment
    if not covered(experiment):
        return None
    spell = _slow_spell(plan)
    if spell is None:
        return None
    kv, load = experiment.region.kv, next(iter(experiment.load.values()))
    assert kv is not None, "covered"
    limit = None if kv.admission is None else int(kv.admission.filled()[1]["limit"])
    start_s, end_s, slow_s = spell
    return _late_at_end(
        load.rate_per_s, load.client.attempts, load.client.timeout_s, kv.slots, kv.service.mean_s, slow_s,
        end_s - start_s, plan.load_end_s - end_s, limit, experiment.conventions.service_draw == "acceptance",
    )  # fmt: skip


def covered(experiment: Experiment) -> bool:
    """True when the experiment is one story on one store, with retries at once and at most a bounded line."""
    if list(experiment.load) != ["kv_reads"] or experiment.region.kv is None:
        return False
    load = next(iter(experiment.load.values()))
    client, server = load.client, experiment.region.kv.server()
    plain = not any((client.backoff and client.backoff.kind != "none", client.retry_budget, client.breaker))
    plain = plain and not load.closed and not any((client.limiter, client.hedge, client.hints))
    roomy = client.deadline_s >= client.attempts * client.timeout_s
    bounded = experiment.region.kv.admission is None or experiment.region.kv.admission.kind == "queue"
    fifo = isinstance(server.discipline, FifoSpec) and server.drop is None and server.priority is None
    return plain and roomy and bounded and fifo and not experiment.conventions.cancellation


def _slow_spell(plan: Plan) -> tuple[float, float, float] | None:
    """Start, end and mean service time of the one slow spell; None when the timeline is anything else."""
    if any(event.when is not None for event in plan.timeline):
        return None
    dues = [due for due in edges(plan) if due.component == "kv"]
    kinds = [(due.deed, due.name) for due in dues]
    kv = plan.experiment.region.kv
    if kv is None or len(dues) != len(edges(plan)) or kinds != [("inject", "latency"), ("heal", "latency")]:
        return None
    params = dues[0].params
    mean_s = duration_s(params["mean"]) if "mean" in params else kv.service.mean_s * float(params["factor"])
    return dues[0].at_s, dues[1].at_s, mean_s


def _late_at_end(
    rate_per_s: float, attempts: int, timeout_s: float, slots: int, mean_s: float, slow_s: float, spell_s: float,
    after_s: float, limit: int | None, at_acceptance: bool,
) -> bool:  # fmt: skip
    """Step the fluid from the start of the spell. Work is in seconds when drawn at acceptance, else in jobs."""
    delay = _STEPS_PER_TIMEOUT
    step_s = timeout_s / delay
    steps = min(_STEPS_MOST, int((spell_s + after_s) / step_s))
    tries = np.zeros((attempts, steps + delay + 1))
    tries[0] = rate_per_s * step_s
    waiting = 0.0  # seconds of work, or jobs when service is drawn at its start
    for at in range(steps):
        slow = at * step_s < spell_s
        service_s = slow_s if slow else mean_s
        per_job = service_s / slots if at_acceptance else 1.0
        served = step_s if at_acceptance else step_s * slots / service_s
        waiting = max(0.0, waiting + tries[:, at].sum() * per_job - served)
        if limit is not None:
            waiting = min(waiting, limit * per_job)
        delay_s = waiting if at_acceptance else _time_to_serve(waiting, at * step_s, spell_s, slots, mean_s, slow_s)
        if not at_acceptance and at * step_s + delay_s >= spell_s:
            service_s = mean_s  # its turn comes when the spell is over
        if delay_s + service_s > timeout_s:
            tries[1:, at + delay] += tries[:-1, at]
        elif not slow and waiting <= 0.0 and not tries[1:, at + 1 : at + delay + 1].any():
            return False
    return bool(tries[1:, max(0, steps - delay) : steps].sum() > 0.5 * tries[0, max(0, steps - delay) : steps].sum())


def _time_to_serve(jobs: float, at_s: float, spell_s: float, slots: int, mean_s: float, slow_s: float) -> float:
    """Seconds until a line of `jobs` is served, slowly until the spell ends and at full speed from then on."""
    left_s = max(0.0, spell_s - at_s)
    in_spell = left_s * slots / slow_s
    return jobs * slow_s / slots if jobs <= in_spell else left_s + (jobs - in_spell) * mean_s / slots


def crossing(file_at: Callable[[float], ExperimentFile], span: Span, tolerance_share: float = 1 / 512) -> float | None:
    """Where along a range the expectation changes, as a share of the way; None when it does not or there is none."""
    ends = [stuck(file_at(share)) for share in (0.0, 1.0)]
    if None in ends or ends[0] == ends[1]:
        return None
    low, high = 0.0, 1.0
    while high - low > tolerance_share:
        middle = (low + high) / 2
        if stuck(file_at(middle)) == ends[0]:
            low = middle
        else:
            high = middle
    return span.number((low + high) / 2)


def closed_form_s(rate_per_s: float, capacity_per_s: float, timeout_s: float, retries: int) -> float | None:
    """The critical length of a full outage, no bounds, retries at once; None when no outage is long enough.

    lambda x sum over k = 0..retries of (D - k tau)+ = mu tau. With lambda (1 + retries) < mu it drains in the end.
    """
    if rate_per_s * (1 + retries) <= capacity_per_s:
        return None
    needed = capacity_per_s * timeout_s / rate_per_s
    for tries in range(1, retries + 2):  # D lies in [(tries - 1) tau, tries tau) or beyond the last
        length_s = (needed + timeout_s * tries * (tries - 1) / 2) / tries
        if tries == retries + 1 or length_s < tries * timeout_s:
            return length_s
    raise AssertionError("the last number of tries always returns")
