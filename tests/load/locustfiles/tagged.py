"""Tags on tasks, for --tags and --exclude-tags."""

from locust import HttpUser, constant, tag, task


class TaggedUser(HttpUser):
    wait_time = constant(0.02)

    @tag("wanted")
    @task
    def wanted(self):
        self.client.get("/wanted")

    @tag("wanted", "slow")
    @task
    def slow(self):
        self.client.get("/slow")

    @task
    def unwanted(self):
        self.client.get("/unwanted")
