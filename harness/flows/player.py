"""A player's buffer: what a viewer does not notice.

A request that fails is not yet a picture that stands still. A player holds some seconds of video, and plays on from
them; only when they are used up does the viewer see anything. So an outage shorter than the buffer does not exist for
those who were playing, and a longer one begins that much later.

    failed at t    the first failure in a row leaves `buffer_s` of video: it runs dry at t + buffer_s
    a failure      before that is masked; after it the picture stands
    a success      fills the buffer; the time since it ran dry is counted as stalled

Times are seconds from the run's zero. Leaves out: buffers that are not full, lower bit rates, and viewers who skip.
"""

from __future__ import annotations

import math


class Player:
    """One viewer's player; totals only grow."""

    def __init__(self, buffer_s: float) -> None:
        self.buffer_s = buffer_s
        self.masked_total = 0
        self.stalled_s_total = 0.0
        self._dry_s = math.inf

    def served(self, now_s: float) -> None:
        """A request succeeded: the buffer is full again."""
        self.stalled_s_total += max(0.0, now_s - self._dry_s)
        self._dry_s = math.inf

    def failed(self, now_s: float) -> bool:
        """A request failed; True when the viewer did not notice."""
        if self._dry_s == math.inf:
            self._dry_s = now_s + self.buffer_s
        masks = now_s < self._dry_s
        self.masked_total += masks
        return masks
