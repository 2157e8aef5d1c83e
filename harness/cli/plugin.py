"""`blackstart plugin`: the path of the file that makes Locust record anyone's locustfile."""

from __future__ import annotations

from pathlib import Path

import typer

import harness


def plugin() -> int:
    """Print the file that records anyone's locustfile: locust -f their.py,$(blackstart plugin)"""
    typer.echo(str(Path(harness.__file__).parent / "load" / "plugin.py"))
    return 0
