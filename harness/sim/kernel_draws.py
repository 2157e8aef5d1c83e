"""The draws of `harness.seeds`, on unsigned 64-bit integers: the same bits, a hundred times as fast.

Plain Python masks its integers after every product; compiled code has registers that do it by themselves. Both give
the same draw for the same key, which is what lets a kernel and a world meet the same luck; a test compares them bit for
bit. A key that begins with the same parts many times over is hashed once:

    start = opening(seed, stream)      draw_after(start, attempt) == seeds.draw(seed, stream, attempt)

Every constant here is a NumPy unsigned integer: one signed operand, and numba would go on in floats.
"""

from __future__ import annotations

import numpy as np

from harness import seeds
from harness.sim.kernel_jit import jit

_GAMMA = np.uint64(0x9E37_79B9_7F4A_7C15)
_M1 = np.uint64(0xBF58_476D_1CE4_E5B9)
_M2 = np.uint64(0x94D0_49BB_1331_11EB)
_S30, _S27, _S31, _S12 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(12)
ZERO, ONE = np.uint64(0), np.uint64(1)


def opening(seed: int, stream: int) -> np.uint64:
    """The hash of (seed, stream), on which the rest of a key is put."""
    return np.uint64(seeds.mix(seed, stream))


@jit
def finalise(z: np.uint64) -> np.uint64:
    """SplitMix64's finaliser."""
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    return z ^ (z >> _S31)


@jit
def first(seed: np.uint64) -> np.uint64:
    """`seeds.mix(seed)`."""
    return finalise(seed + _GAMMA)


@jit
def after(state: np.uint64, key: np.uint64) -> np.uint64:
    """The hash with one more part of the key."""
    return finalise((state ^ key) + _GAMMA)


@jit
def unit(bits: np.uint64) -> float:
    """64 bits as a float strictly inside (0, 1)."""
    return (np.float64(bits >> _S12) + 0.5) * 2.0**-52


@jit
def draw_after(state: np.uint64, key: np.uint64) -> float:
    """The draw for a key whose first parts are hashed in `state`."""
    return unit(after(state, key))


@jit
def call_key(op: np.uint64) -> np.uint64:
    """What the ids of all attempts of an operation's call (layer 0, call 0) have in common."""
    return after(after(first(op), ZERO), ZERO)


@jit
def attempt_id(key: np.uint64, n: int) -> np.uint64:
    """`flows.ids.attempt_id` for attempt `n` of the call with this key."""
    found = after(key, np.uint64(n))
    return ONE if found == ZERO else found
