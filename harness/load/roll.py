"""What is written down of the workers of one run: the moment one is lost, and in the end an account of each.

    journal.jsonl    {"kind": "process", "state": "lost", "name": "load-1", ...} as soon as it is known
    workers.json     share, scheduled = started + dropped, rows, missing, state and clock of each, and their sums

The account is taken from the rows that lie in the run's folder, not from what workers say they wrote: what was said by
somebody who is gone proves nothing. It is written when all are ready, so that others can look up who they are, and
again at the end.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from harness.load.clock import RunClock
from harness.load.member import Member, State
from harness.record.folder import RunFolder
from harness.record.journal import Journal

WORKERS_FILE = "workers.json"
GONE = (State.LOST, State.FAILED)
_COUNTS = ("share", "scheduled", "started", "dropped", "rows", "missing")
_log = logging.getLogger(__name__)


class Roll:
    """The record of `members` in a run's folder, from its zero on."""

    def __init__(self, folder: RunFolder, members: Sequence[Member], clock: RunClock) -> None:
        self._folder = folder
        self._members = members
        self._clock = clock
        self._journal = Journal(folder.journal, "load")
        self.complaints = 0  # workers that did not do their share

    def tell(self) -> None:
        """Write down who is gone since the last time."""
        for member in self._members:
            if member.state in GONE and not member.told:
                member.told = True
                of = f"of its {member.share} operations those without a row are missing"
                words = f"{member.name} is lost: {member.why}; {of}"
                self._journal.write(
                    self._clock.now_s(), "process", state="lost", name=member.name, pid=member.pid, why=member.why,
                    share=member.share, text=words,
                )  # fmt: skip
                self._complain(words)

    def settle(self, *, cut: bool) -> None:
        """Count what each brought home, and write it down. `cut`: shares were not to be played to their ends."""
        self.tell()
        for member in self._members:
            for words in member.settle(self._folder, cut=cut):
                self._journal.write(self._clock.now_s(), "note", text=words)
                self._complain(words)
        write(self._folder, self._members)

    def close(self) -> None:
        """Release the journal."""
        self._journal.close()

    def _complain(self, words: str) -> None:
        self.complaints += 1
        _log.error("%s", words)


def write(folder: RunFolder, members: Sequence[Member]) -> None:
    """`workers.json`: what is known of each worker by now."""
    known = [member.to_json() for member in members]
    total = {key: sum(entry[key] or 0 for entry in known) for key in _COUNTS}
    lost = [member.name for member in members if member.state in GONE]
    folder.write_json(folder.path / WORKERS_FILE, {"schema_version": 1, "workers": known, "lost": lost, **total})
