"""Run one component of a region, or several, each in a process of its own.

python -m mock_services --run DIR --component NAME        this process becomes the component
python -m mock_services --run DIR --components NAME,...   it forks one process for each, says which, and ends
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mock_services.shell import main
from mock_services.warm import fork_each

parser = argparse.ArgumentParser(prog="python -m mock_services", description="Run components of a run's region.")
parser.add_argument("--run", type=Path, required=True, metavar="DIR", help="run folder (plan.json, region.json, token)")
which = parser.add_mutually_exclusive_group(required=True)
which.add_argument("--component", metavar="NAME", help="which component of the region, as in kv")
which.add_argument("--components", metavar="NAME,...", help="several; each in a process of its own")
arguments = parser.parse_args()
names = arguments.components.split(",") if arguments.components else []
name: str | None = fork_each(arguments.run, names) if names else arguments.component
sys.exit(main(arguments.run, name) if name is not None else 0)
