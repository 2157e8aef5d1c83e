"""What each key of an experiment file means, in one line; names and types, units and defaults come from the models.

Keys are `<module>.<Class>` of `harness.spec`, then the key as a file writes it. A test compares the table with the
models in both directions: a new key without a text fails, and so does a text whose key is gone. Where several
components share a part (`knobs.Hosted`, `knobs.Working`), it stands once.
"""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, dict[str, str]]] = {
    "experiment.Experiment": {
        "title": "what the file is about, in one line",
        "description": "the question it asks",
        "incident": "the real outage it is modelled on; says nothing about what is run",
        "time_scale": "how much of the real event one second of the run stands for; then durations and rates may be "
        "written `event 12min`, `event 100/s`",
        "seed": "the seed of the first run; repeats take the next ones",
        "region": "the components with their knobs: the name of a preset, or a mapping ([components](components.md))",
        "conventions": "four choices that move every threshold",
        "client": "what every caller does when a call fails",
        "load": "what each story is asked to do, by the story's name",
        "phases": "how long each phase is",
        "timeline": "faults, operators' deeds and the fix",
        "steady_state": 'what "recovered" means',
        "repeat": "runs of each variant when the command line does not say",
        "stop_when": "gauges that end a live run: `orchestrator_cpu`, `load_cpu`, `backlog`, or a component's "
        "`..._cpu`, each with a line such as `> 95% for 10s`; `none` for no condition",
        "expect": "criteria: what must hold for a variant, or between two",
        "targets": "reserved: anything here is refused, with the reason",
        "allow_hosts": "reserved: anything here is refused, with the reason",
    },
    "incident.Incident": {
        "name": "what the outage is called",
        "who": "whose it was",
        "date": "when it began: a year, a month or a day",
        "trigger": "what set it off",
        "sustaining": "what kept it going once that was gone",
        "ended": "what ended it",
        "lesson": "what would have spared it",
        "sources": "where it is told",
        "unsure": "what the record does not tell, and what was assumed instead",
        "published": "when each part was well again, as it was published; a report lays ours beside it",
    },
    "incident.Published": {
        "id": "what other lines call it by",
        "what": "which part, in words",
        "blocked": "when what stood in its way was gone, in the event's time since the fault",
        "until": "when it was well again, likewise",
        "after": "what is that moment in a run: the `id` of a timeline entry, or of another line, whose end it then is",
        "ours": "how a run shows that it is well: a gauge beyond a line, a counter that stands `still`, or `no address "
        "for kv`. Exactly one of this and `missing`",
        "for": "how long the sign must hold",
        "fitted": "the knob that was set so that the two agree; only a line without it tests the model",
        "missing": "why a run has no sign of it",
    },
    "experiment.Conventions": {
        "late_replies": "a reply that comes after its attempt timed out still counts while the operation is open",
        "cancellation": "a caller that gives up takes its work away from the server",
        "service_draw": "when the service time of a request is drawn: at acceptance, or when service starts",
        "refusal": "whether a full server answers (429, 503) or stays silent",
    },
    "experiment.Load": {
        "arrivals": "an open loop: operations start when they are due. Exactly one of this and `think`",
        "think": "a closed loop: each user waits for the answer, then thinks this long",
        "crowd": "how users of a closed loop come and go",
        "users": "with arrivals, whom the operations are shared out to; with think times, the load",
        "mix": "share of each operation of the story; without one, the story's own",
        "client": "a patch over the experiment's client, for this story's users",
    },
    "experiment.Arrivals": {
        "rate": "operations that come",
        "process": "`poisson`: by chance; `even`: at equal distances",
    },
    "crowd.Crowd": {
        "think": "whether think times are left to chance",
        "ramp": "time in which the users enter, evenly",
        "give_up_after": "operations in a row without a good answer, after which a user goes away",
        "come_back": "mean time until such a user comes back",
        "day": "length of a day, over which the number of active users rises and falls; `none` for no day",
        "night": "share of the users who are active at night",
        "herd": "the moment at which all users come at once",
        "herd_within": "time within which they all do",
    },
    "experiment.Phases": {
        "warm_up": "load, not judged",
        "baseline": "what healthy looks like; limits are multiples of it",
        "outage": "from the trigger to the fix, as a rule",
        "recovery": "what the run is for",
        "drain": "no load any more; work that is left may end",
    },
    "entries.Event": {
        "id": "what other entries call it by",
        "at": "a moment known in advance: `outage.start`, `outage.end + 2s`, `12s`. Exactly one of this and `when`",
        "when": "a condition to wait for",
        "do": "`component.verb`, or `pause`",
        "with": "arguments of the verb ([components](components.md)); `for` is the length of a fault",
        "square": "lets a fault with a length come and go",
        "fix": "marks the moment the trigger is gone; recovery counts from it",
    },
    "entries.When": {
        "gauge": "`component.gauge` to watch; needs `above` or `below`",
        "above": "the line it must be above, in the gauge's own unit",
        "below": "the line it must be below",
        "for": "how long it must stay there",
        "after": "not before this moment; without it, not before the first fault whose moment is known",
        "after_event": "not before the entry with this id was done",
        "delay": "how long operators take to act once the condition held",
        "once": "`false`: acts again whenever the gauge has been back and is beyond again",
    },
    "entries.Square": {"on": "how long it is on", "off": "how long it is off, and then on again"},
    "experiment.SteadyState": {
        "goodput": "share of the operations due that must come good",
        "amplification": "attempts per operation, as a number or beside the baseline",
        "queue_delay": "mean wait before service, as a duration or beside the baseline",
        "p99": "99th percentile of the latency of good operations; `none` leaves it out",
        "for": "how long all lines must hold",
    },
    "criteria.Expect": {
        "variant": "the variant it is about. Exactly one of this and `compare`",
        "compare": "two variants, compared over pairs of runs with equal seeds",
        "measure": "a key of measures.json ([measures](measures.md)). Exactly one of this and `series`",
        "series": "a series in windows, as in `p99` or `goodput`",
        "of": "a component, or `caller->callee`, for series that have parts",
        "is": "the condition; `better`, `same` or `worse` with `compare`",
        "over": "one value of the series over this stretch: a phase or a length",
        "for": "every rolling window of the series over this stretch",
        "within": "how late a `for` may begin",
        "from": "what a stretch counts from: `fix`, `fault` or a moment",
    },
    "client.Client": {
        "deadline": "how long the whole operation may take",
        "timeout": "how long one attempt may take",
        "attempts": "how many there may be, the first included",
        "propagate_deadline": "tells the server the deadline, so that it can drop what nobody waits for",
        "backoff": "the wait before a retry",
        "retry_budget": "which retries may be sent at all",
        "breaker": "when to stop calling for a while",
        "limiter": "how many calls may leave the client",
        "hedge": "a second copy of a slow call",
        "hints": "what to make of a server's word on when to come again",
        "resolver": "what the client's resolver keeps, and for how long",
    },
    "knobs.Service": {"mean": "mean service time", "distribution": "whether it is left to chance"},
    "knobs.Connection": {"max_age": "a connection older than this is closed after a reply; `none` keeps it"},
    "knobs.Working": {
        "slots": "workers: requests served at the same time",
        "service": "how long one request takes a worker",
        "admission": "which requests are let in",
        "discipline": "in which order they are served",
        "drop": "which are thrown away when their turn comes",
        "priority": "which go first",
    },
    "knobs.Hosted": {
        "instances": "addresses behind its name",
        "depends_on": "components it calls",
        "client": "a patch over the experiment's client, for the calls it makes",
        "connection": "connections it accepts",
        "resolver": "what its resolver keeps, and for how long",
    },
    "region.Region": {
        "preset": "what it starts from: `small` is DNS, one store and the bank; `region` adds the other services; "
        "`sectors` every app",
    },
    "dns.Dns": {
        "enactors": "automations that apply plans",
        "plan_every": "how often the planner makes a plan",
        "keep_generations": "plans younger than the newest by this many are kept by the clean-up",
        "clean_after": "from the end of an apply to its clean-up",
        "apply_gap": "between two endpoints of one apply",
        "race_fix": "which repair of the race is built in",
        "ttl": "of an answer; DNS carries whole seconds",
        "negative_ttl": "of an answer that there is no address",
        "answer_kind": "what an empty record answers",
        "negative_ns": "an NS record beside the empty answer",
        "failover": "a name that health checks point elsewhere; `null` for none",
    },
    "dns.NameFailover": {
        "of": "whose name it is",
        "to": "whose addresses it answers with meanwhile",
        "check_every": "between two health checks",
        "timeout": "how long a check waits",
        "fail_after": "failed checks in a row",
        "back_after": "good checks in a row",
    },
    "kv.Kv": {"instances": "addresses behind its name; they share the workers", "connection": "connections it accepts"},
    "mobile_banking.MobileBanking": {
        "sessions": "sessions the app caches",
        "outbox": "transfers accepted and not yet written",
        "idempotency_keys": "writes carry a key, so that a second attempt makes no second record",
        "admission": "which requests are let in at the door",
        "failover": "going over to `provider`; `none` for not",
        "offline": "what it does while the store is away; `none` for nothing",
    },
    "mobile_banking.Sessions": {"ttl": "how long a session lives", "prewarmed": "users come with one"},
    "mobile_banking.Outbox": {
        "senders": "how many are sent at once",
        "pace": "how many a second at most; `none`: as fast as it goes",
        "retry_wait": "before one that failed is sent again",
        "capacity": "how many it holds",
    },
    "mobile_banking.Failover": {
        "mode": "one store and a standby, or both with users of their own",
        "fail_after": "failures in a row, then a store is left",
        "back_after": "successes in a row, then it is returned to",
        "probe_every": "one probe asks a store that was left in each of these",
        "first_share": "of the users at home at `kv`, in `active_active`",
    },
    "mobile_banking.Offline": {
        "captures": "takes transfers on trust",
        "risk_limit": "of at most so many pence",
        "after": "when the store has not confirmed them after this time",
        "probe_every": "one request asks a store that is away in each of these",
        "stale_balance": "how old a balance may be that is shown; `0s`: none is",
    },
    "outbox.Outbox": {
        "senders": "how many are sent at once",
        "pace": "how many a second at most; `none`: as fast as it goes",
        "retry_wait": "before one that failed is sent again",
        "capacity": "how many it holds",
        "expiry": "older ones are thrown away when their turn comes; `none`: nothing is",
    },
    "food_delivery.FoodDelivery": {
        "admission": "which requests are let in at the door",
        "idempotency_keys": "writes carry a key, so that a second attempt makes no second record",
        "menu_fresh": "how long a price is fresh",
        "probe_every": "how often a store that is away is asked",
        "outbox": "orders accepted and not yet written",
        "fallbacks": "what is done without the store",
    },
    "food_delivery.Fallbacks": {
        "stale_menu": "how long past its freshness a price is used; `0s`: never",
        "accept": "which orders wait in the outbox: none, those that are paid or may be, or all",
        "refunds": "an order that expired is paid back",
        "omit_location": "an answer may come without the courier's place",
    },
    "hospital.Hospital": {
        "admission": "which requests are let in at the door",
        "priority": "only `partitioned`: it is a door, and has no line",
        "idempotency_keys": "writes carry a key, so that a second attempt makes no second record",
        "probe_every": "how often a store that is away is asked",
        "local_replica": "a copy at hand, for reading",
        "replica_after": "how long the store is given before the copy is read",
        "paper": "charting on paper; `null` switches it off",
    },
    "hospital.Paper": {
        "clerks": "people who enter what is on paper",
        "rate": "entries a second in all",
        "retry_wait": "before an entry that failed is tried again",
        "room": "entries the paper holds",
        "in_order": "keeps each patient's entries in the order in which they were taken",
    },
    "smart_home.SmartHome": {
        "admission": "which requests are let in at the door",
        "idempotency_keys": "writes carry a key, so that a second attempt makes no second record",
        "session_service": "what every connection needs",
        "reconnect": "how devices come back",
        "keep": "readings a device keeps while it cannot send",
        "collapse": "keeps only the newest reading",
        "prewarmed": "devices come with a session",
    },
    "smart_home.Reconnect": {
        "kind": "at once and again, somewhere in a window, in slots the server hands out, or each with a turn",
        "retry": "between two tries of kind `none`",
        "window": "of kind `jitter`",
        "rate": "of kinds `slots` and `token`",
    },
    "streaming.Streaming": {
        "admission": "which requests are let in at the door",
        "priority": "only `partitioned`: it is a door, and has no line",
        "idempotency_keys": "writes carry a key, so that a second attempt makes no second record",
        "probe_every": "how often a store that is away is asked",
        "fresh": "how long a manifest is fresh",
        "stale": "how much longer it is served; `0s`: not at all",
        "licences": "what a licence is when nobody can be asked",
        "player_buffer": "what players hold; `0s`: nothing",
        "outbox": "licences owed",
    },
    "streaming.Licences": {
        "fail": "`open` grants it and owes the record; `closed` refuses",
        "grace": "for how long after the store was last heard of",
    },
    "coffee.Coffee": {
        "admission": "which requests are let in at the door",
        "idempotency_keys": "writes carry a key, so that a second attempt makes no second record",
        "menu_fresh": "how long a menu is fresh",
        "probe_every": "how often a store that is away is asked",
        "outbox": "points, and what the counter's till owes",
        "fallbacks": "what is done without the store",
    },
    "coffee.Fallbacks": {
        "stale_menu": "how long past its freshness a menu is shown; `0s`: never",
        "counter": "orders people take by hand; `none`: the counter is closed",
        "counter_room": "people in line there",
        "late_points": "points are posted later, not while the customer waits",
    },
    "airline.Airline": {
        "admission": "which requests are let in at the door",
        "idempotency_keys": "writes carry a key, so that a second attempt makes no second record",
        "probe_every": "how often a store that is away is asked",
        "windows": "when check-in closes",
        "solver": "the planner of crews",
        "paper": "what agents type in afterwards",
        "fallbacks": "what is done without the store",
    },
    "airline.Windows": {
        "groups": "groups of passengers",
        "every": "one of them closes in each of these",
        "lead": "nobody comes later than this before",
    },
    "airline.Solver": {
        "solvers": "how many work at once",
        "base": "time for one change when nothing is open",
        "k": "open changes at which it takes twice as long",
        "horizon": "open changes that are weighed at most; 0: all",
        "retry_wait": "before a change that failed is tried again",
    },
    "airline.Fallbacks": {
        "manual": "check-ins agents do on paper; `none`: nobody does",
        "manual_room": "people in line there",
        "stale_pass": "how long a boarding pass is shown that cannot be read anew; `0s`: never",
    },
    "compute.Compute": {
        "droplets": "machines, each for one instance",
        "leases": "the lease manager",
        "api": "the throttle of calls that change something",
    },
    "compute.Leases": {
        "attempts_per_tick": "leases worked on in one tick",
        "tick": "length of a tick",
        "timeout_ticks": "an attempt that waited so long is wasted",
        "lease": "how long a lease lasts",
        "check_every": "how often each droplet is checked",
        "line_cap": "how many may stand in line; `none`: all",
        "drop_expired": "drops attempts that are too old instead of working on them",
        "held_at_start": "every droplet begins with a lease; else all stand in line at zero",
    },
    "compute.Api": {"rate": "calls a second; `none` is no throttle", "burst": "calls at once after a pause"},
    "network.Network": {
        "propagation": "the workers that carry changes out",
        "backlog_cost": "extra time of one change, as a share of its mean, for every 100 that wait",
        "limit_by_queue": "refuses to attach while so many wait; `none`: never",
    },
    "network.Propagation": {"slots": "workers", "service": "how long one change takes"},
    "balancer.Balancer": {
        "depends_on": "components it calls",
        "zones": "zones",
        "targets_per_zone": "built-in targets of each",
        "slots": "workers of all built-in targets together, shared evenly",
        "service": "how long one request takes a worker",
        "check_every": "between two health checks of a target",
        "checkers": "workers that check",
        "check_time": "of one check",
        "re_evaluation": "of one change of health",
        "late_after": "a check begun so long after it was due has failed",
        "unhealthy_after": "failed checks in a row",
        "healthy_after": "good checks in a row",
        "zone_threshold": "a zone with fewer healthy targets is taken out",
        "fail_open": "with fewer healthy targets in all, every target gets traffic",
        "name_in_full": "a name with no zone left answers with all of them",
        "velocity_limit": "share of the targets that may be taken out within `velocity_period`; `none`: all",
        "velocity_period": "see `velocity_limit`",
    },
    "queue.Queue": {
        "visibility": "how long a received message is hidden from others",
        "ttl": "of a message; `none` keeps it for ever",
        "max_receives": "before it is a dead letter; 0 for never",
        "capacity": "messages it holds",
        "in_flight_limit": "messages received and not deleted",
        "wait_limit": "longest a receive may wait",
    },
    "functions.Functions": {
        "hosts": "machines, when there is no fleet",
        "slots_per_host": "executions at once on each",
        "service": "how long one execution takes",
        "cold_start": "extra time of the first in a new environment",
        "keep_warm": "how long an idle environment stays; `none`: for ever",
        "prewarmed": "begins with all environments",
        "ramp": "new environments a second beyond the burst; `none`: no limit",
        "ramp_burst": "new environments at once",
        "async_share": "of the concurrency, for background work",
        "priority_share": "the same while synchronous calls go first",
        "sync_first": "synchronous calls go first from the start",
        "touches_store": "each execution reads a key of `kv`, or writes the results of its messages",
        "writes_results": "those of its messages, also when nothing else touches `kv`",
        "async": "the internal queue of events",
        "poller": "the reader of `queue`",
        "fleet": "hosts that follow the demand; `none`: a fixed number",
    },
    "functions.Async": {
        "retries": "of a failed event",
        "retry_wait": "before the first; then twice, three times as long",
        "throttle_wait": "before a throttled event is tried again; doubled each time",
        "throttle_cap": "the longest such wait",
        "max_age": "older events are thrown away",
        "capacity": "events it holds",
    },
    "functions.Poller": {
        "batch": "messages in one call",
        "wait": "of a receive, for the first message",
        "patience": "with a failing dependency; then it dies, and does not come back by itself",
        "checkpoint_every": "how often it renews its lease",
        "lanes": "batches at once, at first",
        "most_lanes": "at most",
        "lane_ramp": "lanes added, while there is work",
        "retry_wait": "before a batch that was refused is tried again",
        "hold": "how long it keeps such a batch before it lets it go back",
    },
    "functions.Fleet": {
        "initial": "hosts at first",
        "minimum": "at least",
        "maximum": "at most",
        "slots_per_host": "executions at once on each",
        "target": "busy share of the slots it aims at",
        "scale_every": "between two evaluations",
        "cooldown": "after a change of size",
        "step": "launches in one evaluation at most",
        "boot": "from launch to service",
        "host_life": "mean, then a host is recycled; `none`: never",
        "replace_after": "a host unreachable for so long is replaced; `none`: never",
        "behind_balancer": "hosts are targets of `balancer`, and unhealthy ones are replaced",
        "grace": "a younger host is not replaced for its health; `none`: no host is",
        "unhealthy_step": "hosts replaced for their health in one evaluation at most",
    },
    "identity.Identity": {
        "token_life": "the longest life of a token",
        "spread": "tokens live between 1 - `spread` and 1 times that",
        "refresh_ahead": "how long before the end clients are told to renew",
    },
    "status.Status": {
        "depends_on": "components it watches, as a customer does",
        "probe_every": "between two probes of one component",
        "open_after": "failed probes of one component within `window`: it is disturbed",
        "window": "see `open_after`",
        "close_after": "good probes in a row: it is well again",
        "post_lag": "from what the probes show to the page",
    },
    "provider.Provider": {
        "replicate_every": "between two rounds of copying from `kv`",
        "replication_lag": "how long a copy takes",
    },
}

# An example for each part of a file, as a patch of experiments/dns_race.yaml.
EXAMPLES: Final[dict[str, str]] = {
    "region": """region:
  preset: small
  dns: {race_fix: lease_fencing}
  kv: {slots: 6, admission: {kind: queue, limit: 50}}""",
    "client": """client:
  deadline: 2s
  timeout: 400ms
  attempts: 3
  backoff: {kind: exponential, base: 50ms, jitter: full}
  retry_budget: {ratio: 0.1, burst: 100}""",
    "conventions": """conventions: {late_replies: true, cancellation: true}""",
    "load": """load:
  mobile_banking:
    arrivals: {rate: 80/s, process: even}
    users: 300
    mix: {transfer: 0.5, balance: 0.5}""",
    "crowd": """load:
  mobile_banking:
    arrivals: null
    think: 4s
    users: 400
    crowd: {ramp: 2s, herd: outage.end, herd_within: 500ms}""",
    "phases": """phases: {warm_up: 2s, baseline: 8s, outage: 10s, recovery: 30s, drain: 3s}""",
    "timeline": """timeline:
  - {at: outage.start, do: kv.latency, with: {factor: 8}, id: slow}
  - {when: {gauge: kv.waiting_queue, above: 200, for: 1s, delay: 2s}, do: kv.drop_queue}
  - {at: outage.end, do: kv.heal, with: {fault: latency}, fix: true}""",
    "steady_state": """steady_state:
  goodput: ">= 97% of due"
  amplification: "<= 1.2x baseline"
  p99: none
  for: 4s""",
    "stop_when": """stop_when: {backlog: "> 5000 for 5s"}""",
    "expect": """expect:
  - {variant: budget, measure: time_to_recover, is: "<= 15s"}
  - {variant: budget, series: p99, is: "<= 2x baseline", for: 3s, within: 15s}
  - {compare: [budget, naive], measure: recovered, is: better}""",
    "variants": """variants:
  ours:
    client: {retry_budget: {ratio: 0.2, burst: 50}}""",
}
