"""Shapes under a real Locust runner; prints one JSON object. A process of its own, because importing Locust patches it.

The time of the shape is set, not waited for; what is waited for is Locust's own tick.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import gevent
from locust import User, task
from locust.env import Environment

from locustfiles import shapes


class Waiting(User):
    """Somebody who is there, and no more."""

    @task
    def wait(self) -> None:
        """Be there."""
        gevent.sleep(60.0)


class Other(Waiting):
    """Somebody else."""


def environment_of(shape: Any) -> Any:
    """An environment of both classes, with the shape's options."""
    environment: Any = Environment(user_classes=[Waiting] if shape else [Waiting, Other], shape_class=shape)
    environment.parsed_options = SimpleNamespace(
        shape="spike", shape_period=20.0, num_users=40, run_time=None, spawn_rate=1.0, headless=False
    )
    runner = environment.create_local_runner()
    if shape:
        shape.runner = runner
    return environment


def until(users: int, environment: Any) -> None:
    """Wait for so many users."""
    with gevent.Timeout(20.0):
        while environment.runner.user_count != users:
            gevent.sleep(0.005)


def spawned() -> dict[str, Any]:
    """All of a stage are there after one tick, and are gone after one."""
    shape: Any = shapes.Shape()
    environment = environment_of(shape)
    at, asked = SimpleNamespace(t_s=0.0), []
    tick = shape.tick

    def watched() -> Any:
        answer = tick()
        asked.append([at.t_s, *answer])
        return answer

    shape.tick, shape.get_run_time = watched, lambda: at.t_s
    environment.runner.start_shape()
    until(40, environment)
    there = len(asked)
    at.t_s = 10.0
    until(0, environment)
    environment.runner.quit()
    return {"ticks_until_there": there, "asked": asked}


def picked() -> list[dict[str, int]]:
    """Users by class, stage by stage, when each stage names one class."""
    environment = environment_of(None)
    counts = []
    for wanted in ([Waiting], [Other]):
        environment.runner.start(4, 100.0, user_classes=wanted)
        environment.runner.spawning_greenlet.join()
        until(4, environment)
        counts.append(dict(environment.runner.user_classes_count))
    environment.runner.quit()
    return counts


def unknown() -> bool:
    """Whether an unknown shape, as Locust's page may ask for, ends the test."""
    shape: Any = shapes.Shape()
    environment_of(shape).parsed_options.shape = "bogus"
    return shape.tick() is None


sys.stdout.write(json.dumps({**spawned(), "picked": picked(), "ended": unknown()}))
