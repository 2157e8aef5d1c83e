"""Your service, as small as it can be: it answers GET /cart/<user> by asking a table store, and tries again at once.

python examples/own_service/shop.py 127.10.0.1:8000     with the store's address, as `blackstart serve` prints it
"""

from __future__ import annotations

import json
import sys
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STORE = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8000"
TRIES = 3
TIMEOUT_S = 0.5


def cart_of(user: str) -> bytes:
    """What the store has for a user. Raises OSError or HTTPException when every try failed."""
    body = json.dumps({"table": "carts", "key": user})
    for left in reversed(range(TRIES)):
        store = HTTPConnection(STORE, timeout=TIMEOUT_S)
        try:
            store.request("POST", "/read", body, {"Content-Type": "application/json"})
            return store.getresponse().read()
        except (OSError, HTTPException):
            if not left:
                raise
        finally:
            store.close()
    raise AssertionError("there is at least one try")


class Shop(BaseHTTPRequestHandler):
    """One route."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The cart, or 503 when the store cannot be asked."""
        try:
            status, body = 200, cart_of(self.path.rpartition("/")[2])
        except (OSError, HTTPException) as error:
            status, body = 503, str(error).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: there are a hundred a second."""


if __name__ == "__main__":
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer(("127.0.0.1", 8080), Shop).serve_forever()
