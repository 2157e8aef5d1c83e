"""Damaged and incomplete run folders: what is whole is still counted, and the run says it is invalid and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.analyse import analyse, judge
from harness.analyse.evidence import gather
from harness.analyse.facts import facts_of
from harness.analyse.verdict import Facts, decide
from harness.errors import RecordError
from harness.flows.wants import Cause, Result
from harness.record.folder import RunFolder
from harness.record.journal import Journal
from harness.record.layouts import ATTEMPT, SERVED, Outcome
from harness.record.rows import RowWriter, read_rows
from tests.analyse.planted import ZERO_NS, Truth, plant

TRUTH = Truth(refused=((6.0, 12.0),))


def reasons(measures: dict[str, Any]) -> str:
    assert measures["verdict"] == "invalid"
    return "\n".join(measures["validity"]["reasons"])


def test_a_torn_row_file_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    folder = plant(tmp_path, TRUTH)
    path = folder.rows / "kv-served.rows"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 13 - 20])  # the trailer and half a row
    measures = analyse(folder)
    assert "kv-served.rows: no closing count" in reasons(measures)
    assert "23 bytes of a torn last row dropped" in reasons(measures)
    entry = next(file for file in measures["files"] if file["name"] == "kv-served.rows")
    assert (entry["complete"], entry["torn"]) == (False, 23)
    assert measures["reconcile"]["served"] == measures["reconcile"]["attempts"] - 1


def test_a_writer_that_died_before_its_closing_count_makes_the_run_invalid(tmp_path: Path) -> None:
    folder = plant(tmp_path, TRUTH)
    path = folder.rows / "load-0-operation.rows"
    path.write_bytes(path.read_bytes()[:-13])
    measures = analyse(folder)
    assert "load-0-operation.rows: no closing count" in reasons(measures)
    assert measures["reconcile"]["missing"] == 0


def test_a_damaged_header_costs_its_file_and_not_the_analysis(tmp_path: Path) -> None:
    folder = plant(tmp_path, TRUTH)
    path = folder.rows / "kv-served.rows"
    path.write_bytes(b"BSROWS01\xff\xff\x00\x00{nonsense")
    assert "damaged" in reasons(analyse(folder))


def test_an_empty_file_and_no_row_files_at_all_are_told(tmp_path: Path) -> None:
    folder = plant(tmp_path, TRUTH)
    (folder.rows / "kv-served.rows").write_bytes(b"")
    assert "not a row file" in reasons(analyse(folder))
    for path in folder.rows.iterdir():
        path.unlink()
    folder.gauges.unlink()
    assert "no operation rows" in reasons(analyse(folder))


def test_a_missing_journal_is_a_reason_and_no_traceback(tmp_path: Path) -> None:
    folder = plant(tmp_path, TRUTH)
    folder.journal.unlink()
    assert "the moments of fault and fix are unknown" in reasons(analyse(folder))


def test_rows_of_another_run_are_noticed_by_their_zero(tmp_path: Path) -> None:
    folder = plant(tmp_path, TRUTH)
    plan = folder.read_json(folder.plan)
    folder.write_json(folder.plan, {**plan, "zero_monotonic_ns": ZERO_NS + 1})
    assert "belong to another run" in reasons(analyse(folder))


def test_a_lost_operation_row_is_missed_by_the_plan(tmp_path: Path) -> None:
    folder = plant(tmp_path, TRUTH)
    rewrite(folder.rows / "load-0-operation.rows", lambda rows: rows[:-3])
    measures = analyse(folder)
    assert "3 of 2800 scheduled operations have no row" in reasons(measures)


def test_an_operation_recorded_twice_is_noticed(tmp_path: Path) -> None:
    folder = plant(tmp_path, TRUTH)
    rewrite(folder.rows / "load-0-operation.rows", lambda rows: np.concatenate([rows, rows[:2]]))
    assert "2 operations have more than one row" in reasons(analyse(folder))


def test_attempts_and_served_rows_must_match_both_ways(tmp_path: Path) -> None:
    folder = plant(tmp_path, TRUTH)
    rewrite(folder.rows / "kv-served.rows", lambda rows: rows[20:])
    rewrite(folder.rows / "load-0-attempt.rows", lambda rows: rows[:-30])
    measures = analyse(folder)
    assert "20 attempts lack the row of their server and 30 served rows lack the attempt" in reasons(measures)


def test_an_attempt_with_a_cause_and_one_cut_off_need_no_served_row(tmp_path: Path) -> None:
    folder = plant(tmp_path, TRUTH)
    with RowWriter(folder.rows / "more-attempt.rows", "attempt", "load-1", ZERO_NS, {"target": ["kv"]}) as attempts:
        for number in range(100):
            attempts.add(0, 0, 0, 2**40 + number, 0, 0, 0, 1, Result.TIMEOUT, 0, Cause.TIMEOUT)
            attempts.add(0, 0, 0, 2**41 + number, 0, 0, 0, -1, Result.UNFINISHED, 0, Cause.NONE)
    measures = analyse(folder)
    assert measures["reconcile"]["attempts_without_served"] == 0
    assert measures["reconcile"]["attempts_unfinished"] == 100


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such run folder"):
        analyse(RunFolder.open(tmp_path / "nowhere"))
    with pytest.raises(RecordError, match="cannot be read"):
        analyse(RunFolder(tmp_path))
    folder = plant(tmp_path, TRUTH)
    folder.plan.write_text("{}")
    with pytest.raises(RecordError, match="lacks schema_version, experiment"):
        analyse(folder)
    folder.plan.write_text("{")
    with pytest.raises(RecordError, match="not valid JSON"):
        analyse(folder)


def test_a_plan_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    folder = plant(tmp_path, TRUTH)
    plan = folder.read_json(folder.plan)
    folder.write_json(folder.plan, {**plan, "schema_version": 2})
    with pytest.raises(RecordError, match="schema_version 2; this version reads 1"):
        analyse(folder)


def test_loop_lag_and_a_full_core_make_a_stuck_run_invalid(tmp_path: Path) -> None:
    stuck = Truth(refused=((6.0, 99.0),), waiting=((0.0, 0.0), (6.0, 0.0), (40.0, 3000.0)))
    assert analyse(plant(tmp_path, stuck))["verdict"] == "metastable"
    assert "event loop lag p99 30 ms" in reasons(
        analyse(plant(tmp_path, stuck._replace(loop_lag_s=0.03, variant="lag")))
    )
    assert "used 90% of a core" in reasons(analyse(plant(tmp_path, stuck._replace(cpu_share=0.9, variant="cpu"))))
    recovered = TRUTH._replace(cpu_share=0.9, variant="fine")
    assert analyse(plant(tmp_path, recovered))["verdict"] == "recovered"


def test_every_null_has_a_reason_and_the_file_is_what_was_returned(tmp_path: Path) -> None:
    folder = plant(tmp_path, TRUTH)
    measures = analyse(folder)
    assert json.loads(folder.measures.read_text()) == measures
    assert measures["schema_version"] == 1

    def nulls(value: object, path: str) -> list[str]:
        if value is None:
            return [path]
        if isinstance(value, dict):
            return [found for key, inner in value.items() for found in nulls(inner, f"{path}.{key}" if path else key)]
        return []

    missing = [key for key in nulls({**measures, "reasons": {}}, "") if not measures["reasons"].get(key)]
    assert missing == []


def test_wasted_work_is_the_service_after_the_caller_gave_up(tmp_path: Path) -> None:
    folder = plant(tmp_path, Truth())
    second = 10**9
    with (
        RowWriter(folder.rows / "x-attempt.rows", "attempt", "load-1", ZERO_NS, {"target": ["slow"]}) as attempts,
        RowWriter(folder.rows / "slow-served.rows", "served", "slow", ZERO_NS, {"component": ["slow"]}) as served,
    ):
        for number, gave_up in enumerate((10 * second, 11 * second, 12 * second)):  # service lasts from 10 s to 12 s
            attempts.add(0, 0, 0, 2**40 + number, 0, 0, 9 * second, gave_up, Result.TIMEOUT, 0, Cause.TIMEOUT)
            served.add(2**40 + number, 0, 9 * second, 10 * second, 12 * second, 2 * second, 0)
    windows = gather(folder).windows
    assert windows.overlap_s("busy", "slow").sum() == pytest.approx(6.0)
    assert windows.overlap_s("wasted", "slow").sum() == pytest.approx(3.0)
    assert windows.overlap_s("wasted", "kv").sum() == 0


def test_curves_are_of_one_length_and_agree_with_the_measures(tmp_path: Path) -> None:
    measures, curves = judge(plant(tmp_path, Truth(refused=((6.0, 12.0),), waiting=((0.0, 3.0), (40.0, 3.0)))))
    n = curves.t_s.size
    for value in curves:
        for array in value.values() if isinstance(value, dict) else (value,):
            if isinstance(array, np.ndarray):
                assert array.shape == (n,)
    assert curves.offered.sum() * curves.width_s == measures["load"]["offered"] == 2800
    assert (curves.offered - curves.goodput).sum() * curves.width_s == pytest.approx(
        measures["goodput_deficit"]["outage_ops"] + measures["goodput_deficit"]["recovery_ops"]
    )
    assert np.allclose(curves.backlog["kv"], 3.0)
    assert np.isnan(curves.p99_s[(curves.t_s >= 8.5) & (curves.t_s < 11.5)]).all()  # nothing good was due
    assert np.isfinite(curves.p99_s[(curves.t_s >= 3.0) & (curves.t_s < 6.0)]).all()


def rewrite(path: Path, change: Any) -> None:
    file = read_rows(path)
    rows = change(np.array(file.rows))
    layout = {"attempt": ATTEMPT, "served": SERVED}.get(file.kind)
    assert layout is None or rows.dtype == np.dtype(list(layout))
    path.unlink()
    with RowWriter(path, file.kind, file.writer, file.zero_monotonic_ns, file.names) as writer:
        for row in rows.tolist():
            writer.add(*row)


def test_a_run_that_failed_is_invalid_however_whole_its_rows_are(tmp_path: Path) -> None:
    folder = plant(tmp_path, TRUTH)
    journal = Journal(folder.journal, "orchestrator")
    journal.write(24.0, "stop", state="failed", why="dns ended: killed by SIGKILL")
    journal.close()
    assert "the run failed at 24 s (dns ended: killed by SIGKILL); run it again" in reasons(analyse(folder))


def test_a_load_that_ends_too_soon_after_the_fix_supports_no_verdict(tmp_path: Path) -> None:
    short = plant(tmp_path, TRUTH._replace(recovery_s=2.5))
    assert "the load went on for 2.5 s after the fix, too short for the 3 s" in reasons(analyse(short))


def test_a_plan_whose_spec_is_no_object_is_refused(tmp_path: Path) -> None:
    folder = plant(tmp_path, TRUTH)
    folder.write_json(folder.plan, {**folder.read_json(folder.plan), "spec": []})
    with pytest.raises(RecordError, match="its spec is no object"):
        analyse(folder)


def test_a_damaged_journal_line_keeps_the_moments_of_the_others(tmp_path: Path) -> None:
    folder = plant(tmp_path, TRUTH)
    with folder.journal.open("ab") as file:
        file.write(b'{"t_s": 9.0, "kind\nnonsense\n')
    measures = analyse(folder)
    assert (measures["t_fault_s"], measures["t_fix_s"], measures["time_to_recover_s"]) == (6.0, 8.0, 4.0)
    (reason,) = measures["validity"]["reasons"]
    assert "journal.jsonl:3: not a JSON object" in reason
    assert reason.endswith("(and 1 more lines); what the other lines say is kept, but run again for a verdict")


@pytest.mark.parametrize("end_s", [1e12, float("inf"), float("nan"), 86_401.0])
def test_a_plan_that_would_never_end_is_refused_before_anything_is_laid_out(tmp_path: Path, end_s: float) -> None:
    folder = plant(tmp_path, TRUTH)
    plan = folder.read_json(folder.plan)
    folder.plan.write_text(json.dumps({**plan, "end_s": end_s}))
    with pytest.raises(RecordError, match=r"the load ends at 28 s of .* 86,400 \(a day\) is needed"):
        analyse(folder)
    phases = [*plan["phases"][:-1], {**plan["phases"][-1], "end_s": end_s}]
    folder.plan.write_text(json.dumps({**plan, "phases": phases}))
    with pytest.raises(RecordError, match="the phase drain is from 28 s to "):
        analyse(folder)


@pytest.mark.parametrize(("late_replies", "wasted_s"), [(True, 0.3 + 0.2 + 0.2), (False, 0.4 + 0.3 + 0.2 + 0.2)])
def test_work_whose_late_reply_was_taken_is_not_wasted(tmp_path: Path, late_replies: bool, wasted_s: float) -> None:
    """Each first attempt times out at 0.5 s: the first operation takes its late reply, the other two do not."""
    folder = plant(tmp_path, Truth())
    plan = folder.read_json(folder.plan)
    plan["spec"]["conventions"]["late_replies"] = late_replies
    folder.write_json(folder.plan, plan)
    zero, ms = 10_000_000_000, 1_000_000
    names = {"story": ["kv_reads"], "app": ["kv"], "worker": ["0"]}
    with RowWriter(folder.rows / "x-operation.rows", "operation", "load-1", ZERO_NS, names) as operations:
        for op, ended, outcome in (
            (90_001, 900, Outcome.GOOD),
            (90_002, 1000, Outcome.FAILED),
            (90_003, 900, Outcome.GOOD),
        ):
            operations.add(op, 0, 0, 0, zero, zero, zero + ended * ms, zero + 1500 * ms, outcome, 2)
    with (
        RowWriter(folder.rows / "x-attempt.rows", "attempt", "load-1", ZERO_NS, {"target": ["slow"]}) as attempts,
        RowWriter(folder.rows / "slow-served.rows", "served", "slow", ZERO_NS, {"component": ["slow"]}) as served,
    ):
        for op, n, given_up, result, cause, began, ended in (
            (90_001, 0, 500, Result.TIMEOUT, Cause.TIMEOUT, 490, 900),
            (90_001, 1, 900, Result.TIMEOUT, Cause.NONE, 800, 1200),  # nobody waited any more: 300 ms for nothing
            (90_002, 0, 500, Result.TIMEOUT, Cause.TIMEOUT, 490, 700),  # answered, but not well
            (90_003, 0, 500, Result.TIMEOUT, Cause.TIMEOUT, 490, 700),
            (90_003, 1, 900, Result.OK, Cause.NONE, 750, 890),
        ):
            attempts.add(op, 0, 0, op * 8 + n, n, 0, zero, zero + given_up * ms, result, 0, cause)
            served.add(op * 8 + n, 0, zero, zero + began * ms, zero + ended * ms, (ended - began) * ms, 0)
    assert gather(folder).windows.overlap_s("wasted", "slow").sum() == pytest.approx(wasted_s)


def test_operations_missed_are_counted_to_the_row_and_not_to_the_window(tmp_path: Path) -> None:
    folder = plant(tmp_path, Truth(refused=((6.0, 12.0),)))
    folder.journal.unlink()
    journal = Journal(folder.journal, "orchestrator")
    journal.write(6.1, "inject", id="e1", what="kv.latency")
    journal.write(8.13, "fix", id="e2", what="kv.heal")
    journal.close()
    measures = analyse(folder)
    rows = read_rows(folder.rows / "load-0-operation.rows").rows
    missed = rows["intended_ns"][rows["outcome"] != Outcome.GOOD] / 1e9
    outage, recovery = (int(np.count_nonzero((missed >= a) & (missed < b))) for a, b in ((6.1, 8.13), (8.13, 12.0)))
    assert (outage, recovery) == (203, 387)
    assert measures["goodput_deficit"] == {"outage_ops": outage, "recovery_ops": recovery}


def test_the_facts_of_a_run_are_those_its_verdict_came_from(tmp_path: Path) -> None:
    stuck = plant(tmp_path, Truth(refused=((6.0, 99.0),), waiting=((0.0, 0.0), (6.0, 0.0), (40.0, 3000.0))))
    measures, facts = analyse(stuck), facts_of(gather(stuck))
    assert facts == Facts(True, False, False, True, False, False, False, 0.0)
    assert tuple(decide(facts)) == (measures["verdict"], measures["verdict_reason"])
    assert decide(facts_of(gather(stuck), valid=False))[0] == "invalid"
