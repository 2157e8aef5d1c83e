"""Your locustfile, as it is: nothing in it knows of Blackstart."""

from __future__ import annotations

import random

from locust import FastHttpUser, constant_throughput, task


class Customer(FastHttpUser):
    """Looks into the cart once a second."""

    host = "http://127.0.0.1:8080"
    wait_time = constant_throughput(1)
    network_timeout = 2.0

    @task
    def look(self) -> None:
        """One look."""
        self.client.get(f"/cart/{random.randrange(1000)}", name="/cart")
