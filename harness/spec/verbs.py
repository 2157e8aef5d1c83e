"""What a component tells the experiment file about itself, as data: its verbs, its stories, its gauges.

They are data, not lookups into the code that implements them, because the spec stands to the left of flows and services
and must not know them; a house test compares the two. Verbs are of three kinds:

    fault    starts something bad; takes `for` (its length) or lasts until a `heal`; expires by itself
    heal     ends a fault by name
    action   what an operator does, once; there is nothing to undo

Each file in `harness/spec/components/` has the knobs of one component, `VERBS`, `STORIES` and `GAUGES`;
`vocabulary.py` collects them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from harness.policies import deeds
from harness.policies.deeds import Quantity


class Wish(NamedTuple):
    """One operation of an app, as data: what it is worth, how critical it is, and what happens instead when it fails.

    `criticality` 0 is the most critical. `value` is what its user loses when it fails, in pounds. `effect` names the
    table in which it must leave exactly one record with its operation number ("" for one that only reads).
    """

    criticality: int
    value: float
    fallback: str
    effect: str = ""


class Story(NamedTuple):
    """What a kind of user does: the component it talks to, all it needs, and its operations with default shares.

    `store_calls` is how often an operation asks `kv` in calm weather, sessions apart: 1 where it says nothing, and
    never in a story that does not need `kv`.
    """

    target: str
    needs: tuple[str, ...]
    operations: dict[str, float]
    wishes: dict[str, Wish] = {}  # by operation; empty for stories that stand for no app  # noqa: RUF012
    sector: str = ""  # of the app, as in "food"
    store_calls: dict[str, float] = {}  # noqa: RUF012

    def calls_of(self, operation: str) -> float:
        """Calls to `kv` of one operation in calm weather."""
        return self.store_calls.get(operation, 1.0) if "kv" in self.needs else 0.0


class Argument(NamedTuple):
    """One entry of an event's `with`. Units as in the policy catalogue, with bounds in `quantity`; or a "word", out of
    `choices` if there are any."""

    name: str
    unit: str  # "s", "per_s", "count", "number", "share" or "word"
    help: str
    choices: tuple[str, ...] = ()
    required: bool = False
    quantity: Quantity | None = None  # None for a word


def needs(quantity: Quantity, help_: str, *, required: bool = False) -> Argument:
    """An argument that is a quantity, under the quantity's own name."""
    return Argument(quantity.name, quantity.unit, help_, required=required, quantity=quantity)


class Verb(NamedTuple):
    """One thing that can be done to a component. With `one_of`, exactly one of these arguments is needed."""

    kind: str  # "fault", "heal" or "action"
    help: str
    arguments: tuple[Argument, ...] = ()
    one_of: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of its arguments."""
        return tuple(argument.name for argument in self.arguments)


FOR: Final = needs(deeds.LENGTH, "how long the fault lasts; without it, a heal must follow")


def fault(help_: str, *arguments: Argument, one_of: tuple[str, ...] = ()) -> Verb:
    """A fault; every fault may be given its length."""
    return Verb("fault", help_, (*arguments, FOR), one_of)


def action(help_: str, *arguments: Argument) -> Verb:
    """What an operator does."""
    return Verb("action", help_, arguments)


def heal(*faults: str) -> Verb:
    """The end of any of `faults`."""
    return Verb("heal", "end a fault", (Argument("fault", "word", "the fault to end", faults, required=True),))


def with_heal(verbs: dict[str, Verb]) -> dict[str, Verb]:
    """The same verbs, with one that heals every fault among them."""
    faults = [name for name, verb in verbs.items() if verb.kind == "fault"]
    return {**verbs, "heal": heal(*faults)} if faults else verbs


SHARE_TO_FAIL: Final = needs(deeds.SHARE, "the share that fails", required=True)
LATENCY: Final = fault(
    "service times become longer",
    needs(deeds.MEAN, "the mean service time meanwhile"),
    needs(deeds.FACTOR, "how many times longer"),
    one_of=("mean", "factor"),
)
ERRORS: Final = fault("a share of the requests is answered with an error", SHARE_TO_FAIL)
CAPACITY: Final = fault(
    "worker slots are taken away or added",
    needs(deeds.SLOTS_LEFT, "how many there are meanwhile", required=True),
)
ADD_CAPACITY: Final = action("worker slots are added for good", needs(deeds.SLOTS_MORE, "how many more", required=True))
DROP_QUEUE: Final = action("throw away all waiting work")
THROTTLE_INTAKE: Final = action(
    "operators let in at most a rate, before the component's own admission",
    needs(deeds.RATE, "how many requests a second", required=True),
)
OPEN_INTAKE: Final = action("operators take away intake throttle, ramp and shedding")
RAMP: Final = action(
    "operators let requests back in at a rate that grows evenly, and then all of them",
    needs(deeds.FROM, "the rate at first", required=True),
    needs(deeds.TO, "the rate at the end", required=True),
    needs(deeds.OVER, "how long it grows", required=True),
)
SHED: Final = action(
    "operators refuse the less critical requests",
    needs(deeds.ABOVE, "refuse criticalities above this number (0 is the most critical)", required=True),
)

CRASH: Final = fault("the process is gone: connections break or are refused, work in it is lost; then it starts again")
PARTITION: Final = fault("packets vanish: nothing that is sent to it arrives")
PARTITION_TO: Final = fault(
    "packets vanish: nothing that is sent to it arrives, or nothing it sends to one other component",
    Argument("to", "word", "cut only its own requests to this component"),
)

# What every component that is hosted (harness.models.component) can suffer and be told.
HOSTED: Final[dict[str, Verb]] = {
    "errors": ERRORS,
    "crash": CRASH,
    "partition": PARTITION_TO,
    "throttle_intake": THROTTLE_INTAKE,
    "open_intake": OPEN_INTAKE,
    "ramp": RAMP,
    "shed": SHED,
}
# What those with worker slots of their own can besides.
WORKING: Final[dict[str, Verb]] = {
    "latency": LATENCY,
    "capacity": CAPACITY,
    "add_capacity": ADD_CAPACITY,
    "drop_queue": DROP_QUEUE,
}
# What those with a cache that spares the store can suffer besides.
CACHING: Final[dict[str, Verb]] = {
    "flush_cache": fault("what it keeps of the store's answers is lost, and nothing is kept meanwhile")
}
