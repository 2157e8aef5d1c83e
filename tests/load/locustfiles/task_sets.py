"""Nested TaskSets, left with interrupt, as a visitor of a forum walks."""

from locust import HttpUser, TaskSet, constant, task


class Forum(TaskSet):
    def on_start(self):
        self.client.get("/forum")

    @task(5)
    def read(self):
        self.client.get("/forum/thread")

    @task(1)
    class Write(TaskSet):
        @task
        def write(self):
            self.client.post("/forum/new", data={"text": "hello"})
            self.interrupt()

    @task(1)
    def leave(self):
        self.interrupt(reschedule=False)


class Visitor(HttpUser):
    wait_time = constant(0.02)
    tasks = {Forum: 2}  # noqa: RUF012 - as Locust's documentation has it

    @task
    def front(self):
        self.client.get("/")
