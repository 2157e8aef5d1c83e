"""`provider`: from its knobs to its brain."""

from __future__ import annotations

from harness.build import workplace
from harness.models.component import Given
from harness.models.provider import SOURCE, Provider, ProviderSpec
from harness.spec.components import provider


def brain(knobs: provider.Provider, given: Given) -> Provider:
    """The second provider's store. Raises ValueError for what cannot work together."""
    spec = ProviderSpec(
        replicates=SOURCE in knobs.depends_on,
        replicate_every_s=knobs.replicate_every_s,
        replication_lag_s=knobs.replication_lag_s,
        client=knobs.client.policy(),
    )
    return Provider(spec, workplace(knobs, given), given)
