"""Policies: every decision a client or a server takes under load, as plain arithmetic.

A policy is a spec and a state, both `NamedTuple`s of numbers, and a few pure steps that take the time and the draw as
arguments and give back the next state. Nothing here reads a clock or a generator, so the same lines run live, in
virtual time, and compiled by numba inside a loop. To keep the last of these true, a step calls nothing of ours: only
`min`, `max`, `math` and the constructors of its own tuples.

Steps by slot (`start(spec, now_s) -> state` in all of them; `entry.py` declares them as protocols):

    backoff   delay_s(spec, n, prev_s, u, throttled)                        seconds before retry n = 1, 2, ...
    budget    on_first, take, on_result, on_cancel                          may this retry be sent at all?
    breaker   may_send, on_result                                           may anything be sent to this target?
    limiter   admit, on_result                                              now, later, or not at all?
    hedge     extra_copies(spec, left)                                      how many copies, each how much later?
    hints     delay_s(spec, delay_s, hint_s)                                what a server's "retry after" changes

`catalogue.py` lists every policy with its parameters; `client.py` and `server.py` compose them and refuse what cannot
work. One policy family per file; each file's docstring is its documentation.
"""
