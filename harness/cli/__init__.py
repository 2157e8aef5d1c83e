"""The command line: one word, one call, one exit code.

    check  policies  apps    read and explain, touch nothing
    run  serve  web  compare do
    simulate                 do, in virtual time
    sweep  threshold         do many, and find where recovery stops
    reproduce                find published results again
    explore                  search every order of steps of the DNS automation
    gate  baseline           decide
    analyse  report  export  look again at what a run left behind
    history                  look at many of them
    doctor                   look at this machine

Each word is one module of this package with one function of its name, imported only when the word is used: a command
line that loads every engine to print its help costs more than most of its words. Errors a person is meant to read
(`HarnessError`) become one message on stderr and their own exit code; anything else is our fault, exits 4 and leaves
its traceback in a file. Results go to stdout, progress to stderr, so that `--json` can be piped.
"""

from __future__ import annotations

import sys
import tempfile
import traceback
from pathlib import Path

from harness.errors import Exit, HarnessError

WORDS: dict[str, str] = {
    "check": "Check an experiment file and print its plan as a timetable.",
    "run": "Run an experiment on real sockets and judge how it recovered.",
    "simulate": "Run an experiment in virtual time and judge it the same way.",
    "sweep": "Run it over many settings and seeds in virtual time, and draw where it recovers.",
    "threshold": "Find the critical value of one key, with an interval.",
    "reproduce": "Find published results again, in one table.",
    "explore": "Search every interleaving of the DNS automation, for each fix of its race.",
    "compare": "Run variants, or read run folders, and compare their recoveries.",
    "gate": "Answer every criterion of an experiment from its runs, for CI: pass, fail or unsure.",
    "baseline": "Save runs as a reviewed baseline, list baselines, or say what got worse since.",
    "analyse": "Measure a run folder again.",
    "report": "Write the report of a run folder again, or a post-event summary of it.",
    "export": "Write a run's rows as Parquet or CSV.",
    "history": "List what many runs were worth, keep it in one file, and draw the trend.",
    "serve": "Start a region alone, for your own load, until Ctrl-C.",
    "web": "Start a region and Locust's page with a Recovery tab: live curves, buttons, verdict.",
    "plugin": "Print the file that makes Locust record and judge anyone's locustfile.",
    "policies": "List the client and server policies an experiment can name.",
    "apps": "List the apps that depend on the region, what they are worth and what they fall back to.",
    "incidents": "List real outages that can be run, each with what set it off, kept it going and ended it.",
    "doctor": "Say whether this machine can hold a run.",
}


def main() -> None:
    """The `blackstart` command: run one word and exit with its code."""
    sys.exit(run_words(sys.argv[1:]))


def run_words(arguments: list[str]) -> int:
    """Run one command line; the exit code. Messages go to stderr."""
    try:
        return _dispatch(arguments)
    except HarnessError as error:
        _complain(str(error))
        return int(error.exit_code)
    except KeyboardInterrupt:
        _complain("interrupted")
        return int(Exit.INTERRUPTED)
    except BrokenPipeError:  # the reader of our output left; there is nobody to tell
        sys.stderr.close()
        return int(Exit.PASS)
    except Exception as error:  # our own mistake: keep the evidence, spare the person the traceback
        _complain(f"{type(error).__name__}: {error}; a defect of blackstart, its traceback is in {_keep_traceback()}")
        return int(Exit.MACHINERY)


def _dispatch(arguments: list[str]) -> int:
    from harness.cli.words import command_line  # typer only once it is needed

    return command_line(WORDS, arguments)


def _complain(message: str) -> None:
    sys.stderr.write(f"blackstart: {message}\n")


def _keep_traceback() -> Path:
    with tempfile.NamedTemporaryFile("w", prefix="blackstart-", suffix=".traceback", delete=False) as file:
        file.write(traceback.format_exc())
    return Path(file.name)
