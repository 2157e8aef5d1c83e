"""What a timeline can do without any component: `load`, whose arrivals it may raise, and `pause`, for its operators.

    {at: outage.start, do: load.surge, with: {factor: 3, for: 20s}}                       three times as much, of all
    {at: outage.start, do: load.surge, with: {rate: +200/s, story: kv_reads, for: 20s}}   200/s more, of one story
    {when: {after_event: heal}, do: pause, with: {for: 30s}}                              operators wait for 30 s

A surge is a fault like any other in the file and in the journal, but nobody has to be told of it: it is part of the
schedule that the plan fixes before the run. So it takes no `when:`, and its end must be known too.
"""

from __future__ import annotations

from typing import Final

from harness.policies import deeds
from harness.spec.verbs import Argument, Verb, action, fault, needs, with_heal

ALL: Final = "all"  # stories, and so no story may be called this

VERBS: Final[dict[str, Verb]] = with_heal(
    {
        "surge": fault(
            "more operations arrive than the load says",
            needs(deeds.FACTOR, "how many times as many, above 1"),
            needs(deeds.RATE, "how many more a second; of several stories, by their shares of the load"),
            Argument("story", "word", "of this story only; without it, of all"),
            one_of=("factor", "rate"),
        ),
    }
)
PAUSE: Final = action(
    "operators do nothing: what comes after it in the file and has a `when:` is put off until the pause is over",
    needs(deeds.LENGTH, "how long", required=True),
)
# By component and verb, as VERBS of the vocabulary; `pause` is written without a dot.
PSEUDO: Final[dict[str, dict[str, Verb]]] = {"load": VERBS, "pause": {"pause": PAUSE}}
