"""A LoadTestShape in stages, which decides itself when the test is over."""

from locust import FastHttpUser, LoadTestShape, constant, task


class ShapedUser(FastHttpUser):
    wait_time = constant(0.02)

    @task
    def get(self):
        self.client.get("/shaped")


class Stages(LoadTestShape):
    stages = [(1.5, 4, 50), (3.0, 10, 50), (4.0, 2, 50)]  # noqa: RUF012 - as Locust's documentation has it

    def tick(self):
        run_time = self.get_run_time()
        for until, users, rate in self.stages:
            if run_time < until:
                return users, rate
        return None
