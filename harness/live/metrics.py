"""`/metrics` of a whole run, on one port that stays the same from run to run.

Every service answers `/metrics` on its own control port, in the run's own network, which is another one each time: good
for a look with curl, useless in a scrape configuration. `--metrics-port` has the orchestrator expose all it reads
anyway, four times a second, on 127.0.0.1: each component's gauges, and of the run

    blackstart_run_info{experiment,variant,seed,engine}     1
    blackstart_run_time_seconds                             since the run's zero
    blackstart_run_phase{phase}                             1 for the phase that it is
    blackstart_run_edges_total, blackstart_run_fixed        timeline entries carried out; 1 once the fix is done
    blackstart_run_canary_up                                1 while the outside probe is answered

It listens to the events that the progress line listens to, and decides nothing. A scrape reads what was read last, so
scraping costs the services nothing. Not here: histories (that is Prometheus' work), and verdicts (`measures.json`).
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from harness.errors import SpecError
from harness.live.events import Edge, Event, PhaseBegan, Probed, Tick
from harness.plan import Plan
from harness.record.exposition import families

if TYPE_CHECKING:
    from prometheus_client.core import Metric

HOST = "127.0.0.1"


class MetricsPort:
    """The port of one run; `hear` takes its events. Also a collector, as prometheus-client calls them."""

    def __init__(self, plan: Plan, port: int) -> None:
        self._plan = plan
        self._port = port
        self._readings: dict[str, dict[str, float]] = {}
        self._now_s = 0.0
        self._phase = ""
        self._edges = 0
        self._fixed = False
        self._canary_up: bool | None = None
        self._server: Any = None
        self._thread: Any = None

    def __enter__(self) -> MetricsPort:
        from prometheus_client import CollectorRegistry, start_http_server

        registry = CollectorRegistry()
        registry.register(self)
        try:
            self._server, self._thread = start_http_server(self._port, HOST, registry)
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be bound ({error.strerror})"
            raise SpecError(f"--metrics-port: {HOST}:{self._port} {why}; name another port, or leave it out") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def hear(self, event: Event) -> None:
        """Keep what an event says; a scrape on another thread sees whole readings, the old ones or the new."""
        match event:
            case PhaseBegan(name=name):
                self._phase = name
            case Edge(fix=fix):
                self._edges += 1
                self._fixed = self._fixed or fix
            case Probed(ok=ok):
                self._canary_up = ok
            case Tick(t_s=t_s, readings=readings):
                fresh: dict[str, dict[str, float]] = {}
                for (component, gauge), value in readings.items():
                    fresh.setdefault(component, {})[gauge] = value
                self._readings, self._now_s = fresh, t_s
            case _:
                pass

    def collect(self) -> Iterator[Metric]:
        """All families of this moment."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

        plan = self._plan
        what = {"experiment": plan.name, "variant": plan.variant, "seed": str(plan.seed), "engine": plan.engine}
        yield InfoMetricFamily("blackstart_run", "what is being run", what)
        yield GaugeMetricFamily("blackstart_run_time_seconds", "time since the run's zero", self._now_s)
        phase = GaugeMetricFamily("blackstart_run_phase", "1 for the phase that the run is in", labels=["phase"])
        for span in plan.phases:
            phase.add_metric([span.name], float(span.name == self._phase))
        yield phase
        yield CounterMetricFamily("blackstart_run_edges", "timeline entries carried out", self._edges)
        yield GaugeMetricFamily("blackstart_run_fixed", "1 once the fix has been carried out", float(self._fixed))
        if self._canary_up is not None:
            yield GaugeMetricFamily("blackstart_run_canary_up", "1 while the probe is answered", float(self._canary_up))
        yield from families(self._readings)
