"""Run one component of a region: `python -m mock_services --run DIR --component NAME`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mock_services.shell import main

parser = argparse.ArgumentParser(prog="python -m mock_services", description="Run one component of a run's region.")
parser.add_argument("--run", type=Path, required=True, metavar="DIR", help="run folder (plan.json, region.json, token)")
parser.add_argument("--component", required=True, metavar="NAME", help="which component of the region, as in kv")
arguments = parser.parse_args()
sys.exit(main(arguments.run, arguments.component))
