"""`identity`: from its knobs to its brain."""

from __future__ import annotations

from harness.build import workplace
from harness.models.component import Given
from harness.models.identity import STORE, Identity, IdentitySpec
from harness.spec.components import identity


def brain(knobs: identity.Identity, given: Given) -> Identity:
    """The token service. Raises ValueError for what cannot work together."""
    spec = IdentitySpec(
        token_life_s=knobs.token_life_s,
        spread=knobs.spread,
        refresh_ahead_s=knobs.refresh_ahead_s,
        reads_store=STORE in knobs.depends_on,
        client=knobs.client.policy(),
    )
    return Identity(spec, workplace(knobs, given), given)
