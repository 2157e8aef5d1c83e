"""`incident` of an experiment file: the real outage that it is modelled on, and where that is told.

    incident:
      name: AWS EBS
      who: AWS
      date: "2011-04-21"
      trigger: traffic of one zone was shifted to a network of low capacity
      sustaining: volumes without mirrors searched for room again and again
      ended: control requests to the zone were disabled and capacity was added; days
      lesson: back off while there is no room
      sources: [https://aws.amazon.com/message/65648/]
      unsure: what the record does not tell                  may be left out
      published:                                             may be left out: when its parts were well again
        - {id: leases, what: leases of all servers, blocked: 266min, until: 340min, after: restarted,
           ours: compute.leased > 107, fitted: compute.leases.tick}

A metastable failure is two things: what set it off, and what keeps it going once that is gone. A story that names only
the first teaches the wrong lesson, so both are asked for.

`published` has one line for each part whose recovery was published, in times of the event since its fault: what stood
in the way was gone at `blocked`, and the part was well at `until`. `after` is what is that moment in a run: the `id` of
an entry of the timeline, or of another line, whose end it then is. `ours` says how a run shows that the part is well:

    compute.leased > 107                           a gauge is beyond a number (of a gauge in seconds: "< 4min", in times
                                                   of the event) and stays there `for` so long
    balancer.no_capacity_total still               a counter has stopped
    no address for kv                              nobody is without an address any more

`fitted` names the knob that was set so that the two agree; only a line without it is a test of the model. `missing`
says why there is no `ours`. The key says what a file is about and nothing about what is
run: it is no part of the fingerprint, and no variant may patch it.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, NamedTuple

from pydantic import Field, model_validator

from harness import units
from harness.spec.values import Duration, Model

Line = Annotated[str, Field(min_length=1)]
_OURS: Final = re.compile(
    r"^(?:no address for (?P<target>\w+)|(?P<gauge>\w+\.\w+) (?:(?P<side>[<>]) (?P<line>\S+)|still))$"
)


class Sign(NamedTuple):
    """How a run shows that a part is well. A counter that is `still` has nan for its line; `target`: see the module."""

    component: str = ""
    gauge: str = ""
    above: bool = False
    line: float = 0.0  # of a gauge in seconds: seconds of the event
    still: bool = False
    target: str = ""


def read_sign(text: str) -> Sign:
    """The sign in `text`. Raises ValueError with what is allowed."""
    found = _OURS.match(text)
    if found is None:
        raise ValueError(
            f"{text!r} is no sign; write 'compute.leased > 107', 'network.oldest_change_s < 4min', "
            "'dns.empty_answers_total still' or 'no address for kv'"
        )
    if found["target"]:
        return Sign(target=found["target"])
    component, _, gauge = found["gauge"].partition(".")
    if found["side"] is None:
        return Sign(component, gauge, still=True)
    line = units.duration_s(found["line"]) if gauge.endswith("_s") else float(found["line"])
    return Sign(component, gauge, found["side"] == ">", line)


class Published(Model):
    """When one part was well again, as it was published; see the module."""

    id: Line
    what: Line
    blocked_s: Duration = Field(alias="blocked")
    until_s: Duration = Field(alias="until")
    after: str = ""
    ours: str = ""
    for_s: Duration = Field(default=300.0, alias="for")
    fitted: str = ""
    missing: str = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> Published:
        if not self.blocked_s <= self.until_s:
            raise ValueError(f"{self.id} was well before what stood in its way was gone; exchange blocked and until")
        if bool(self.ours) == bool(self.missing):
            raise ValueError(f"{self.id} needs exactly one of ours (how a run shows it) and missing (why none does)")
        if self.ours:
            read_sign(self.ours)
        return self


class Incident(Model):
    """One outage, as those who had it told it. `unsure` is what they did not, and what was assumed instead."""

    name: Line
    who: Line
    date: Annotated[str, Field(pattern=r"^[12]\d{3}(-[01]\d(-[0-3]\d)?)?$")]  # as much as is known
    trigger: Line
    sustaining: Line
    ended: Line
    lesson: Line
    sources: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    unsure: str = ""
    published: Annotated[tuple[Published, ...], Field(strict=False)] = ()

    @property
    def year(self) -> int:
        """The year in which it began."""
        return int(self.date[:4])
