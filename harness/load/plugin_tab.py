"""The Recovery tab on the page of a Locust process that records somebody's own locustfile.

The tab is told of the tests that the page starts; judging is the session's. The report is written by a process of its
own when a test is over, because it draws charts, and this process may be making the next test's load by then.

Leaves out: choosing a variant. Its region is another process's, and its settings were read when Locust was started.
"""

from __future__ import annotations

import sys
from typing import Any

import gevent
from gevent import subprocess

from harness.errors import Exit, HarnessError, SpecError
from harness.load.find_run import check_port
from harness.load.plugin_session import PluginSession
from harness.load.plugin_settings import Settings
from harness.load.web import door, routes
from harness.load.web.tab import Tab
from harness.record.folder import RunFolder

REPORT_S_MAX = 120.0
_REPORT = "import os, sys; os.nice(5); from harness.cli import run_words; sys.exit(run_words(sys.argv[1:]))"


class PluginTab:
    """The tab of this process. Raises SpecError when the page's port is taken."""

    def __init__(self, web_ui: Any, settings: Settings) -> None:
        self._settings = settings
        base = getattr(settings.environment.parsed_options, "web_base_path", None) or ""
        facts = settings.facts()
        self._tab = Tab(base, [facts["variant"]], self._choose, by_hand=settings.by_hand)
        routes.attach(web_ui, base, self._tab)
        check_port(web_ui.host or door.HERE, web_ui.port)
        self._tab.start()
        self._tab.ready(facts)

    def begun(self, session: PluginSession) -> None:
        """A test began."""
        self._tab.begin(session.running())

    def say(self, detail: str) -> None:
        """Something went wrong, in words."""
        self._tab.say(detail)

    def over(self) -> None:
        """Its users are gone."""
        self._tab.over()

    def ended(self, folder: RunFolder, code: Exit) -> None:
        """It was judged. Told in the background: whoever stopped it need not wait for the report."""
        gevent.spawn(self._ended, folder, code)

    def stop(self) -> None:
        """The process is about to end."""
        self._tab.stop()

    def _ended(self, folder: RunFolder, code: Exit) -> None:
        try:
            measures, error = folder.read_json(folder.measures), ""
        except HarnessError as found:
            measures, error = None, str(found)
        self._tab.ended(measures, None, int(code), error)
        self._tab.ready(self._settings.facts())
        process: Any = subprocess.Popen(
            [sys.executable, "-c", _REPORT, "report", str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with gevent.Timeout(REPORT_S_MAX, exception=False):
            process.wait()
        if process.poll() is None:
            process.kill()
        elif folder.report.is_file():
            self._tab.reported(folder.report)

    def _choose(self, _: str) -> None:
        raise SpecError("the variant of this process was chosen when it was started; give another --blackstart-variant")
