"""A run as traces, sent to a collector after the run: one trace per operation, one span per attempt and per service.

Tracing while a run is measured would cost the processes what is being measured, and sampling would lose the operations
that matter. The rows hold every operation, attempt and served request with its parent, so the traces are made from
them afterwards, complete, and as often as wanted:

    operation (from its intended start)  >  attempt (caller's side)  >  serve (server's side)  >  attempt ...

Span ids are the rows' own ids, so `attempt` 123 of a row file is span 000000000000007b. Work on nobody's behalf (a
replay, the outside probe) hangs under the operation that it makes up for, or is a trace of its own. One more trace, of
the run itself, has the timeline's entries and the phases as events, and the verdict among its attributes.

Times are wall time: the run's zero as its manifest has it. A run in virtual time has no such moment; it is laid where
its folder was made. Memory holds one piece of a table, and two numbers for each attempt.

Needs the extra `otel`. Source: OpenTelemetry, OTLP specification 1.x over HTTP; encoding and retries are the SDK's.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import numpy as np

from harness.analyse.load_run import Run, load
from harness.analyse.tables import Piece, pieces
from harness.errors import RecordError, RunError, SpecError
from harness.record.folder import RunFolder

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

TIMEOUT_S = 5.0  # for one batch, its repetitions included
_BATCH = 512  # spans; the SDK's own default
_LOW = (1 << 64) - 1
_RUN_OP = 0  # operations are numbered from 1
_FINE = frozenset({"good", "ok"})
_EVENTS = frozenset({"phase", "inject", "heal", "action", "fix", "stop"})


class Span(NamedTuple):
    """What is to be sent of one span. Times are nanoseconds from the run's zero; `op` tells the trace."""

    name: str
    service: str
    kind: str  # "INTERNAL", "CLIENT" or "SERVER"
    op: int
    number: int
    parent: int  # 0 for none
    start_ns: int
    end_ns: int
    fine: bool
    attributes: dict[str, Any]
    events: tuple[tuple[str, int], ...] = ()


def send(folder: RunFolder, url: str) -> tuple[int, list[str]]:
    """Send every span of a run; how many, and sentences about rows that could not be read whole.

    Raises RecordError for what is no run, SpecError for a URL that is none or without the extra, RunError when the
    collector does not take them; what it took until then it has.
    """
    endpoint = endpoint_of(url)
    if importlib.util.find_spec("opentelemetry.exporter") is None:
        raise SpecError("export: --otlp needs the extra `otel`, which is not installed; pip install 'blackstart[otel]'")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import SpanExportResult

    run = load(folder)
    maker = _Maker(run)
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # what fails is said once, below
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=TIMEOUT_S)
    sent = 0
    try:
        waiting = iter(spans(run))
        while batch := [maker.made(span) for span in islice(waiting, _BATCH)]:
            if exporter.export(batch) is not SpanExportResult.SUCCESS:
                raise RunError(
                    f"export: {endpoint} did not take spans {sent + 1} to {sent + len(batch)}; is an OTLP collector "
                    "listening there for HTTP (port 4318, not the gRPC port 4317)?"
                )
            sent += len(batch)
    finally:
        exporter.shutdown()  # type: ignore[no-untyped-call]
    return sent, list(run.problems)


def endpoint_of(url: str) -> str:
    """Where traces go: the URL as given, or its `/v1/traces`. Raises SpecError for what is no HTTP URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SpecError(f"export: --otlp {url!r} is no HTTP address; give one as in http://127.0.0.1:4318")
    return urlunsplit(parts._replace(path="/v1/traces")) if parts.path in ("", "/") else url


def spans(run: Run) -> Iterator[Span]:
    """Every span of a run: its own first, then operations, attempts and served requests."""
    yield _whole(run)
    end_ns = round(run.end_s * 1e9)
    for row in _rows(run, "operation"):
        due_ns, until_ns = row["intended_ns"], row["finished_ns"]
        yield Span(
            row["story"], "load", "INTERNAL", row["op"], _root(row["op"]), 0, due_ns,
            end_ns if until_ns is None else until_ns, row["outcome"] in _FINE,
            {"app": row["app"], "outcome": row["outcome"], "attempts": row["attempts"], "worker": row["worker"],
             "start_lag_ns": None if row["started_ns"] is None else row["started_ns"] - due_ns},
        )  # fmt: skip
    for row in _rows(run, "attempt"):
        op = row["op"] or row["attempt"]  # on nobody's behalf: a trace of its own
        yield Span(
            f"call {row['target']}", _caller(row["writer"]), "CLIENT", op, row["attempt"],
            row["parent"] or (_root(row["op"]) if row["op"] else 0), row["sent_ns"] or 0,
            end_ns if row["ended_ns"] is None else row["ended_ns"], row["result"] in _FINE,
            {"target": row["target"], "layer": row["layer"], "try": row["n"], "result": row["result"],
             "cause": row["cause"], "http.response.status_code": row["status"]},
        )  # fmt: skip
    op_of = _Operations(run)
    for row in _rows(run, "served"):
        attempt = row["attempt"]
        yield Span(
            f"serve {row['component']}", row["component"], "SERVER", op_of.of(attempt) or attempt,
            _other(attempt), attempt, row["arrived_ns"] or 0,
            end_ns if row["ended_ns"] is None else row["ended_ns"], row["began_ns"] is not None,
            {"service_ns": row["service_ns"], "abandoned": row["abandoned"],
             "waited_ns": None if row["began_ns"] is None else row["began_ns"] - row["arrived_ns"]},
        )  # fmt: skip


def _whole(run: Run) -> Span:
    """The run itself."""
    plan = run.plan
    known = ("experiment", "variant", "seed", "engine", "fingerprint")
    facts = {f"blackstart.{key}": plan[key] for key in known if key in plan}
    try:
        measures = run.folder.read_json(run.folder.measures)
        facts |= {"blackstart.verdict": measures.get("verdict"), "blackstart.why": measures.get("verdict_reason")}
    except RecordError:
        pass  # not judged yet
    told = tuple(
        (f"{entry['kind']} {entry.get('what') or entry.get('name') or ''}".strip(), round(float(entry["t_s"]) * 1e9))
        for entry in run.journal
        if entry.get("who") == "orchestrator" and entry["kind"] in _EVENTS
    )
    name = f"run {plan['experiment']} / {plan['variant']}"
    whole_ns = round(run.end_s * 1e9)
    return Span(name, "orchestrator", "INTERNAL", _RUN_OP, _root(_RUN_OP), 0, 0, whole_ns, True, facts, told)


def _rows(run: Run, kind: str) -> Iterator[dict[str, Any]]:
    for piece in pieces(run, kind):
        yield from _of_piece(piece)


def _of_piece(piece: Piece) -> Iterator[dict[str, Any]]:
    """The rows of a piece, with words for numbers and None for nulls."""
    columns: dict[str, Iterable[Any]] = {}
    for name, values in piece.values.items():
        found = values.tolist()
        if name in piece.words:
            words = piece.words[name]
            columns[name] = [words[number] for number in found]
        elif name in piece.null:
            columns[name] = [None if null else x for x, null in zip(found, piece.null[name].tolist(), strict=True)]
        else:
            columns[name] = found
    names = list(columns)
    for row in zip(*columns.values(), strict=True):
        yield dict(zip(names, row, strict=True))


class _Operations:
    """Which operation an attempt was for: two sorted arrays, for a dictionary of millions would be gigabytes."""

    def __init__(self, run: Run) -> None:
        parts = [(piece.values["attempt"], piece.values["op"]) for piece in pieces(run, "attempt")]
        attempts = np.concatenate([part for part, _ in parts] or [np.empty(0, np.uint64)])
        order = np.argsort(attempts, kind="stable")
        self._attempts = attempts[order]
        self._ops = np.concatenate([part for _, part in parts] or [np.empty(0, np.uint64)])[order]

    def of(self, attempt: int) -> int:
        """0 when it is not known, or was for none."""
        at = int(np.searchsorted(self._attempts, np.uint64(attempt)))
        known = at < self._attempts.size and int(self._attempts[at]) == attempt
        return int(self._ops[at]) if known else 0


class _Maker:
    """Spans as the SDK has them."""

    def __init__(self, run: Run) -> None:
        facts = [run.plan.get(key) for key in ("experiment", "variant", "seed", "engine", "fingerprint")]
        text = repr([*facts, run.plan.get("zero_monotonic_ns")])
        self._high = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) << 64
        self._zero_ns = zero_ns(run)
        self._resources: dict[str, Any] = {}

    def made(self, span: Span) -> ReadableSpan:
        """One span, in wall time."""
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import Event, ReadableSpan
        from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

        if span.service not in self._resources:
            names = {"service.name": span.service, "service.namespace": "blackstart"}
            self._resources[span.service] = Resource(names)
        trace = self._high | (span.op & _LOW)
        sampled = TraceFlags(TraceFlags.SAMPLED)
        zero_ns = self._zero_ns
        return ReadableSpan(
            span.name,
            SpanContext(trace, span.number, is_remote=False, trace_flags=sampled),
            SpanContext(trace, span.parent, is_remote=False, trace_flags=sampled) if span.parent else None,
            self._resources[span.service],
            {key: value for key, value in span.attributes.items() if value is not None},
            [Event(name, timestamp=zero_ns + at_ns) for name, at_ns in span.events],
            kind=SpanKind[span.kind],
            status=Status(StatusCode.OK if span.fine else StatusCode.ERROR),
            start_time=zero_ns + span.start_ns,
            end_time=zero_ns + max(span.start_ns, span.end_ns),
        )


def zero_ns(run: Run) -> int:
    """The run's zero in nanoseconds since 1970: as the manifest has it, else when the folder was made."""
    try:
        manifest: Mapping[str, Any] = run.folder.read_json(run.folder.manifest)
    except RecordError:
        manifest = {}
    for key in ("zero", "started"):
        try:
            return (
                round(datetime.fromisoformat(str(manifest[key])).timestamp() * 1000) * 1_000_000
            )  # it has milliseconds
        except (KeyError, ValueError):
            continue
    return run.folder.plan.stat().st_mtime_ns


def _root(op: int) -> int:
    """The span of an operation: never that of an attempt, whose ids are hashes of 64 bits."""
    return (op + 1) & _LOW


def _other(attempt: int) -> int:
    """The server's side of an attempt."""
    return (attempt ^ (1 << 63)) or 1


def _caller(writer: str) -> str:
    return "load" if writer.startswith("load") else writer
