"""A run retold in sentences: when what happened and why, what each component did, and what people saw of it.

A post-event summary is read by people who were not there. Journals tell them everything and therefore nothing; measures
tell them how bad it was and not how it went. So the two are joined: edges of the timeline and the components' own notes
from the journal, the beginnings and ends of trouble from the cascade, the moments of users from the measures, in one
list by time. What a component repeats is told once, with its count.

Leaves out: probes, routine of the automation, and everything nobody would ask about afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from harness.report.page import show
from harness.report.tables import Measures, cascade_rows, counted, money, sector_rows
from harness.spec.vocabulary import VERBS
from harness.units import show_s

Journal = Sequence[Mapping[str, Any]]
_OPERATORS = {"inject": "fault", "heal": "fault ends", "action": "operators"}
_PAGE = "status_post"


class Item(NamedTuple):
    """One line of the retelling. `kind` groups lines: trigger, operators, component, users or page."""

    t_s: float
    who: str
    kind: str
    text: str


def timeline(journal: Journal, measures: Measures) -> list[Item]:
    """Everything worth telling, in order of time; at one moment causes stand before effects."""
    order = ("trigger", "operators", "component", "users", "page")
    items = [*_edges(journal), *_notes(journal, measures), *_troubles(measures), *_users(measures), *posts(journal)]
    return sorted(items, key=lambda item: (item.t_s, order.index(item.kind)))


def posts(journal: Journal) -> list[Item]:
    """What the status page said, and when."""
    return [
        Item(float(entry["t_s"]), "status page", "page", f"turns {entry.get('state')}: “{entry.get('text')}”")
        for entry in journal
        if entry.get("kind") == _PAGE
    ]


def actions(journal: Journal) -> list[Item]:
    """What operators did: actions and heals, with the condition that made a runbook act."""
    return [item for item in _edges(journal) if item.kind == "operators"]


def doings(measures: Measures) -> list[tuple[str, str]]:
    """(component, what it did in one or two sentences) for every lane of the cascade."""
    found = []
    for lane, row in zip(measures.get("cascade") or (), cascade_rows(measures), strict=True):
        if lane["began_s"] is None:
            text = "Was in no trouble."
        else:
            text = f"In trouble from {row['began']} on{_because(lane)}."
            if lane["trouble"] and lane["trouble"][0][0] > lane["began_s"]:
                text = f"Hit at {row['began']}{_because(lane)}; in trouble from {lane['trouble'][0][0]:.2f} s on."
        if lane["sustained_s"]:
            text += f" It stayed so for {show_s(lane['sustained_s'])} without its trigger."
        if lane["peak_at_s"] is not None:
            done = f"had drained at {row['drained']}" if lane["drained_s"] is not None else row["drained"]
            text += f" At its peak, at {lane['peak_at_s']:.2f} s, {row['peak']} items waited; {done}."
        if lane["action"]:
            text += f" Done to it: {row['action']}."
        if row["notes"]:
            text += f" It noted: {row['notes']}."
        found.append((str(lane["component"]), text))
    return found


def customers(measures: Measures) -> list[tuple[str, str]]:
    """(sector, what its customers saw), the dearest first; all users together when no app took part."""
    found = []
    for row in sector_rows(measures):
        text = f"{row['app']}: {row['failed']} of {row['due']} operations since the fault did not come good in time"
        text += f": {row['outage']} were good in the outage, {row['recovery']} after the fix."
        parts = [
            f"{one['name']} {one['outage']} and {one['recovery']}"
            for one in row["operations"]
            if one["outage"] != "-" or one["recovery"] != "-"
        ]
        text += f" By operation: {'; '.join(parts)}." if parts else ""
        text += f" Lost: {row['outage_debt']} while the fault lasted and {row['recovery_debt']} after it was fixed"
        text += f"; {row['people_minutes']} people-minutes."
        text += f" Hard windows missed: {row['missed_windows']}." if row["missed_windows"] != "-" else ""
        found.append((row["sector"], text))
    if found:
        return found
    deficit = measures.get("goodput_deficit") or {}
    lost = [deficit.get(f"{part}_ops") for part in ("outage", "recovery")]
    return [("all users", "Operations that did not come good in time: {} in the outage, {} after the fix.".format(
        *(show(count) for count in lost)
    ))]  # fmt: skip


def data(measures: Measures) -> list[str]:
    """What became of people's data, in sentences; empty when there was nothing to audit."""
    audit = measures.get("audit")
    if not audit:
        return []
    found = []
    if audit["partial"]:
        reasons = "; ".join(str(reason) for reason in audit["reasons"])
        found.append(f"THIS AUDIT IS PARTIAL, its counts are lower bounds: {reasons}.")
    found.append(
        f"{show(audit['lost'])} acknowledged operations were lost ({show(audit['expired'])} thrown away knowingly), "
        f"{show(audit['duplicated'])} took effect twice, {show(audit['stuck'])} are accepted and not settled, "
        f"{show(audit['out_of_order'])} were applied out of order."
    )
    apart = audit.get("divergence")  # old records have none
    if apart:
        found.append(
            f"The two stores hold {show(apart['items'])} items of which each has a newest version that the other does "
            f"not know; {show(apart['to_bring_home'])} more were written at the second only and are to be brought home."
        )
    if audit["mismatched"] or audit["money_created"]:
        created = money(audit["money_created"] / 100)
        found.append(
            f"{show(audit['mismatched'])} entries are not what the effect log leads to; money created: {created}."
        )
    return found


def _edges(journal: Journal) -> Iterator[Item]:
    fixes = {entry.get("id") for entry in journal if entry.get("kind") == "fix"}
    for entry in journal:
        kind = str(entry.get("kind"))
        if kind not in _OPERATORS or "what" not in entry:  # a live component writes down what it was told, once more
            continue
        at_s, what = float(entry["t_s"]), str(entry.get("what"))
        on_purpose = kind == "action" or (kind == "heal" and not what.endswith(" ends"))
        text = f"{_OPERATORS[kind]}: {what.removesuffix(' ends')}{_meaning(what) if kind != 'heal' else ''}"
        name = entry.get("name")
        if kind == "heal" and on_purpose:
            text = f"operators: {what} ({name})" if name else f"operators: {what}"
        because = entry.get("fired_by")
        if isinstance(because, Mapping):
            text += f", by the runbook because {because.get('because', 'its condition held')}"
        if entry.get("id") in fixes and on_purpose:
            text += "; this is the fix, the trigger is gone"
        group = "operators" if on_purpose else "trigger"
        yield Item(at_s, str(entry.get("component", what.partition(".")[0])), group, text)


def _meaning(what: str) -> str:
    """What a verb does, in brackets, for readers who have not seen the experiment file."""
    component, _, verb = what.partition(".")
    known = VERBS.get(component, {}).get(verb)
    return f" ({known.help.removeprefix('operators ')})" if known is not None else ""


def _notes(journal: Journal, measures: Measures) -> Iterator[Item]:
    """Each kind of note of a component, at its first moment."""
    first: dict[tuple[Any, Any], Mapping[str, Any]] = {}
    for entry in journal:
        first.setdefault((entry.get("who"), entry.get("kind")), entry)
    for lane in measures.get("cascade") or ():
        for note in lane["notes"]:
            if note["kind"] == _PAGE:
                continue
            entry = first.get((lane["component"], note["kind"]), {})
            facts = ", ".join(
                f"{key} {show(value)}"
                for key, value in entry.items()
                if key not in ("t_s", "who", "kind", "due_s") and isinstance(value, str | int | float) and value != ""
            )
            text = counted(str(note["kind"]), note["count"]) + (f" ({facts})" if facts else "")
            yield Item(float(note["at_s"][0]), str(lane["component"]), "component", text)


def _troubles(measures: Measures) -> Iterator[Item]:
    for lane in measures.get("cascade") or ():
        name = str(lane["component"])
        if lane["trouble"]:
            yield Item(lane["trouble"][0][0], name, "component", f"in trouble{_because(lane)}")
        if lane["drained_s"] is not None:
            yield Item(lane["drained_s"], name, "component", f"drained, after a peak of {show(round(lane['peak']))}")


def _because(lane: Mapping[str, Any]) -> str:
    """Why a lane began, as the end of a sentence; nothing when the record does not tell."""
    if not lane["trigger"]:
        return ""
    return f", {lane['trigger']}" if lane["follows"] else f", by the fault {lane['trigger']}"


def _users(measures: Measures) -> Iterator[Item]:
    moments = {
        "t_fault_s": "the fault is felt for the first time",
        "t_recovered_s": "every line of the steady state holds again",
    }
    for key, text in moments.items():
        if measures.get(key) is not None and measures.get("verdict") != "never_failed":
            yield Item(float(measures[key]), "users", "users", text)
    fault_s, detect_s = measures.get("t_fault_s"), measures.get("time_to_detect_s")
    if fault_s is not None and detect_s is not None:
        yield Item(fault_s + detect_s, "canary", "users", "the canary fails for the first time")
