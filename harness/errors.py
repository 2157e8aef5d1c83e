"""What can go wrong, split by who must act, and the exit code each one ends in.

    HarnessError            exit 4   anything below, or our machinery failed
      SpecError             exit 2   the experiment file or the command line is wrong (a page's port that is taken,
                                     too, since the command line chose it): edit it
      RunError              exit 4   the world got in the way: no network free, a child died, disk full
        NotReady            exit 4   a process never said it was up
      RecordError           exit 2   a run folder or row file cannot be read as one
      InvalidRun            exit 3   it ran, but the record cannot support a verdict
      StopCondition         exit 5   a `stop_when` line fired

A broken invariant of ours is an AssertionError, on purpose. Every message says where, what was found, what is
allowed and what to do; the message, not the class, carries the knowledge.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every `blackstart` word; small, stable, documented."""

    PASS = 0
    CRITERION_FAILED = 1  # an `expect` line failed or a measure got worse
    USAGE = 2  # the experiment file or the command line is wrong
    INVALID = 3  # measured, but it cannot support a verdict
    MACHINERY = 4  # our own failure, not the system under test
    STOPPED = 5  # a stop condition fired
    INTERRUPTED = 130  # SIGINT, after undo
    TERMINATED = 143  # SIGTERM, after undo


class HarnessError(Exception):
    """Root of every error a person is meant to read; printed without a traceback."""

    exit_code: Exit = Exit.MACHINERY


class SpecError(HarnessError):
    """The experiment file or the command line is wrong; the person who wrote it must act."""

    exit_code = Exit.USAGE


class RunError(HarnessError):
    """The world got in the way of a run; what was recorded is kept."""


class NotReady(RunError):
    """A process did not report itself ready in time, or died before it did."""


class RecordError(HarnessError):
    """A run folder or row file cannot be read as one."""

    exit_code = Exit.USAGE


class InvalidRun(HarnessError):
    """The run was measured, but its record cannot support a verdict."""

    exit_code = Exit.INVALID


class StopCondition(HarnessError):
    """A `stop_when` line fired; the run was ended early and everything undone."""

    exit_code = Exit.STOPPED
