"""Several user classes: weights, a fixed count, an abstract base, and one that is not HTTP."""

import time

from locust import FastHttpUser, HttpUser, User, constant, task


class Base(HttpUser):
    abstract = True
    wait_time = constant(0.03)


class Reader(Base):
    weight = 3

    @task
    def read(self):
        self.client.get("/read")


class Writer(FastHttpUser):
    weight = 1
    wait_time = constant(0.03)

    @task
    def write(self):
        self.client.post("/write", json={"n": 1})


class Administrator(Base):
    fixed_count = 1

    @task
    def report(self):
        self.client.get("/report")


class Clock(User):
    wait_time = constant(0.1)

    @task
    def measure(self):
        with self.environment.events.request.measure("CLOCK", "sleep"):
            time.sleep(0.01)
