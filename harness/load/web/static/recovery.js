// The Recovery page: listens to the run and hands what it hears to the parts of the page.
// A page that shows old numbers as if they were new is worse than none. So a lost connection is said at once, silence
// during a run is said after a few seconds, and the browser's own EventSource is opened again when it gives up.

import { Charts } from "./charts.js";
import { Operator, send } from "./operator.js";
import * as panels from "./panels.js";
import { Store } from "./store.js";
import { at, write } from "./words.js";

const SILENCE_MS = 5000; // ticks come twice a second while a run goes on
const AGAIN_MS = 2000;

const asked = new URLSearchParams(location.search);
if (asked.get("embedded") === "1") document.body.classList.add("embedded");
if (["light", "dark"].includes(asked.get("theme"))) document.documentElement.dataset.theme = asked.get("theme");

const store = new Store();
const charts = new Charts(store, at("figures"));
const operator = new Operator((event) => panels.journal([event]));
let state = { status: "idle" };
let heard_ms = performance.now();
let told = null; // the last tick
let end = null; // how the run ended
let lost = false;

function forget() {
  store.clear();
  told = end = null;
  at("entries").replaceChildren();
  panels.final(null);
  operator.forget();
  charts.touch();
}

function banner(words) {
  const place = at("connection");
  write(place, words);
  place.hidden = words === "";
}

const hears = {
  state(data) {
    const other = data.run_folder !== state.run_folder && data.status === "running";
    state = data;
    if (other) forget();
    charts.state = data;
    panels.head(data);
    panels.invite(data);
    if (end !== null && data.status === "ended" && data.report_url && !end.report_url) hears.ended({ ...end, report_url: data.report_url }); // written later
    operator.show(data);
    charts.touch();
  },
  tick(data) {
    const events = store.take(data);
    told = data;
    panels.journal(events);
    panels.tick(data, store, data.t_s);
    operator.tick(data, events);
    charts.touch();
  },
  ended(data) {
    end = data;
    panels.final(data);
    panels.invite(state);
  },
};

function listen() {
  const stream = new EventSource("stream");
  const hear = (name) => (event) => {
    heard_ms = performance.now();
    lost = false;
    banner("");
    hears[name](JSON.parse(event.data));
  };
  for (const name of Object.keys(hears)) stream.addEventListener(name, hear(name));
  stream.addEventListener("open", () => {
    heard_ms = performance.now();
    lost = false;
    banner("");
  });
  stream.addEventListener("error", () => {
    lost = true;
    banner("Connection lost. What you see is old; the run may go on without this page. Trying again.");
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_MS);
  });
  addEventListener("pagehide", () => stream.close(), { once: true });
}

setInterval(() => {
  if (lost || state.status !== "running" || state.detail || told === null) return;
  const silent_ms = performance.now() - heard_ms;
  banner(silent_ms > SILENCE_MS ? `Nothing heard for ${Math.round(silent_ms / 1000)} s: what you see is old.` : "");
}, 1000);

at("variant-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const wanted = at("variant-choice").value;
  try {
    await send("variant", { variant: wanted });
    write(at("announce"), `The next run uses variant ${wanted}.`);
  } catch (error) {
    write(at("announce"), `The variant stays: ${error.message}`);
    banner(`The variant stays: ${error.message}`);
  }
});
for (const choice of document.querySelectorAll("input[name=span]")) {
  choice.addEventListener("change", () => {
    charts.span = choice.value;
    charts.touch();
  });
}
listen();
