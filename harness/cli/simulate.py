"""`blackstart simulate FILE`: the same experiment in virtual time, in seconds instead of its own length."""

from __future__ import annotations

from pathlib import Path

from harness.cli.run import WORLD, AsJson, File, NoReport, Repeat, Runs, Seed, Variants, run_file


def simulate(
    file: File,
    variant: Variants = None,
    seed: Seed = None,
    runs: Runs = Path("runs"),
    repeat: Repeat = None,
    as_json: AsJson = False,
    no_report: NoReport = False,
) -> int:
    """Run an experiment in virtual time and judge how it recovered, exactly as a live run is judged."""
    return run_file(WORLD, file, variant or [], seed, repeat, runs, as_json, not no_report)
