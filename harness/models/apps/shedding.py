"""An app's door by criticality: when it is crowded, the less critical stay outside first.

A door that counts heads (an admission rule) turns away a patient's record as readily as a page for the porter. With
partitions each criticality has a share of the room: the most critical may use all of it, the others only what their
share allows, so that a crowd of the others can never fill it. The arithmetic is `harness.policies.priority`
(`partitioned`), the same that a store's station uses; an app has no line of its own, so all inside count as served.

Leaves out: work that is inside already (nobody is thrown out again).
"""

from __future__ import annotations

from harness.policies.priority import PartitionedSpec, Stateless, partitioned_admit

_STATE = Stateless()


class Partitions:
    """Who may come in; `spec` None lets everybody."""

    def __init__(self, spec: PartitionedSpec | None) -> None:
        self.refused_total = 0
        self._spec = spec

    def admits(self, criticality: int, inside: int, now_s: float) -> bool:
        """Whether one more of this criticality may come in while `inside` others are; a refusal is counted."""
        if self._spec is None:
            return True
        _, let_in = partitioned_admit(self._spec, _STATE, now_s, criticality, 0, True, inside, 0)
        self.refused_total += not let_in
        return let_in
