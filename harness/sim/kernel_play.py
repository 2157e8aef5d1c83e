"""The kernel's one entry point: from arrays and policies to what compiled functions pass on, and back.

Everything is compiled here, once per combination of policy types, with or without an app.
"""

from __future__ import annotations

import math
from typing import Any

from harness.record.layouts import Outcome
from harness.sim.kernel_app import write_served as write_app_served
from harness.sim.kernel_jit import jit, jit_cached
from harness.sim.kernel_loop import OVER, spin
from harness.sim.kernel_memory import cell, get, nth
from harness.sim.kernel_state import App, Caller, ClientStates, Kernel, Policy
from harness.sim.kernel_store import write_served
from harness.sim.kernel_users import close_talk, write_operation

_LEFT_OPEN = int(Outcome.UNFINISHED)


@jit
def shut(k: Any, app: Any, left: Any) -> int:
    """Write down what is still open, in the order in which a world closes (`play` says what `left` is)."""
    users, jobs, inside, beside = left
    for m in range(users.size):
        close_talk(k, k.user, users[m])
        write_operation(k, nth(k.ts, users[m]), _LEFT_OPEN, math.nan)
    for m in range(jobs.size):
        x = nth(k.xs, jobs[m])
        x.began_s, x.service_s = math.nan, 0.0  # what was cut off has no service to show
        if x.layer == 0:
            x.gone = 1
        write_served(k, x, math.nan)
    if app is not None:
        for m in range(inside.size):
            close_talk(k, app.caller, inside[m])
            i = nth(k.ts, inside[m]).inbound
            nth(k.xs, i).gone = 1
            write_app_served(k, app, i, True, -1)
        for m in range(beside.size):
            close_talk(k, app.caller, beside[m])
    return OVER


@jit
def states_of(c: Any) -> Any:
    """What a client's policies remember."""
    return ClientStates(get(c.budget.state), get(c.breaker.state), get(c.limiter.state))


@jit_cached
def play(tables: Any, due: Any, ops: Any, user: Any, server: Any, left: Any) -> Any:
    """Go on with a run until it is OVER, or wants MORE_DUE operations or MORE_ROOM in its tables.

    Gives back which, and the states of the policies of callers and store, with which to call again. `due` are the next
    moments at which operations are due, ascending and before the end of the load, and `ops` their numbers; `now.due`
    counts those begun. `user` and `server` are (specs, states). Called once more with `rules.closing` set, it writes
    down what is `left`: slots of operations, of jobs at the store, of conversations inside the app and of those beside.
    """
    specs, states = user
    caller = Caller(
        tables.link[0], tables.idle[0], tables.attempts[0], cell(specs.backoff),
        Policy(cell(specs.budget), cell(states.budget)), Policy(cell(specs.breaker), cell(states.breaker)),
        Policy(cell(specs.limiter), cell(states.limiter)),
    )  # fmt: skip
    admission = Policy(cell(server[0][0]), cell(server[1][0]))
    drop = Policy(cell(server[0][1]), cell(server[1][1]))
    k = cell(Kernel(
        tables.now[0], tables.rules[0], tables.edges[0], tables.exchanges[0], tables.talks[0], tables.timed[0],
        tables.ends[0], tables.operations[0], tables.served[0], tables.windows[0], cell(caller), admission, drop,
    ))  # fmt: skip
    said = shut(k, None, left) if tables.rules[0].closing == 1 else spin(k, None, due, ops)
    return said, states_of(caller), (get(admission.state), get(drop.state)), None


@jit_cached
def play_with_app(tables: Any, due: Any, ops: Any, user: Any, server: Any, left: Any, app: Any) -> Any:
    """The same with an app, which is (tables, specs, states, door's spec, door's state), and gives back its states."""
    specs, states = user
    caller = Caller(
        tables.link[0], tables.idle[0], tables.attempts[0], cell(specs.backoff),
        Policy(cell(specs.budget), cell(states.budget)), Policy(cell(specs.breaker), cell(states.breaker)),
        Policy(cell(specs.limiter), cell(states.limiter)),
    )  # fmt: skip
    own, app_specs, app_states, door_spec, door_state = app
    within = Caller(
        own.link[0], own.idle[0], own.attempts[0], cell(app_specs.backoff),
        Policy(cell(app_specs.budget), cell(app_states.budget)),
        Policy(cell(app_specs.breaker), cell(app_states.breaker)),
        Policy(cell(app_specs.limiter), cell(app_states.limiter)),
    )  # fmt: skip
    admission = Policy(cell(server[0][0]), cell(server[1][0]))
    drop = Policy(cell(server[0][1]), cell(server[1][1]))
    door = Policy(cell(door_spec), cell(door_state))
    k = cell(Kernel(
        tables.now[0], tables.rules[0], tables.edges[0], tables.exchanges[0], tables.talks[0], tables.timed[0],
        tables.ends[0], tables.operations[0], tables.served[0], tables.windows[0], cell(caller), admission, drop,
    ))  # fmt: skip
    a = cell(App(
        own.app[0], cell(within), own.kinds[0], own.steps[0], own.sessions[0], own.wishes[0], own.due[0],
        own.served[0], door,
    ))  # fmt: skip
    said = shut(k, a, left) if tables.rules[0].closing == 1 else spin(k, a, due, ops)
    inner = (states_of(within), get(door.state))
    return said, states_of(caller), (get(admission.state), get(drop.state)), inner
