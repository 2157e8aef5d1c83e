"""What faults and operators can do to a table store's station, in one place for every engine.

    faults     latency {mean: 100ms | factor: 4}   capacity {slots: n}   errors {share: 10%}
    actions    drop_queue   add_capacity {slots: n}   throttle_intake {rate: 100/s}   open_intake

A fault that is injected anew replaces the earlier one entirely. Capacity that operators add while a capacity fault
lasts counts from its end. The intake throttle stands in front of the store's own admission, as an operator's valve
does, until it is opened again. Which attempts an error fault hits is a draw of the attempt, the same in every engine.

Parameters come as an experiment file or a control port gives them (texts with units); ValueError says what is wrong
with them, and then nothing has changed. After each of these the driver looks at the station again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.models.station import Done, Station
from harness.models.valve import ErrorFault, intake_bucket
from harness.policies import deeds

Params = Mapping[str, Any]


class StoreControls:
    """The switches of one station. Times are seconds from the run's zero."""

    def __init__(self, station: Station, seed: int) -> None:
        self._station = station
        self._error_fault = ErrorFault(seed)
        self._slots = station.spec.slots  # those the operators gave, whatever a fault says meanwhile
        self._slots_fault: int | None = None
        self.on: dict[str, Callable[[Params, float], None]] = {
            "latency": self._latency,
            "capacity": self._capacity,
            "errors": self._error_fault.on,
        }
        self.off: dict[str, Callable[[float], None]] = {
            "latency": lambda now_s: self._set_speed(None, 1.0, now_s),
            "capacity": lambda now_s: self._set_slots(None, now_s),
            "errors": self._error_fault.off,
        }
        self.act: dict[str, Callable[[Params, float], dict[str, Any]]] = {
            "add_capacity": self._add_capacity,
            "throttle_intake": self._throttle_intake,
            "open_intake": self._open_intake,
        }

    def hits(self, attempt: int) -> bool:
        """True when the error fault is on and answers this attempt."""
        return self._error_fault.hits(attempt)

    def drop_queue(self, now_s: float) -> list[Done]:
        """Throw away what waits; the driver answers them."""
        return self._station.drop_queue(now_s)

    def _add_capacity(self, params: Params, now_s: float) -> dict[str, Any]:
        """Give the station more workers for good; how many it has then."""
        self._slots += deeds.SLOTS_MORE.of(params)
        self._set_slots(self._slots_fault, now_s)
        return {"slots": self._slots}

    def _throttle_intake(self, params: Params, now_s: float) -> dict[str, Any]:
        """Let in at most a rate, evenly spaced; what is over it is throttled."""
        rate = deeds.RATE.of(params)
        self._station.set_intake(intake_bucket(rate), now_s)
        return {"rate_per_s": rate}

    def _open_intake(self, params: Params, now_s: float) -> dict[str, Any]:
        """Take the throttle away."""
        self._station.set_intake(None, now_s)
        return {}

    def _latency(self, params: Params, now_s: float) -> None:
        mean, factor = params.get("mean"), params.get("factor")
        if (mean is None) == (factor is None):
            raise ValueError("give either mean, as in 100ms, or factor, as in 4")
        mean_s = None if mean is None else deeds.MEAN.of(params)
        self._set_speed(mean_s, 1.0 if factor is None else deeds.FACTOR.of(params), now_s)

    def _set_speed(self, mean_s: float | None, factor: float, now_s: float) -> None:
        self._station.set_mean_s(self._station.spec.mean_s if mean_s is None else mean_s, now_s)
        self._station.set_slowdown(factor, now_s)

    def _capacity(self, params: Params, now_s: float) -> None:
        self._set_slots(deeds.SLOTS_LEFT.of(params), now_s)

    def _set_slots(self, fault: int | None, now_s: float) -> None:
        self._slots_fault = fault
        self._station.set_slots(self._slots if fault is None else fault, now_s)
