"""`airline`: from its knobs to its brain."""

from __future__ import annotations

from harness.build.owing import app_spec, outbox_spec, owing_spec
from harness.models.apps.airline import Airline, AirlineSpec, SolverSpec
from harness.models.apps.windows import WindowSpec
from harness.models.component import Given
from harness.models.outbox import OutboxSpec
from harness.spec.components import airline

CHANGES_MAX = 100_000  # open at once


def brain(knobs: airline.Airline, given: Given) -> Airline:
    """The app. Raises ValueError for what cannot work together."""
    windows, solver = knobs.windows, knobs.solver
    spec = AirlineSpec(
        app=app_spec("airline", knobs),
        owing=owing_spec(knobs),
        windows=WindowSpec(windows.groups, windows.every_s, windows.lead_s),
        solver=SolverSpec(solver.base_s, solver.k, solver.horizon),
        crew=OutboxSpec(solver.solvers, None, solver.retry_wait_s, CHANGES_MAX),
        paper=outbox_spec(knobs.paper),
        manual_per_s=knobs.fallbacks.manual_per_s,
        manual_room=knobs.fallbacks.manual_room,
        pass_stale_s=knobs.fallbacks.stale_pass_s,
    )
    return Airline(spec, given)
