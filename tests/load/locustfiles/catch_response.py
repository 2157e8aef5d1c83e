"""catch_response: an error called a success, a good answer called a failure, and throttling left as it is."""

from locust import HttpUser, constant, task


class Checker(HttpUser):
    wait_time = constant(0.02)

    @task
    def overridden(self):
        with self.client.get("/status/404", catch_response=True) as response:
            if response.status_code == 404:
                response.success()
        with self.client.get("/hello", catch_response=True) as response:
            response.failure("not the greeting that was asked for")

    @task
    def plain(self):
        self.client.get("/status/500")
        self.client.get("/status/429")
        with self.client.get("/hello", catch_response=True) as response:
            response.raise_for_status()
        raise ValueError("a task may raise, and its user goes on")
