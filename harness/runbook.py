"""The runbook: entries of the timeline that wait for a condition, and when they happen. One decision for every engine.

Operators do not act at moments that were written down beforehand: they see a gauge beyond a line, make sure that it
stays there, take their time, and then do one thing after another. What they see and when they act must be decided the
same way live and simulated, or the two would compare operators instead of systems. So it is decided here, in a value
that is handed readings and deeds with their moments, and that says what is due:

    book = book_of(plan); state = start(book)
    state = read(book, state, now_s, readings)      four times a second: {(component, gauge): value}
    state = done(book, state, due, now_s)           after every deed, also those of `timeline.edges`
    next_s(book, state)                             when to call `take`; inf for not before something happened
    state, fired = take(book, state, now_s)         the next deed that is due, with the reading behind it, or None
    stands(state, due)                              whether a later step of an entry is still to be done
    left(book, state)                               at the end: each entry that never happened, and why

The rules. A gauge counts from `after` on (with `after_event` not before that entry was done), and must be beyond its
line in every reading for `for` seconds; a missing reading is no evidence either way. Then the decision is taken: the
deed follows after `delay`, whatever the gauge does meanwhile. With `once: false` it is taken again once the gauge has
been back. While a pause is on, heals and actions that come after it in the file are put off to its end, in their order;
faults are nobody's deed and come anyway. What is not begun when the load ends is not begun. A fault belongs to the
entry that injected it last: once another has healed or injected it, the earlier entry's further steps (its end, its
next spell) are void.

Leaves out: performing, which the engines do, and moments known before the run (`harness.timeline`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.plan import Plan
from harness.spec.conditions import Trigger
from harness.spec.events import events_of
from harness.timeline import Due, steps

Readings = Mapping[tuple[str, str], float]
_SLACK_S = 1e-9  # moments of readings are sums of floats


class Rule(NamedTuple):
    """One entry with a condition. `steps` have moments from its own beginning."""

    number: int  # its place in the file
    id: str
    what: str
    trigger: Trigger
    steps: tuple[Due, ...]
    by_hand: bool  # a heal or an action: put off by a pause


class Book(NamedTuple):
    """All rules of a plan. `watched` are the gauges they name; `numbers` the place of every entry in the file."""

    rules: tuple[Rule, ...]
    watched: tuple[tuple[str, str], ...]
    numbers: Mapping[str, int]
    until_s: float


class Seen(NamedTuple):
    """What one rule has seen."""

    from_s: float = math.nan  # when the entry that it comes after was done
    since_s: float = math.nan  # beyond the line since
    open: bool = True  # a decision may be taken
    nearest: float = math.nan  # the reading that came nearest to the line, or furthest beyond it
    decided: int = 0
    begun: int = 0


class Item(NamedTuple):
    """A step that was decided on: `at_s` is its moment if nothing puts it off."""

    at_s: float
    rule: int
    step: int
    why: Mapping[str, Any]


class Pause(NamedTuple):
    """A pause that was begun: entries after `number` in the file wait until `until_s`."""

    number: int
    until_s: float


class State(NamedTuple):
    """All that the decision depends on; a new value after every call."""

    seen: tuple[Seen, ...]
    agenda: tuple[Item, ...] = ()
    pauses: tuple[Pause, ...] = ()
    owners: tuple[tuple[tuple[str, str], str], ...] = ()  # (component, fault) and the entry that injected it last


class Fired(NamedTuple):
    """A deed that is due. `why` is for the journal: the words of the condition, and the reading or deed behind it."""

    due: Due
    why: Mapping[str, Any]


def book_of(plan: Plan) -> Book:
    """The rules of a plan, in the order of the file."""
    resolved = {timed.id: timed for timed in events_of(plan.experiment).events}
    rules = []
    for event in plan.timeline:
        timed = resolved[event.id]
        if timed.trigger is not None:
            does = steps(event, timed, math.inf)
            rules.append(Rule(timed.number, event.id, event.what, timed.trigger, does, timed.kind != "fault"))
    rules.sort(key=lambda rule: rule.number)
    watched = dict.fromkeys((rule.trigger.component, rule.trigger.gauge) for rule in rules if rule.trigger.component)
    return Book(tuple(rules), tuple(watched), {id_: timed.number for id_, timed in resolved.items()}, plan.load_end_s)


def start(book: Book) -> State:
    """Nothing seen, nothing decided."""
    return State(tuple(Seen() for _ in book.rules))


def read(book: Book, state: State, now_s: float, readings: Readings) -> State:
    """Take the gauges of one moment in, and decide."""
    seen, agenda = list(state.seen), list(state.agenda)
    for index, rule in enumerate(book.rules):
        trigger, old = rule.trigger, seen[index]
        value = readings.get((trigger.component, trigger.gauge))
        waits = trigger.after_event != "" and math.isnan(old.from_s)
        if value is None or waits or now_s < trigger.after_s - _SLACK_S:
            continue
        nearest = _nearest(old.nearest, value, above=trigger.above)
        if not trigger.beyond(value):
            ready = old.open or not trigger.once
            seen[index] = old._replace(since_s=math.nan, open=ready, nearest=nearest)
            continue
        since_s = now_s if math.isnan(old.since_s) else old.since_s
        seen[index] = old._replace(since_s=since_s, nearest=nearest)
        if old.open and now_s - since_s >= trigger.for_s - _SLACK_S:
            why = {
                "because": trigger.text,
                "reading": value,
                "since_s": round(since_s, 6),
                "decided_s": round(now_s, 6),
            }
            agenda.append(Item(now_s + trigger.delay_s, index, 0, why))
            seen[index] = seen[index]._replace(open=False, decided=old.decided + 1)
    return state._replace(seen=tuple(seen), agenda=tuple(agenda))


def done(book: Book, state: State, due: Due, now_s: float) -> State:
    """Take in that something was done: who owns a fault now, whether a pause began, and what follows it."""
    if due.step:
        return state
    seen, agenda, pauses, owners = list(state.seen), list(state.agenda), state.pauses, dict(state.owners)
    if due.deed == "inject":
        owners[due.component, due.name] = due.id
    elif due.deed == "heal":
        owners.pop((due.component, due.name), None)
    elif due.component == "pause":
        pauses = (*pauses, Pause(book.numbers[due.id], now_s + due.ttl_s))
    for index, rule in enumerate(book.rules):
        if rule.trigger.after_event != due.id:
            continue
        seen[index] = seen[index]._replace(from_s=now_s)
        if seen[index].open and not rule.trigger.component:
            why = {"because": rule.trigger.text, "after_event": due.id, "decided_s": round(now_s, 6)}
            agenda.append(Item(now_s + rule.trigger.delay_s, index, 0, why))
            seen[index] = seen[index]._replace(open=not rule.trigger.once, decided=seen[index].decided + 1)
    return State(tuple(seen), tuple(agenda), pauses, tuple(owners.items()))


def stands(state: State, due: Due) -> bool:
    """Whether a step is still its entry's to do: the first always, a later one as long as the fault is its own."""
    return due.step == 0 or dict(state.owners).get((due.component, due.name)) == due.id


def next_s(book: Book, state: State) -> float:
    """When the next deed is due; inf when none is decided on."""
    return min((_moment_s(book, state, item) for item in state.agenda), default=math.inf)


def take(book: Book, state: State, now_s: float) -> tuple[State, Fired | None]:
    """The first deed that is due by now; those that are void by now are dropped on the way."""
    while state.agenda:  # void steps are passed over
        moments = [(_moment_s(book, state, item), book.rules[item.rule].number, item.step) for item in state.agenda]
        first = min(range(len(moments)), key=moments.__getitem__)
        at_s = moments[first][0]
        if at_s > now_s + _SLACK_S or at_s == math.inf:
            break
        item = state.agenda[first]
        rule = book.rules[item.rule]
        agenda = [*state.agenda[:first], *state.agenda[first + 1 :]]
        due = rule.steps[item.step]._replace(at_s=round(at_s, 9))
        if item.step == 0:
            begun = state.seen[item.rule]._replace(begun=state.seen[item.rule].begun + 1)
            state = state._replace(seen=(*state.seen[: item.rule], begun, *state.seen[item.rule + 1 :]))
            agenda = [other for other in agenda if other.rule != item.rule or other.step == 0]  # of an earlier time
            agenda += [Item(at_s + step.at_s, item.rule, step.step, item.why) for step in rule.steps[1:]]
        state = state._replace(agenda=tuple(agenda))
        if stands(state, due):
            held_s = at_s - item.at_s
            return state, Fired(due, {**item.why, "held_s": round(held_s, 6)} if held_s > _SLACK_S else item.why)
    return state, None


def left(book: Book, state: State) -> list[tuple[str, str]]:
    """(id, a sentence) for each entry that never happened."""
    return [
        (rule.id, f"{rule.what} ({rule.id}) never happened: {_why_not(book, rule, seen)}")
        for rule, seen in zip(book.rules, state.seen, strict=True)
        if not seen.begun
    ]


def _moment_s(book: Book, state: State, item: Item) -> float:
    """When a step is due: put off by pauses, and never once the load is over if it is the first of its entry."""
    if item.step:
        return item.at_s
    rule = book.rules[item.rule]
    at_s = item.at_s
    if rule.by_hand:
        at_s = max([at_s, *(pause.until_s for pause in state.pauses if pause.number < rule.number)])
    return at_s if at_s < book.until_s else math.inf


def _nearest(old: float, value: float, *, above: bool) -> float:
    if math.isnan(old):
        return value
    return max(old, value) if above else min(old, value)


def _why_not(book: Book, rule: Rule, seen: Seen) -> str:
    trigger = rule.trigger
    if seen.decided:
        return "it was decided on, and the load was over before its time came"
    if trigger.after_event and math.isnan(seen.from_s):
        return f"it comes after {trigger.after_event}, which did not happen"
    since = f"from {max(trigger.after_s, 0.0 if math.isnan(seen.from_s) else seen.from_s):g} s on"
    if math.isnan(seen.nearest):
        return f"{trigger.component}.{trigger.gauge} was not read {since}"
    least = "highest" if trigger.above else "lowest"
    return f"{trigger.text} was not found {since} (its {least} reading was {seen.nearest:g})"
