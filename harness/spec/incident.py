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

A metastable failure is two things: what set it off, and what keeps it going once that is gone. A story that names only
the first teaches the wrong lesson, so both are asked for. The key says what a file is about and nothing about what is
run: it is no part of the fingerprint, and no variant may patch it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.spec.values import Model

Line = Annotated[str, Field(min_length=1)]


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

    @property
    def year(self) -> int:
        """The year in which it began."""
        return int(self.date[:4])
