"""A FastHttpUser that fetches the parts of a page at once, from greenlets of its own."""

from gevent.pool import Pool
from locust import FastHttpUser, constant, task


class PageUser(FastHttpUser):
    wait_time = constant(0.05)

    @task
    def page(self):
        self.client.get("/page")
        pool = Pool(4)
        for part in ("style", "script", "image", "font"):
            pool.spawn(self.client.get, f"/part/{part}", name="/part")
        pool.join()

    @task
    def missing(self):
        with self.rest("GET", "/json") as response:
            if response.js is None or "n" not in response.js:
                response.failure("no number in the answer")
