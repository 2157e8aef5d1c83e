"""The first state of a run's tables, from a model: everything `kernel_state` lays out, filled in.

    tables_of(model, ...)        for callers and store
    app_tables_of(model, ...)    for the app between them, if there is one

Streams of draws are opened here, under the names under which the world's objects open them.
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness import seeds
from harness.models.apps.banking_sessions import prewarmed_until_s
from harness.models.apps.mobile_banking import OWED, STEPS, STORE
from harness.policies.client import ClientSpec
from harness.policies.server import admission_steps
from harness.sim import kernel_state as k
from harness.sim.kernel_draws import opening
from harness.sim.kernel_model import AppModel, Model, Names
from harness.sim.kernel_plan import DISTRIBUTIONS, order_of, refusal_of
from harness.sim.kernel_steps import NO_ADMISSION

SOME: Final = 256  # rows at first; tables double


def tables_of(model: Model, keep_rows: int, window_s: float) -> k.Tables:
    """All tables that every run has."""
    station = model.station
    now = np.zeros(1, k.NOW)
    _set(now, mean_s=station.mean_s, slowdown=1.0, wake_s=math.inf, slots=station.slots, window_end_s=window_s)
    _set(now, **dict.fromkeys(("line_first", "line_last", "road_first", "road_last", "connect_first"), -1))
    _set(now, **dict.fromkeys(("connect_last", "found_first", "found_last", "done_first", "done_last"), -1))
    _set(now, free_exchange=-1, free_talk=-1)
    edges = np.zeros(max(1, len(model.edges)), k.EDGE)
    for number, edge in enumerate(model.edges):
        _set(edges[number], **edge._asdict())
    windows = max(1, math.ceil(model.end_s / window_s))
    name = f"load/{model.story}"
    return k.Tables(
        now, _rules(model, keep_rows, window_s, windows), edges, np.zeros(SOME, k.EXCHANGE),
        np.zeros(SOME, k.TALK), np.zeros(SOME, k.TIMED), np.zeros(SOME, k.END),
        np.zeros(SOME if keep_rows else 1, k.OPERATION_ROW), np.zeros(SOME if keep_rows else 1, k.SERVED_ROW),
        np.zeros(windows, k.WINDOW), _link(model, model.client, name, 0, model.app, model.max_age_s, model.names),
        np.zeros(SOME, k.IDLE), np.zeros(SOME if keep_rows else 1, k.ATTEMPT_ROW),
    )  # fmt: skip


def app_tables_of(model: Model, inner: AppModel, keep_rows: int) -> k.AppTables:
    """All tables that an app adds."""
    spec, seed = inner.spec, model.seed
    kinds = np.zeros(len(inner.mix), k.KIND)
    shares = [share for _, share in inner.mix]
    for kind, (name, _) in enumerate(inner.mix):
        _set(kinds[kind], first_step=0, end_step=len(STEPS), owes=name in OWED)
    kinds["share_up_to"] = [edge / sum(shares) for edge in accumulate(shares)]
    steps = np.zeros(len(STEPS), k.STEP)
    for number, step in enumerate(STEPS):
        _set(steps[number], call_no=step.call_no, without_session=step.without_session)
    sessions = np.zeros(inner.users, k.SESSION)
    sessions["until_s"] = -math.inf
    if spec.prewarmed:
        sessions["until_s"][: spec.users] = [
            prewarmed_until_s(spec.session_ttl_s, seed, user, 0.0) for user in range(min(spec.users, inner.users))
        ]
    link = _link(model, spec.client, f"mobile_banking/{STORE}", 1, inner.target, inner.max_age_s, inner.names)
    return k.AppTables(
        _app(model, inner), kinds, steps, sessions, np.zeros(SOME, k.WISH), np.zeros(SOME, k.DUE),
        np.zeros(SOME if keep_rows else 1, k.SERVED_ROW), link, np.zeros(SOME, k.IDLE),
        np.zeros(SOME if keep_rows else 1, k.ATTEMPT_ROW),
    )  # fmt: skip


def _app(model: Model, inner: AppModel) -> NDArray[Any]:
    spec, seed = inner.spec, model.seed
    door = admission_steps(spec.admission or NO_ADMISSION)
    refusal, status = refusal_of(door.refusal)
    pace = spec.outbox.pace
    story = seeds.stream_id(f"story/{model.story}")
    app = np.zeros(1, k.APP)
    _set(
        app, ttl_s=spec.session_ttl_s, retry_wait_s=spec.outbox.retry_wait_s, senders=spec.outbox.senders,
        capacity=spec.outbox.capacity, wake_s=math.inf, users=inner.users, kinds=len(inner.mix),
        calls_per_try=len(STEPS), door_refusal=refusal, door_refusal_status=status, door_draws=door.draws, is_open=1,
        paced=pace is not None, interval_s=pace.interval_s if pace else 0.0, burst=pace.burst if pace else 1,
        free_wish=-1, user_luck=np.uint64(seeds.mix(seed, story, 0)), kind_luck=np.uint64(seeds.mix(seed, story, 1)),
        door_luck=opening(seed, seeds.stream_id("admission/app")),
        retry_luck=opening(seed, seeds.stream_id("outbox/retry")),
    )  # fmt: skip
    return app


def _rules(model: Model, keep_rows: int, window_s: float, windows: int) -> NDArray[Any]:
    station, seed = model.station, model.seed
    admission = admission_steps(station.server.admission or NO_ADMISSION)
    refusal, status = refusal_of(admission.refusal)
    order, lifo_after_s = order_of(station.server.discipline)
    rules = np.zeros(1, k.RULES)
    _set(
        rules, end_s=model.end_s, window_s=window_s, windows=windows, edges=len(model.edges),
        one_way_s=model.delays.one_way_s, query_s=model.delays.query_s, connect_s=model.delays.connect_s,
        mean_s=station.mean_s, lifo_after_s=lifo_after_s, late=model.late_replies, cancellation=station.cancellation,
        at_acceptance=station.service_draw == "acceptance", silent=model.silent,
        distribution=DISTRIBUTIONS[station.distribution], order=order, slots=station.slots, refusal=refusal,
        refusal_status=status, admission_draws=admission.draws, keep_rows=keep_rows, app=model.app,
        service=opening(seed, seeds.stream_id("service")), admission=opening(seed, seeds.stream_id("admission")),
        errors=opening(seed, seeds.stream_id("fault/errors")), age=opening(seed, seeds.stream_id("connection/age")),
    )  # fmt: skip
    return rules


def _link(
    model: Model, client: ClientSpec, name: str, layer: int, target: int, max_age_s: float, names: Names
) -> NDArray[Any]:
    seed = model.seed
    link = np.zeros(1, k.LINK)
    _set(link, **names._asdict())
    _set(
        link, timeout_s=client.timeout_s, deadline_s=client.deadline_s, attempts=client.attempts,
        propagate=client.propagate_deadline, target=target, layer=layer, max_age_s=max_age_s,
        backoff=opening(seed, seeds.stream_id(f"backoff/{name}")),
        limiter=opening(seed, seeds.stream_id(f"limiter/{name}")) if client.limiter is not None else 0,
        until_s=-math.inf, stale_until_s=-math.inf, first_empty_s=math.inf,
    )  # fmt: skip
    _set(link, **dict.fromkeys(("asking_first", "asking_last", "timer_first", "timer_last"), -1))
    return link


def _set(table: Any, **columns: Any) -> None:
    for name, value in columns.items():
        table[name] = value
