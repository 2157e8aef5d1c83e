"""The file to give to Locust beside anyone's locustfile, so that its load is recorded and judged:

    locust -f their.py,$(blackstart plugin) --headless -u 20 -r 20 -t 60s -H http://127.0.0.1:8080

It must be a file, because Locust takes plugins in no other way: it finds its locustfiles before it parses options, and
looks for no entry points. So an option `--blackstart` could not be heard by anyone, unless something of Locust were
patched; a file named with `-f` is imported in time, and from the path of this package no copy can be out of date.

Locust imports a locustfile under its bare name with its folder first on the path, and without user classes it may be
imported once more, by pytest. So this file does nothing of its own but to attach, which is done once however often it
is asked for. With this file first in the list, it also has a say when the other one cannot be imported; with it last,
that is Locust's own exit 1.
"""

from __future__ import annotations

from harness.load.plugin_hooks import attach

attach()
