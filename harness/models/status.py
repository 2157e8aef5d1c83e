"""Status: the public health page. It looks at the region as a customer does, and tells with a human delay.

A page fed by the components' own opinion of themselves is green as long as they cannot tell, and in October 2025 the
record was empty, so no server saw a single failed request. This one probes: for each watched component, one ordinary
request through its own client every `probe_every`. A rule (`harness.models.status_rule`) turns results into disturbed
or well; and what it found is posted `post_lag` later, because somebody has to believe it, write it and have it approved
(the first public post of that day came 23 minutes after the fault). Posts come in the order of the findings, each with
the full delay, so a page can go on saying "operating normally" while everything burns; how long it did is measured
(`status_page` in measures.json).

    page {}      {state: "green" | "red", text, posted_s, posts}
    journal      status_post {state, text, found_s}

Probes are system work (operation 0). Probes of one component may overlap when they are slow: each counts when it ends.
A crash loses what was found and not yet posted, and the rule's memory; the page itself is kept. Leaves out: partial
states, posts about a single customer, and subscribers, who come to look just when the page has most to do.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator
from typing import Final, NamedTuple

from harness import seeds
from harness.flows.call import call
from harness.flows.client import Client
from harness.flows.wants import Answer, Flow, Request, Want
from harness.models.apps.base import AppRequest, Response
from harness.models.component import Brain, Given, refusal
from harness.models.status_rule import Rule, RuleSpec, on_probe, start
from harness.policies.client import ClientSpec

_PROBE = seeds.stream_id("status/probe")
GREEN, RED = "green", "red"
ALL_WELL = "All services operate normally."
# What a customer asks of each component, to see whether it works.
PROBES: Final[dict[str, Request]] = {
    "kv": Request("read", {"table": "users", "key": "0"}, write=False),
    "provider": Request("read", {"table": "users", "key": "0"}, write=False),
    "identity": Request("token", {"client": "status"}, write=False),
    "mobile_banking": Request("balance", {"user": 0}, write=False),
}


class StatusSpec(NamedTuple):
    """The knobs. Durations in seconds; `watches` are components out of PROBES."""

    watches: tuple[str, ...]
    probe_every_s: float
    rule: RuleSpec
    post_lag_s: float
    client: ClientSpec

    def complaint(self) -> str | None:
        """Why no page can be kept from this, or None."""
        unknown = [name for name in self.watches if name not in PROBES]
        if unknown:
            return f"status cannot watch {unknown[0]}; it has probes for {', '.join(PROBES)}; change depends_on"
        return None


class Post(NamedTuple):
    """One post; `found_s` is when the probes showed it, `due_s` when it goes up."""

    state: str
    text: str
    found_s: float
    due_s: float


class Status(Brain):
    """The brain of the health page. Times are seconds from the run's zero."""

    def __init__(self, spec: StatusSpec, given: Given) -> None:
        super().__init__(given.note)
        problem = spec.complaint()
        if problem is not None:
            raise ValueError(problem)
        self.spec = spec
        self.clients = {name: Client(spec.client, given.seed, f"status/{name}", given.now_s) for name in spec.watches}
        self.posted = Post(GREEN, ALL_WELL, given.now_s, given.now_s)
        self.posts_total = self.probes_total = self.probes_failed_total = self.pages_total = 0
        self._rules: dict[str, Rule] = {}
        self._next_s: dict[str, float] = {}
        self._found = GREEN, ALL_WELL
        self._coming: deque[Post] = deque()
        self._begin(given.now_s)

    def handle(self, request: AppRequest, now_s: float) -> Generator[Want, Answer, Response]:
        """The operation `page`."""
        yield from ()
        if request.operation != "page":
            return refusal(404, "unknown_operation", f"no {request.operation!r}; there is: page")
        self._put_up(now_s)
        self.pages_total += 1
        post = self.posted
        body = {"state": post.state, "text": post.text, "posted_s": post.due_s, "posts": self.posts_total}
        return Response(200, "", body)

    def background(self, now_s: float) -> list[Flow]:
        """Probes that are due; posts that are due go up."""
        self._put_up(now_s)
        for name, next_s in self._next_s.items():
            if next_s <= now_s:
                missed = math.floor((now_s - next_s) / self.spec.probe_every_s)
                self._next_s[name] = next_s + (missed + 1) * self.spec.probe_every_s
                self.start(self._probe(name, now_s))
        return super().background(now_s)

    def wake_s(self) -> float:
        """The next probe or post."""
        post_s = self._coming[0].due_s if self._coming else math.inf
        return min(super().wake_s(), post_s, *self._next_s.values())

    def crashed(self, now_s: float) -> None:
        """What was found is forgotten; the page stands."""
        super().crashed(now_s)
        self._coming.clear()
        self._next_s = {}

    def restarted(self, now_s: float) -> None:
        """Look anew, beginning with what the page says."""
        self._begin(now_s)

    def gauges(self, now_s: float) -> dict[str, float]:
        """`state` is what the page says (1 red), `found` what the probes say."""
        return {
            "state": float(self.posted.state == RED),
            "found": float(self._found[0] == RED),
            "posts_total": float(self.posts_total),
            "posts_pending": float(len(self._coming)),
            "probes_total": float(self.probes_total),
            "probes_failed_total": float(self.probes_failed_total),
            "pages_total": float(self.pages_total),
        }

    def _begin(self, now_s: float) -> None:
        every_s = self.spec.probe_every_s
        count = len(self.spec.watches)
        self._rules = {name: start() for name in self.spec.watches}
        self._next_s = {name: now_s + every_s * (n + 1) / count for n, name in enumerate(self.spec.watches)}
        self._found = self.posted.state, self.posted.text

    def _probe(self, name: str, now_s: float) -> Generator[Want, Answer, None]:
        self.probes_total += 1
        result = yield from call(
            self.clients[name], name, PROBES[name], op=0, layer=1, parent_id=0, call_no=_PROBE + self.probes_total,
            now_s=now_s, deadline_s=math.inf,
        )  # fmt: skip
        self.probes_failed_total += not result.ok
        self._rules[name] = on_probe(self.spec.rule, self._rules[name], result.ended_s, result.ok)
        self._find(result.ended_s)

    def _find(self, now_s: float) -> None:
        """Write a post when what the probes show is not what was last written."""
        bad = [name for name in self.spec.watches if self._rules[name].disturbed]
        found = (RED, f"We see errors when using {', '.join(bad)}.") if bad else (GREEN, ALL_WELL)
        if found != self._found:
            self._found = found
            self._coming.append(Post(*found, now_s, now_s + self.spec.post_lag_s))
            self._put_up(now_s)

    def _put_up(self, now_s: float) -> None:
        while self._coming and self._coming[0].due_s <= now_s:
            self.posted = post = self._coming.popleft()
            self.posts_total += 1
            self.note("status_post", state=post.state, text=post.text, found_s=post.found_s)
