// What the page says in words: the head, the verdict so far with its lines, the load generator, the journal, and the
// measures when the run is over. Nothing here decides anything; it writes what was told, and only where that changed.

import { at, make, number, percent, pick, plain, seconds, show, write } from "./words.js";

const TONES = {
  good: ["recovered", "never_failed", "steady"],
  bad: ["metastable", "degraded", "overloaded", "failing"],
  note: ["draining", "invalid", "recovering"],
};
const ENTRIES_MOST = 300; // of the journal on the page

/** The tone of a verdict's word; colour is never alone, the word itself stands beside it. */
export function tone(word) {
  return Object.keys(TONES).find((name) => TONES[name].includes(word)) ?? "";
}

function tint(element, base, name) {
  const wanted = name ? `${base} ${name}`.trim() : base;
  if (element.className !== wanted) element.className = wanted;
}

/** A line's value or limit with its unit. */
function amount(value, unit) {
  if (value === null || value === undefined) return "-";
  if (unit === "share of due") return percent(value);
  if (unit === "s") return value < 1 ? `${number(1000 * value)} ms` : seconds(value);
  return unit === "attempts per operation" ? `${number(value)}x` : number(value);
}

export function head(state) {
  const title = state.title || state.experiment || "Recovery";
  write(at("title"), title);
  document.title = `${title} - Recovery`;
  write(at("description"), state.description ?? "");
  for (const name of ["experiment", "variant", "seed"]) write(at(name), state[name] || state[name] === 0 ? state[name] : "-");
  write(at("status"), state.status);
  const form = at("variant-form");
  const choice = at("variant-choice");
  form.hidden = state.status === "running" || (state.variants ?? []).length < 2;
  const names = (state.variants ?? []).join("\n");
  if (choice.dataset.names !== names) {
    choice.dataset.names = names;
    choice.replaceChildren(...(state.variants ?? []).map((name) => make("option", { value: name }, name)));
    choice.value = state.variant;
  }
  at("waiting").hidden = state.status === "running" && !state.detail;
  planned(state.planned ?? []);
}

/** What stands above everything while nothing runs. */
export function invite(state) {
  const place = at("waiting");
  if (place.hidden) return;
  const link = make("a", { href: state.locust_url ?? "../", target: "_top" }, "Locust's page");
  const words = state.ready === false && state.detail
    ? [state.status === "running" ? "" : "Not ready for a run yet: ", state.detail, "."]
    : [state.status === "ended" ? "The run is over. " : "Nothing is running. ", "Press ", make("b", {}, "Start"), " on ", link, state.status === "ended" ? " for another one." : ": the recovery shows here."];
  const text = words.map((word) => (word instanceof Node ? word.textContent : word)).join("");
  if (place.textContent !== text) place.replaceChildren(...words);
}

function planned(entries) {
  at("plan").hidden = entries.length === 0;
  const text = JSON.stringify(entries);
  const list = at("planned");
  if (list.dataset.text === text) return;
  list.dataset.text = text;
  list.replaceChildren(...entries.map((entry) => make("li", {},
    make("time", {}, entry.at_s === null || entry.at_s === undefined ? "when due" : seconds(entry.at_s)),
    make("span", {}, plain(entry.what), entry.fix ? " (the fix)" : ""))));
}

/** The head's clock and phase, the verdict so far, and the numbers of the last second. */
export function tick(told, store, told_at_s) {
  const verdict = told.verdict_so_far ?? {};
  write(at("phase"), plain(told.phase) || "-");
  write(at("clock"), seconds(told_at_s));
  const word = at("word");
  const before = word.textContent;
  write(word, plain(verdict.word) || "waiting");
  tint(word, "word", tone(verdict.word));
  tint(at("says"), "says", tone(verdict.word));
  const fixed = verdict.since_fix_s !== null && verdict.since_fix_s !== undefined;
  const steady = verdict.recovered_s === null || verdict.recovered_s === undefined ? "" : `; steady from ${seconds(verdict.recovered_s)} on`;
  write(at("why"), `${verdict.why ?? ""}${steady}`);
  write(at("since"), fixed ? seconds(verdict.since_fix_s) : "no fix yet");
  if (before !== word.textContent) write(at("announce"), `Verdict so far: ${word.textContent}. ${verdict.why ?? ""}`);
  for (const [id, name] of [["n-offered", "offered_per_s"], ["n-goodput", "goodput_per_s"], ["n-amplification", "amplification"], ["n-throttled", "throttled_per_s"]]) {
    write(at(id), number(store.latest(name)));
  }
  const waiting = Object.values(store.backlog.by_component).map((values) => values[values.length - 1] ?? 0);
  write(at("n-backlog"), waiting.length ? number(waiting.reduce((sum, value) => sum + value, 0)) : "-");
  lines(verdict.lines ?? []);
  generator(told.generator);
}

function lines(told) {
  const body = at("lines");
  const rows = told.length ? told : [{ line: "the lines are judged once the baseline is known", holds: null }];
  while (body.children.length > rows.length) body.lastChild.remove();
  rows.forEach((line, index) => {
    let row = body.children[index];
    if (!row) {
      row = make("tr", {}, make("th", { scope: "row" }), make("td", { class: "state" }), make("td", { class: "num" }), make("td", { class: "num" }));
      body.append(row);
    }
    const [name, state, value, limit] = row.children;
    write(name, plain(line.line) + (line.of && line.of !== line.line ? ` (${plain(line.of)})` : ""));
    const unknown = line.holds === null || (line.holds && (line.value === null || line.value === undefined));
    write(state, unknown ? "- no data" : line.holds ? "\u2713 holds" : "\u2717 broken");
    tint(state, "state", unknown ? "soft" : line.holds ? "good" : "bad");
    write(value, amount(line.value, line.unit));
    write(limit, amount(line.limit, line.unit));
  });
}

function generator(told) {
  if (!told) return;
  const word = at("generator-word");
  write(word, told.valid ? "\u2713 valid so far" : "\u2717 this run cannot support a verdict");
  tint(word, "word small", told.valid ? "good" : "bad");
  const reasons = told.reasons ?? [];
  const list = at("generator-reasons");
  if (list.textContent !== reasons.join("")) list.replaceChildren(...reasons.map((reason) => make("li", {}, reason)));
  const facts = [
    ["started late", told.late_ratio === null ? "-" : percent(told.late_ratio)],
    ["dropped", number(told.dropped)],
    ["lag, p99", told.lag_p99_s === null ? "-" : `${number(1000 * told.lag_p99_s)} ms`],
    ["CPU of a core", told.cpu === null || told.cpu === undefined ? "-" : percent(told.cpu)],
  ];
  const place = at("generator-facts");
  if (!place.children.length) for (const [name] of facts) place.append(make("div", {}, make("dt", {}, name), make("dd", {})));
  facts.forEach(([, value], index) => write(place.children[index].lastChild, value));
}

/** New entries of the journal, the newest on top. */
export function journal(events) {
  const list = at("entries");
  for (const event of events) {
    const words = make("span", {}, make("b", {}, plain(event.kind)), ` ${plain(event.what)}`);
    if (event.fix && event.kind !== "fix") words.append(make("span", { class: "good" }, " (the fix)"));
    if (event.error) words.append(make("span", { class: "error" }, ` ${show(event.error)}`));
    if (event.who) words.append(make("span", { class: "soft" }, ` by ${plain(event.who)}`));
    list.prepend(make("li", {}, make("time", {}, event.t_s === null ? "-" : seconds(event.t_s)), words));
  }
  while (list.children.length > ENTRIES_MOST) list.lastChild.remove();
}

const MEASURES = [
  ["recovered", "recovered", show],
  ["time_to_recover_s", "time to recover", seconds],
  ["time_to_detect_s", "time to detect", seconds],
  ["time_to_first_success_s", "time to first success", seconds],
  ["amplification.overall", "amplification, overall", number],
  ["amplification.peak", "amplification, peak", number],
  ["attempts_peak_per_s", "attempts, peak a second", number],
  ["backlog.at_fix", "backlog at the fix", number],
  ["backlog.peak", "backlog, peak", number],
  ["backlog.drain_s", "time to drain", seconds],
  ["wasted_work_ratio", "wasted work", percent],
  ["goodput_deficit.outage_ops", "goodput deficit, outage", (value) => `${number(value)} operations`],
  ["goodput_deficit.recovery_ops", "goodput deficit, recovery", (value) => `${number(value)} operations`],
  ["throttled.server", "throttled by servers", (value) => `${number(value)} attempts`],
  ["throttled.client", "throttled by clients", (value) => `${number(value)} attempts`],
  ["oscillations", "oscillations", number],
];

/** The end: the verdict, what was measured, and the way to the report. Null clears it for another run. */
export function final(ended) {
  const place = at("final");
  place.hidden = ended === null;
  at("verdict").classList.toggle("over", ended !== null); // one verdict is enough: the last
  write(at("verdict-title"), ended === null ? "Verdict so far" : "Steady-state lines at the end");
  if (ended === null) return;
  const measures = ended.measures ?? {};
  const word = measures.verdict ?? (ended.error ? "no verdict" : "-");
  write(at("final-word"), plain(word));
  tint(at("final-word"), "word", tone(word));
  tint(at("final-says"), "says", tone(word));
  const invalid = (measures.validity?.reasons ?? []).join("; ");
  write(at("final-why"), [ended.error ?? measures.verdict_reason, word === "invalid" ? invalid : ""].filter(Boolean).join(" - "));
  at("measures").replaceChildren(...(ended.measures ? MEASURES : []).map(([key, label, format]) => {
    const value = pick(measures, key);
    const known = value !== null && value !== undefined;
    const cell = make("dd", {}, known ? format(value) : key === "time_to_recover_s" && measures.censored ? "not reached" : "-");
    const reason = known ? null : measures.reasons?.[key];
    if (reason) cell.append(make("span", { class: "soft" }, reason));
    return make("div", {}, make("dt", {}, label), cell);
  }));
  const words = ended.report_url
    ? [make("a", { href: ended.report_url, target: "_blank", rel: "noopener" }, "The report of this run"), ` (${ended.run_folder ?? "run folder"}, exit code ${ended.exit_code})`]
    : [`Exit code ${ended.exit_code ?? "-"}; there is no report.`];
  at("report").replaceChildren(...words);
  write(at("announce"), `The run is over. Verdict: ${plain(word)}.`);
}
