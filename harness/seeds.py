"""One seed, named streams, and draws that do not depend on the order of use.

A generator that is advanced in order of use couples every draw to every earlier one: one reordered event, or one
policy that draws once more, and two variants (or two engines) no longer meet the same luck. So a draw here is a pure
hash of what it is for:

    u = unit(mix(seed, stream, *key))      in (0, 1)
      = draw_after(mix(seed, stream), key)  the same; the first part of the hash may be kept

with the SplitMix64 finaliser as the hash. The key names the thing drawn for: the attempt id and a counter, say. Plain
Python masks integers to 64 bits; under numba the same functions run on uint64. `rng` gives a NumPy-free
`random.Random` for what really is a sequence (an arrival schedule).

A hash costs plain Python a third of a microsecond, nearly all of it in making integers. Who hashes consecutive keys
lays LANES of them side by side in one long integer, a word of 64 bits in every 128, so that each product has room
beside its word: one multiplication then multiplies them all, and a hash costs a sixth.

Leaves out: cryptographic strength, and independence beyond what SplitMix64 passes (BigCrush). Source: Steele, Lea and
Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

from __future__ import annotations

import hashlib
import math
import random
import struct
from functools import lru_cache

MASK = 0xFFFF_FFFF_FFFF_FFFF
_GAMMA = 0x9E37_79B9_7F4A_7C15

LANES = 256
_LANE_BITS = 128
_EVERY = sum(1 << (_LANE_BITS * lane) for lane in range(LANES))  # 1 in each lane
_NUMBERS = sum(lane << (_LANE_BITS * lane) for lane in range(LANES))  # each lane holds its own number
_WORDS = _EVERY * MASK
_GAMMAS = _EVERY * _GAMMA
_LAYOUT = struct.Struct("<" + "Q8x" * LANES)


def stream_id(name: str) -> int:
    """A 64-bit id of a named stream, the same on every machine and Python version."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def finalise(z: int) -> int:
    """SplitMix64's finaliser: 64 bits in, 64 well mixed bits out."""
    z = ((z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB) & MASK
    return z ^ (z >> 31)


def mix(seed: int, *keys: int) -> int:
    """A 64-bit hash of a seed and any number of integer keys, in order."""
    state = finalise((seed + _GAMMA) & MASK)
    for key in keys:
        z = ((state ^ (key & MASK)) + _GAMMA) & MASK  # `finalise`, written out: simulators hash all the time
        z = ((z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB) & MASK
        state = z ^ (z >> 31)
    return state


def after(state: int, key: int) -> int:
    """`mix` with one more key: after(mix(seed, a), b) == mix(seed, a, b). `key` must be 64 bits, at least 0."""
    z = ((state ^ key) + _GAMMA) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB) & MASK
    return z ^ (z >> 31)


def lanes_from(first: int) -> int:
    """The words first, first + 1, ... in LANES lanes; all of them must be below 2**64."""
    return first * _EVERY + _NUMBERS


def after_lanes(states: int, keys: int) -> int:
    """`after` in every lane: the hash of each state with the key beside it."""
    z = ((states ^ keys) + _GAMMAS) & _WORDS
    z = (((z ^ (z >> 30)) & _WORDS) * 0xBF58_476D_1CE4_E5B9) & _WORDS  # a shift moves bits in from the next lane
    z = (((z ^ (z >> 27)) & _WORDS) * 0x94D0_49BB_1331_11EB) & _WORDS
    return (z ^ (z >> 31)) & _WORDS


def words(lanes: int) -> tuple[int, ...]:
    """What the lanes hold, in order."""
    return _LAYOUT.unpack(lanes.to_bytes(_LAYOUT.size, "little"))


def unit(bits: int) -> float:
    """64 bits as a float strictly inside (0, 1): never 0, never 1, so a logarithm is always finite."""
    return ((bits >> 12) + 0.5) * 2.0**-52


def draw(seed: int, stream: int, *keys: int) -> float:
    """The draw in (0, 1) of `stream` for `keys`; the same whoever asks, whenever."""
    return unit(mix(seed, stream, *keys))


def draw_after(state: int, key: int) -> float:
    """`draw` with a kept beginning: draw_after(mix(seed, stream), key) == draw(seed, stream, key); `key` as `after`."""
    z = ((state ^ key) + _GAMMA) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB) & MASK
    return (((z ^ (z >> 31)) >> 12) + 0.5) * 2.0**-52


def draw_near(state: int, key: int) -> float:
    """`draw_after` for keys that are asked for in about their order: LANES of them are hashed together."""
    return _draws(state, key // LANES)[key % LANES]


@lru_cache(maxsize=64)
def _draws(state: int, block: int) -> tuple[float, ...]:
    hashed = after_lanes(state * _EVERY, lanes_from(block * LANES))
    return tuple([((word >> 12) + 0.5) * 2.0**-52 for word in words(hashed)])


def exponential(u: float, mean: float) -> float:
    """An exponential variate with the given mean, by inversion of a draw in (0, 1)."""
    return -mean * math.log(u)


def rng(seed: int, name: str) -> random.Random:
    """A generator for a named sequence that no other stream can disturb."""
    return random.Random(mix(seed, stream_id(name)))
