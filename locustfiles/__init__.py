"""One story a file, runnable with plain `locust -f FILE` against `blackstart serve`."""
