"""What each key of measures.json means; `*` stands for a name (of a component, an app, an operation, a phase, a layer).

The keys are made in many modules, each next to its arithmetic, so no type holds them together; a test compares this
table with what runs of several experiments really wrote, and with the keys that criteria may name. An entry for a list
or for a mapping of details stands for all that is in it.
"""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, dict[str, str]]] = {
    "What was run": {
        "schema_version": "of the set of keys: 1",
        "experiment": "name of the file",
        "variant": "name of the variant",
        "seed": "of all draws",
        "fingerprint": "a hash of the resolved variant: equal ones asked the same",
        "engine": "`live` (real sockets) or `world` (virtual time)",
        "conventions.*": "the file's four conventions, as they were applied",
        "files": "row files with their number of rows, and whether they were complete",
    },
    "The verdict": {
        "validity.valid": "whether the record can support a verdict",
        "validity.reasons": "why not",
        "validity.notes": "what is doubtful and does no harm to the verdict",
        "verdict": "`recovered`, `never_failed`, `draining`, `degraded`, `metastable`, `overloaded` or `invalid`",
        "verdict_reason": "the rule that gave it, in words",
        "recovered": "true for `recovered` and `never_failed`; null for `invalid`",
        "t_recovered_s": "when every steady-state line began to hold again, for as long as the file asks",
        "time_to_recover_s": "from the fix to that moment, when it lasted to the end of the load",
        "censored": "true: the load ended before the run had recovered",
        "horizon_s": "from the fix to the end of the load: the longest time to recover that could be seen",
        "oscillations": "how often it was steady and then not, before it stayed",
    },
    "Moments": {
        "t_inject_s": "the first fault of the timeline",
        "t_fault_s": "when it was first felt",
        "t_fix_s": "the entry with `fix: true`",
        "time_to_detect_s": "from the fault to the first failed look from outside",
        "time_to_first_success_s": "from the fix to the first good operation intended after it",
    },
    "What users lost": {
        "baseline.goodput_per_s": "good operations per second in the baseline phase",
        "baseline.p50_s": "median latency there",
        "baseline.p99_s": "99th percentile there",
        "baseline.backlog": "waiting work there",
        "goodput_deficit.outage_ops": "operations due from fault to fix that did not meet their deadline",
        "goodput_deficit.recovery_ops": "the same from the fix until recovered, or to the end of the load",
        "goodput_share.by_criticality.*": "good operations among those due since the fault, by criticality",
        "goodput_share.by_app.*": "the same by app",
        "goodput_share.by_operation.*.*": "the same by story and operation",
        "goodput_share.outage.by_criticality.*": "the same before the fix",
        "goodput_share.outage.by_app.*": "the same before the fix, by app",
        "goodput_share.outage.by_operation.*.*": "the same before the fix, by story and operation",
        "goodput_share.recovery.by_criticality.*": "the same after the fix",
        "goodput_share.recovery.by_app.*": "the same after the fix, by app",
        "goodput_share.recovery.by_operation.*.*": "the same after the fix, by story and operation",
        "by_story.*.*.*": "by story and phase of intended start: operations due, each outcome, percentiles of the good",
        "by_criticality.*.*.*": "the same by criticality (0 is vital), over the stories whose operations have one",
        "by_component.*.*.*": "by component and phase: attempts sent to it, arrived, served, refused, wait, slots busy",
        "latency.*.good": "good operations of a phase",
        "latency.*.not_good": "operations of a phase that were not",
        "latency.*.p50_s": "median latency of good operations of a phase, from the intended start",
        "latency.*.p99_s": "99th percentile; null under 100 good operations",
        "latency.*.p999_s": "99.9th percentile; null under 1,000",
    },
    "Retries, refusals, waste": {
        "amplification.overall": "attempts of the users' clients per operation, from the fault to the end of the load",
        "amplification.peak": "the highest of any rolling window",
        "amplification.by_layer.*": "attempts per call on one edge, `caller->callee`",
        "amplification.end_to_end": "requests at the innermost server per operation",
        "amplification.innermost": "which server that is",
        "attempts_peak_per_s": "the most attempts in a second",
        "throttled.server": "attempts that servers refused on purpose",
        "throttled.client": "calls that client-side limiters refused or held back for good",
        "throttled.by_component.*": "the former by component",
        "wasted_work_ratio": "share of all service time spent on attempts whose caller had given up",
    },
    "Waiting work": {
        "backlog.peak": "the most work accepted and not done, in all",
        "backlog.at_fix": "at the fix",
        "backlog.drain_s": "from the fix until it was back at its baseline",
        "backlog.drain_efficiency": "share of the capacity during the drain that went into making it shorter",
        "backlog.by_component.*.peak": "the most of one component",
        "capacity.component": "the component nearest to its capacity",
        "capacity.capacity_per_s": "what it can serve",
        "capacity.demand_per_s": "what calm weather asks of it",
        "capacity.utilisation": "the second by the first",
        "cascade": "one entry a component in trouble: when it began and ended, what it followed, and how long "
        "it stayed down for a reason of its own",
    },
    "Data, money, people": {
        "audit.schema_version": "of the audit: 1",
        "audit.partial": "true: some stores could not be read",
        "audit.reasons": "why",
        "audit.lost": "acknowledged operations without a record",
        "audit.expired": "thrown away knowingly",
        "audit.duplicated": "operations with more than one record",
        "audit.stuck": "accepted, and still not settled when the run ended",
        "audit.out_of_order": "records written before one that should have come first",
        "audit.mismatched": "records that are not what their writes add up to",
        "audit.money_created": "sum of all changes of balances, in pence; 0 unless money came from nowhere",
        "audit.divergent": "items on which two stores disagree",
        "audit.divergence": "items, writes and reads by store, and how far apart they were",
        "audit.by_app.*.*": "the same counts by app, and how many were done without anybody being told",
        "impact.value_lost.*": "what users lost, in pounds, before and after the fix and in all",
        "impact.people_minutes": "minutes in which an app failed, times its users, times the share that failed",
        "impact.by_sector.*": "value lost by sector",
        "impact.by_app.*.sector": "the sector of an app",
        "impact.by_app.*.value_lost.*": "value lost by app",
        "impact.by_app.*.per_minute": "the same by minute of the run",
        "impact.by_app.*.people_minutes": "the same by app",
        "impact.by_app.*.missed_windows": "people for whom a hard window closed; null without one",
        "impact.by_app.*.operations.*.*": "operations due and failed, by kind",
        "status_page.first_post_lag_s": "from the fault to the first post that tells of it",
        "status_page.false_clear_s": "how long the page was green while users were failed",
    },
    "The name service": {
        "dns.raced": "a stale plan was applied, and an active one then deleted",
        "dns.plans": "plans made",
        "dns.applies": "plans applied",
        "dns.stale_applies": "plans applied after a newer one",
        "dns.cleans": "plans cleaned up",
        "dns.active_plans_deleted": "of these, plans that were in use",
        "dns.enactor_errors": "runs of an enactor that failed",
        "dns.t_stale_apply_s": "the first of each, and null for never",
        "dns.t_active_plan_deleted_s": "likewise",
        "dns.t_first_empty_answer_s": "likewise",
        "dns.t_first_enactor_error_s": "likewise",
        "dns.t_restored_s": "when operators wrote a plan by hand",
    },
    "How it was judged": {
        "steady_state.for_s": "how long the lines must hold",
        "steady_state.window_s_max": "the longest rolling window: at least a second and enough operations",
        "steady_state.ends_steady": "the lines held at the end of the load",
        "steady_state.lines": "each line with the baseline and the limit that came of it",
        "expect": "each criterion of this variant with what was found, and pass, fail or unsure",
        "load.offered": "operations due",
        "load.started": "operations started",
        "load.late_ratio": "share of these that the generator started late",
        "load.dropped": "operations that it never started",
        "load.lag_p99_s": "99th percentile of how late it was",
        "load.unfinished": "operations under way when the run ended",
        "reconcile.*": "rows counted against each other: what is due, started, sent and served must add up",
        "reasons.*": "for every value above that is null: why",
    },
}


def flat() -> dict[str, str]:
    """All entries, without their sections."""
    return {key: text for section in TEXTS.values() for key, text in section.items()}


def text_for(key: str) -> str | None:
    """The entry of a key as it stands in a file, or None; a part of a key may contain no dot."""
    parts = key.split(".")
    for known in flat():
        wants = known.split(".")
        if len(wants) == len(parts) and all(want in ("*", part) for want, part in zip(wants, parts, strict=True)):
            return known
    return None
