"""A run as traces: every row is a span, every span hangs where its row says, and the real format reads it."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from harness.analyse import analyse
from harness.analyse.load_run import load
from harness.cli import run_words
from harness.errors import RunError, SpecError
from harness.plan import make_plan
from harness.record.folder import RunFolder
from harness.report import otlp
from harness.sim import simulate
from harness.spec.load import parse_experiment

TEXT = """
title: t
region: small
client: {deadline: 500ms, timeout: 200ms, attempts: 2}
load: {mobile_banking: {arrivals: {rate: 20/s}, users: 20}}
phases: {warm_up: 0s, baseline: 4s, outage: 2s, recovery: 4s, drain: 1s}
timeline:
  - {at: outage.start, do: kv.latency, with: {factor: 40, for: 2s}}
  - {at: outage.end, do: kv.drop_queue, fix: true}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    root = tmp_path_factory.mktemp("otlp")
    plan = make_plan(parse_experiment(TEXT, "t"), "base", 3, engine="world")
    folder = RunFolder.create(root, "t", "base", 3, "test")
    simulate(plan, folder)
    analyse(folder)
    return folder


class Collector:
    """Keeps what is posted to it, decoded by the protocol's own classes."""

    def __init__(self) -> None:
        collector = self
        self.spans: list[tuple[str, Any]] = []  # service, span

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    names = {a.key: a.value.string_value for a in resource.resource.attributes}
                    for scope in resource.scope_spans:
                        collector.spans += [(names["service.name"], span) for span in scope.spans]
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def received(folder: RunFolder) -> Iterator[list[tuple[str, Any]]]:
    with Collector() as collector:
        assert run_words(["export", str(folder.path), "--otlp", collector.url]) == 0
        yield collector.spans


def rows(folder: RunFolder, kind: str) -> int:
    return sum(file.rows.size for file in load(folder).of(kind))


def test_every_row_is_one_span_and_the_run_one_more(folder: RunFolder, received: list[tuple[str, Any]]) -> None:
    kinds = {kind: rows(folder, kind) for kind in ("operation", "attempt", "served")}
    assert min(kinds.values()) > 100
    assert len(received) == sum(kinds.values()) + 1
    assert len({span.span_id for _, span in received}) == len(received)


def test_every_parent_is_there_and_in_the_same_trace(received: list[tuple[str, Any]]) -> None:
    traces = {span.span_id: span.trace_id for _, span in received}
    inner = [span for _, span in received if span.parent_span_id]
    assert len(inner) > 200
    for span in inner:
        assert traces[span.parent_span_id] == span.trace_id
    served_by = {(service, span.name) for service, span in received if span.name.startswith("serve")}
    assert served_by == {("kv", "serve kv"), ("mobile_banking", "serve mobile_banking")}


def test_an_operation_is_a_trace_from_its_intended_start(folder: RunFolder, received: list[tuple[str, Any]]) -> None:
    file = load(folder).of("operation")[0]
    roots = sorted(
        span.start_time_unix_nano for service, span in received if service == "load" and not span.parent_span_id
    )
    zero_ns = folder.plan.stat().st_mtime_ns  # of a run in virtual time
    assert [at_ns - zero_ns for at_ns in roots] == sorted(file.rows["intended_ns"].tolist())


def test_the_run_s_own_span_has_the_timeline_and_the_verdict(
    folder: RunFolder, received: list[tuple[str, Any]]
) -> None:
    (whole,) = [span for service, span in received if service == "orchestrator"]
    facts = {attribute.key: attribute.value.string_value for attribute in whole.attributes}
    assert facts["blackstart.verdict"] == folder.read_json(folder.measures)["verdict"]
    told = [event.name for event in whole.events]
    assert [name for name in told if not name.startswith("phase")] == [
        "inject kv.latency", "heal kv.latency ends", "action kv.drop_queue", "fix kv.drop_queue",
    ]  # fmt: skip


def test_a_live_run_has_its_zero_from_the_manifest(folder: RunFolder, tmp_path: Path) -> None:
    run = load(folder)
    assert otlp.zero_ns(run) == folder.plan.stat().st_mtime_ns
    live = RunFolder(tmp_path)
    live.manifest.write_text(json.dumps({"started": "2025-10-20T06:47:59Z", "zero": "2025-10-20T06:48:00.250Z"}))
    assert otlp.zero_ns(run._replace(folder=live)) == 1_760_942_880_250_000_000


def test_a_collector_that_is_not_there_is_said_once(
    folder: RunFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        nobody = f"http://127.0.0.1:{sock.getsockname()[1]}"
    with pytest.raises(RunError, match="did not take spans 1 to 512; is an OTLP collector listening there for HTTP"):
        otlp.send(folder, nobody)
    assert capsys.readouterr().err == ""
    assert run_words(["export", str(folder.path), "--otlp", nobody]) == 4
    assert capsys.readouterr().err.count(os.linesep) == 1


@pytest.mark.parametrize("url", ["", "localhost:4318", "grpc://127.0.0.1:4317", "http://"])
def test_what_is_no_http_address_is_refused(url: str, folder: RunFolder) -> None:
    with pytest.raises(SpecError, match="is no HTTP address"):
        otlp.send(folder, url)


def test_a_path_that_is_given_is_kept() -> None:
    assert otlp.endpoint_of("http://127.0.0.1:4318") == "http://127.0.0.1:4318/v1/traces"
    assert otlp.endpoint_of("https://collector.test/otlp/v1/traces") == "https://collector.test/otlp/v1/traces"
