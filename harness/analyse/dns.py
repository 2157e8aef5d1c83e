"""The story of the name service in one run: was the race really run, and who saw its effect?

"The outage happened" is a claim about a chain of events, not about a dip in a curve: a stale plan was applied after a
newer one, the clean-up deleted the plan that was active, a client was given an empty answer, the enactors then failed
until a person restored the record. Each link is a journal entry; this counts them and gives the first moment of each.

Leaves out: how long a particular client believed an empty answer; its own failures show that.
"""

from __future__ import annotations

from typing import Any

_COUNTED = {
    "plan": "plans",
    "apply": "applies",
    "stale_apply": "stale_applies",
    "clean": "cleans",
    "active_plan_deleted": "active_plans_deleted",
    "enactor_error": "enactor_errors",
}
_MOMENTS = {
    "stale_apply": "t_stale_apply_s",
    "active_plan_deleted": "t_active_plan_deleted_s",
    "first_empty_answer": "t_first_empty_answer_s",
    "enactor_error": "t_first_enactor_error_s",
    "restored": "t_restored_s",
}


def story(journal: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Counts and first moments (seconds from zero, None for never); None when no name service took part."""
    counts = dict.fromkeys(_COUNTED.values(), 0)
    moments: dict[str, float | None] = dict.fromkeys(_MOMENTS.values())
    seen = False
    for entry in journal:
        kind = str(entry.get("kind"))
        if kind in _COUNTED:
            counts[_COUNTED[kind]] += 1
            seen = True
        if kind in _MOMENTS:
            seen = True
            if moments[_MOMENTS[kind]] is None:
                moments[_MOMENTS[kind]] = float(entry["t_s"])
    if not seen:
        return None
    stale_s, deleted_s = moments["t_stale_apply_s"], moments["t_active_plan_deleted_s"]
    raced = stale_s is not None and deleted_s is not None and deleted_s >= stale_s
    return {"raced": raced, **counts, **moments}
