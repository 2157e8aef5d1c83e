"""A quickstart: one HttpUser, weighted tasks, names that group URLs, a log-in in on_start."""

from locust import HttpUser, between, task


class QuickstartUser(HttpUser):
    wait_time = between(0.02, 0.06)

    @task
    def hello_world(self):
        self.client.get("/hello")
        self.client.get("/world")

    @task(3)
    def view_items(self):
        for item_id in range(3):
            self.client.get(f"/item?id={item_id}", name="/item")

    def on_start(self):
        self.client.post("/login", json={"username": "foo", "password": "bar"})
