"""Tokens that can be checked without asking anybody: who, until when, and a signature over both.

A token that must be looked up makes every check a request to the issuer, and the issuer's outage everybody's, at once.
A signed one carries what it says, so any process that knows the key can check it by itself, and what is issued stays
good however long the issuer is away. The price is that nothing can be called back before it expires.

    <client>|<expires, nanoseconds from the run's zero>|<signature, 16 hex digits>

The signature is a 64-bit hash under a key of the run. It keeps models honest (nobody gets by with a made-up token) and
would stop no attacker: cryptographic strength is left out, as are scopes and revocation lists.
"""

from __future__ import annotations

from typing import NamedTuple

from harness import seeds

_KEY = seeds.stream_id("identity/key")


class Claim(NamedTuple):
    """What a good token says."""

    client: str
    expires_s: float


def key_of(seed: int) -> int:
    """The signing key of a run."""
    return seeds.mix(seed, _KEY)


def issue(key: int, client: str, expires_s: float) -> str:
    """A token for `client`, good before `expires_s`. Raises ValueError for a name that would not read back."""
    if not client or "|" in client:
        raise ValueError(f"client is {client!r}; give a name without '|'")
    expires_ns = round(expires_s * 1e9)
    return f"{client}|{expires_ns}|{_signature(key, client, expires_ns)}"


def check(key: int, token: str, now_s: float) -> Claim:
    """What the token says. Raises ValueError with the reason when it is malformed, forged or expired at `now_s`."""
    client, _, rest = token.partition("|")
    expires, _, signature = rest.partition("|")
    if not client or not expires.lstrip("-").isdecimal() or not expires.isascii():
        raise ValueError("malformed")
    expires_ns = int(expires)
    if signature != _signature(key, client, expires_ns):
        raise ValueError("forged")
    if now_s >= expires_ns * 1e-9:
        raise ValueError("expired")
    return Claim(client, expires_ns * 1e-9)


def _signature(key: int, client: str, expires_ns: int) -> str:
    return f"{seeds.mix(key, seeds.stream_id(client), expires_ns):016x}"
