"""A SequentialTaskSet: first a basket, then a payment, then an end of the user that is meant."""

from locust import HttpUser, SequentialTaskSet, constant_pacing, task
from locust.exception import StopUser


class Purchase(SequentialTaskSet):
    @task
    def basket(self):
        self.client.put("/basket", json={"item": 1})

    @task
    def pay(self):
        self.client.post("/pay", json={"amount": 10})

    @task
    def leave(self):
        self.client.delete("/basket")
        self.user.purchases += 1
        if self.user.purchases == 4:
            raise StopUser


class Shopper(HttpUser):
    wait_time = constant_pacing(0.05)
    purchases = 0
    tasks = [Purchase]  # noqa: RUF012 - as Locust's documentation has it
