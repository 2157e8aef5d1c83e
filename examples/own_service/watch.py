"""One more user, who reads the store itself once a second.

A user with a host in the served region is what tells the recorder which region to break, and their operations show how
the store did without your service in between.
"""

from __future__ import annotations

from locust import FastHttpUser, constant_throughput, task


class Watcher(FastHttpUser):
    """Reads one item."""

    host = "http://kv.region.test:8000"
    fixed_count = 1
    wait_time = constant_throughput(1)
    network_timeout = 1.0

    @task
    def read(self) -> None:
        """One read."""
        self.client.post("/read", json={"table": "carts", "key": "0"}, name="/read")
