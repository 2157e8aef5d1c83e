"""R7: a cache that is emptied in front of a backend that cannot serve everything.

1000 requests a second for keys drawn from a Zipf law (exponent 1.3), a least-recently-used cache of 1000 keys that
starts with the most popular ones and is flushed at 4 s, and a backend that answers a fixed number of misses in each
window of a second (a window begins with the first miss more than a second after the last one began, so at the flush the
running window is spent). What it refuses is not cached: the smaller the backend, the longer the cold spell.

A miss in a full cache evicts a key even when it brings none, and a row of the program's output covers 1001 requests;
both are kept here. The published figures are of one run each, and which keys come back first is luck: at 0.5 % a second
is good or bad by whether the commonest key is among the five. So one run is compared with the range of single runs.

Source: mbrooker/simulator_example, cache_sim; "Caches, Modes, and Unstable Systems", brooker.co.za, 2021-08-27.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

import numpy as np

from harness import seeds
from harness.study.claims import Claim, Effort, Line, one_run

RATE_PER_S, KEYS, EXPONENT, FLUSH_S, ROWS, ROW_REQUESTS = 1000, 1000, 1.3, 4, 30, 1001
# backend answers a second -> row of the output, one a second -> hit rate
PUBLISHED: Final = {5: {5: 0.09, 10: 0.61, 30: 0.74}, 100: {5: 0.65, 10: 0.83, 30: 0.85}}


def hit_rates(answers_per_s: int, seed: int) -> list[float]:
    """The hit rate of each row of one run; entry 0 is the first second."""
    rng = np.random.Generator(np.random.PCG64(seeds.mix(seed, seeds.stream_id("published/cache"))))
    held = OrderedDict.fromkeys(range(1, KEYS + 1))
    rates: list[float] = []
    hits = answered = 0
    window_s = 0.0
    for number, key in enumerate(rng.zipf(EXPONENT, ROWS * ROW_REQUESTS).tolist(), 1):
        now_s = number / RATE_PER_S
        if number == 1 + FLUSH_S * RATE_PER_S:
            held.clear()
        if key in held:
            hits += 1
            held.move_to_end(key)
        else:
            if len(held) == KEYS:
                held.popitem(last=False)
            if now_s - window_s > 1.0:
                window_s, answered = now_s, 0
            if answered < answers_per_s:
                answered += 1
                held[key] = None
        if number % ROW_REQUESTS == 0:
            rates.append(hits / ROW_REQUESTS)
            hits = 0
    return rates


def lines(effort: Effort) -> Iterator[Line]:
    """Hit rates one second, six seconds and 26 seconds after the flush."""
    for answers_per_s, published in PUBLISHED.items():
        runs = [hit_rates(answers_per_s, seed) for seed in range(1, 1 + 10 * effort.seeds)]
        for second, rate in published.items():
            values = [rates[second - 1] for rates in runs]
            what = f"backend {answers_per_s / RATE_PER_S:.1%}, second {second}: hit rate"
            yield one_run("R7", what, values, rate, slack=0.005)


CLAIM = Claim("R7", "mbrooker/simulator_example, cache_sim", lines)
