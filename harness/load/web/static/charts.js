// The curves: five charts in the grammar of the reports, made once and then fed.
// Making a chart anew for each tick would stutter and leak over a run of minutes. So each is embedded once; twice a
// second at most, and only while somebody can see it, its data are replaced: at most a few hundred points a line,
// whatever the run's length. Colours are the page's tokens, read when the theme changes.
// The legend is ours: it carries the latest values, or those of the moment under the pointer, and it wraps.

import { make, number, plain, write } from "./words.js";
import { points, Store } from "./store.js";

const POINTS_MOST = 360; // of a line: a chart is some 700 pixels wide
const EVERY_MS = 500;
const COSTS_MOST = 8; // a drawing that took 100 ms is not followed by another for 800 ms
const REST_MS_MOST = 1500;
const PALETTE = ["--blue", "--orange", "--green", "--red", "--purple", "--sky", "--yellow", "--ink"];
const SHADES = { outage: "--shade-outage", recovery: "--shade-recovery", baseline: "--shade-baseline" };
const DEEDS = { inject: "--red", fix: "--green", heal: "--blue", action: "--purple", first_empty_answer: "--red" };
const CHARTS = [
  {
    id: "rates", title: "Offered, attempts and goodput", unit: "per second", least: 1, labels: true,
    caption: "What users wanted, what their clients sent, and what met its deadline; mean of the last second.",
    lines: [["offered", "offered_per_s", "--ink"], ["attempts", "attempts_per_s", "--orange"], ["goodput", "goodput_per_s", "--blue"]],
  },
  {
    id: "backlog", title: "Backlog by component", unit: "items", least: 5,
    caption: "Work accepted but not done: queues, calls between attempts, outboxes.",
  },
  {
    id: "amplification", title: "Amplification", unit: "attempts per operation", least: 2,
    caption: "Attempts for each operation: 1 is no retry at all.", lines: [["amplification", "amplification", "--orange"]],
  },
  {
    id: "p99", title: "Latency, p99", unit: "ms", least: 100, scale: 1000,
    caption: "Of good operations, from the intended start; a second without any is a gap.", lines: [["p99", "p99_s", "--red"]],
  },
  {
    id: "throttled", title: "Throttled", unit: "per second", least: 1,
    caption: "Attempts refused on purpose, by servers and by clients' own limiters.", lines: [["throttled", "throttled_per_s", "--purple"]],
  },
];

export class Charts {
  constructor(store, root) {
    this.store = store;
    this.root = root;
    this.state = null;
    this.span = "all";
    this.hover_s = null;
    this.dirty = true;
    this.charts = CHARTS.map((chart) => this.#figure(chart));
    this.drawing = false;
    this.rest_until_ms = 0;
    setInterval(() => this.#redraw(), EVERY_MS);
    document.addEventListener("visibilitychange", () => this.touch());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#again());
    this.observer = new IntersectionObserver((seen) => this.#seen(seen), { rootMargin: "200px" });
    for (const chart of this.charts) this.observer.observe(chart.holder);
    this.embedding = Promise.resolve();
    this.#again();
  }

  /** Make the charts, after those that are being made. */
  #again() {
    this.embedding = this.embedding.then(() => this.#embed());
  }

  /** Something changed: draw with the next beat. */
  touch() {
    this.dirty = true;
    for (const chart of this.charts) chart.dirty = true;
  }

  #seen(entries) {
    for (const entry of entries) {
      const chart = this.charts.find((known) => known.holder === entry.target);
      chart.seen = entry.isIntersecting;
    }
    this.dirty = true;
  }

  #figure(chart) {
    const legend = make("ul", { class: "legend", "aria-label": `${chart.title}: values` });
    const holder = make("div", { class: chart.labels || chart.id === "backlog" ? "chart" : "chart short", role: "img", "aria-label": `${chart.title}. ${chart.caption}` });
    this.root.append(make("figure", { id: `chart-${chart.id}` }, make("h3", {}, `${chart.title}, ${chart.unit}`), legend, holder, make("figcaption", {}, chart.caption)));
    const known = { ...chart, legend, holder, view: null, seen: true, dirty: true };
    holder.addEventListener("pointermove", (event) => this.#point(known, event));
    holder.addEventListener("pointerleave", () => this.#point(known, null));
    return known;
  }

  #point(chart, event) {
    this.hover_s = null;
    if (event && chart.view) {
      const left = event.clientX - chart.holder.getBoundingClientRect().left - chart.view.origin()[0];
      const t_s = chart.view.scale("x").invert(left);
      const [from_s, to_s] = this.#shown();
      if (t_s >= from_s && t_s <= to_s) this.hover_s = t_s;
    }
    this.touch();
  }

  async #embed() {
    const style = getComputedStyle(document.body);
    const probe = make("span");
    document.body.append(probe);
    this.color = (token) => {
      probe.style.color = `var(${token})`;
      return getComputedStyle(probe).color;
    };
    this.palette = Object.fromEntries(
      [...PALETTE, "--soft", "--line", "--bg", ...Object.values(SHADES), "--shade-other"].map((token) => [token, this.color(token)]),
    );
    probe.remove();
    for (const chart of this.charts) {
      const made = await globalThis.vegaEmbed(chart.holder, spec(chart, this.palette, style.fontFamily), {
        actions: false, renderer: "canvas", tooltip: false, hover: false,
      });
      chart.result?.finalize();
      chart.result = made;
      chart.view = made.view;
    }
    this.touch();
  }

  /** The stretch of time on the axis. */
  #shown() {
    const now_s = Math.max(this.store.t_s, 0);
    if (this.span !== "all") return [Math.max(0, now_s - Number(this.span)), Math.max(now_s, Number(this.span))];
    const phases = this.state?.phases ?? [];
    const planned_s = phases.length ? phases[phases.length - 1].end_s : 60;
    const end_s = Number.isFinite(planned_s) && planned_s > 0 && planned_s <= 3600 ? planned_s : 60;
    return [0, Math.max(end_s, now_s)];
  }

  #lines(chart) {
    const times = this.store.times();
    if (chart.lines) {
      return chart.lines.map(([name, series, token]) => ({ name, token, times, values: this.store.smooth(series) }));
    }
    const { t_s, by_component } = this.store.backlog;
    return Object.entries(by_component)
      .filter(([, values]) => values.some((value) => value > 0))
      .map(([name, values], index) => ({ name: plain(name), token: PALETTE[index % PALETTE.length], times: t_s, values }));
  }

  async #redraw() {
    const began_ms = performance.now();
    if (!this.dirty || this.drawing || document.hidden || began_ms < this.rest_until_ms) return;
    this.drawing = true;
    this.dirty = false;
    try {
      for (const chart of this.charts) if (chart.view && chart.seen && chart.dirty) await this.#draw(chart);
    } finally {
      this.drawing = false;
      const cost_ms = performance.now() - began_ms;
      this.rest_until_ms = began_ms + Math.min(REST_MS_MOST, COSTS_MOST * cost_ms); // the load generator may need this core
    }
  }

  async #draw(chart) {
    chart.dirty = false;
    const [from_s, to_s] = this.#shown();
    const scale = chart.scale ?? 1;
    const lines = this.#lines(chart);
    const rows = [];
    let top = chart.least;
    for (const line of lines) {
      for (const point of points(line.times, line.values, from_s, to_s, POINTS_MOST)) {
        const v = point.v === null ? null : point.v * scale;
        if (v > top) top = v;
        rows.push({ t: point.t, v, s: line.name, c: this.palette[line.token] });
      }
    }
    this.#legend(chart, lines, scale);
    const phases = (this.state?.phases ?? []).map((phase) => ({
      a: Math.max(phase.begin_s, from_s), b: Math.min(phase.end_s, to_s), name: plain(phase.name),
      c: this.palette[SHADES[phase.name] ?? "--shade-other"],
    })).filter((phase) => phase.b > phase.a);
    const marks = this.#marks(from_s, to_s);
    const room = chart.labels ? 1.1 + 0.13 * Math.min(4, marks.length) : 1.08;
    const view = chart.view;
    view.signal("x0", from_s).signal("x1", to_s).signal("top", top * room);
    view.data("lines", rows).data("bands", phases).data("marks", marks);
    view.data("hover", this.hover_s === null ? [] : [{ t: this.hover_s }]);
    await view.runAsync();
  }

  /** The rules to draw, each with its word; an action that was the fix is one rule, not two. */
  #marks(from_s, to_s) {
    const events = this.store.events.filter((event) => DEEDS[event.kind] && !event.error);
    const fixes = events.filter((event) => event.kind === "fix");
    const told = events.filter(
      (event) => event.kind === "fix" || !fixes.some((fix) => fix.what === event.what && Math.abs(fix.t_s - event.t_s) < 0.5),
    );
    return told.filter((event) => event.t_s >= from_s && event.t_s <= to_s).map((event, index) => ({
      t: event.t_s, label: label(event), c: this.palette[DEEDS[event.kind]], row: index % 4,
      right: event.t_s > from_s + 0.7 * (to_s - from_s),
    }));
  }

  #legend(chart, lines, scale) {
    while (chart.legend.children.length > lines.length) chart.legend.lastChild.remove();
    lines.forEach((line, index) => {
      let item = chart.legend.children[index];
      if (!item) {
        item = make("li", {}, make("span", { class: "key" }), make("span"));
        chart.legend.append(item);
      }
      item.firstChild.style.borderTopColor = this.palette[line.token];
      const value = Store.reading(line.times, line.values, this.hover_s ?? Infinity);
      const at = this.hover_s === null ? "" : ` at ${number(this.hover_s)} s`;
      write(item.lastChild, `${line.name} ${value === null ? "-" : number(value * scale)}${at}`);
    });
  }
}

/** What stands beside a rule. */
function label(event) {
  if (event.kind === "first_empty_answer") return "fault felt";
  if (event.kind === "fix") return `fix: ${plain(event.what)}`;
  return /ended by itself$/.test(event.what) ? "ended by itself" : plain(event.what);
}

/** One chart in Vega-Lite; its data come later, by name. */
function spec(chart, palette, font) {
  const x = {
    field: "t", type: "quantitative", title: null,
    scale: { domain: [{ expr: "x0" }, { expr: "x1" }], nice: false, zero: false },
    axis: { labelExpr: "datum.label + ' s'", tickCount: { expr: "max(2, floor(width / 90))" }, grid: false },
  };
  const y = {
    field: "v", type: "quantitative", title: null,
    scale: { domain: [0, { expr: "top" }], nice: false },
    axis: { minExtent: 48, maxExtent: 48, tickCount: 4, format: ",~f" },
  };
  const given = (field) => ({ field, type: "nominal", scale: null, legend: null });
  const rule = { ...x };
  const layers = [
    { data: { name: "bands" }, mark: { type: "rect" }, encoding: { x: { ...x, field: "a" }, x2: { field: "b" }, color: given("c") } },
    {
      data: { name: "lines" }, mark: { type: "line", interpolate: "step-before", strokeWidth: 1.8, clip: true, invalid: "break-paths-filter-domains" },
      encoding: { x, y, color: given("c"), detail: { field: "s", type: "nominal" } },
    },
    { data: { name: "marks" }, mark: { type: "rule", strokeWidth: 1.5 }, encoding: { x: rule, color: given("c") } },
    { data: { name: "hover" }, mark: { type: "rule", strokeDash: [3, 3], color: palette["--soft"] }, encoding: { x: rule } },
  ];
  if (chart.labels) {
    layers.push({
      data: { name: "marks" },
      mark: {
        type: "text", baseline: "top", fontSize: 11, fontWeight: "bold", clip: true,
        align: { expr: "datum.right ? 'right' : 'left'" }, dx: { expr: "datum.right ? -4 : 4" }, dy: { expr: "16 + 14 * datum.row" },
      },
      encoding: { x: rule, y: { value: 0 }, text: { field: "label", type: "nominal" }, color: given("c") },
    });
    layers.push({
      data: { name: "bands" }, mark: { type: "text", align: "left", baseline: "top", dx: 3, dy: 2, fontSize: 10, color: palette["--soft"] },
      transform: [{ filter: "(datum.b - datum.a) / (x1 - x0) * width > 6 * length(datum.name)" }],
      encoding: { x: { ...x, field: "a" }, y: { value: 0 }, text: { field: "name", type: "nominal" } },
    });
  }
  return {
    width: "container", height: "container", autosize: { type: "fit", contains: "padding" }, background: palette["--bg"],
    params: [{ name: "x0", value: 0 }, { name: "x1", value: 60 }, { name: "top", value: chart.least }],
    layer: layers,
    config: {
      font, view: { stroke: palette["--line"] },
      axis: { labelColor: palette["--soft"], gridColor: palette["--line"], gridOpacity: 0.6, domainColor: palette["--line"], tickColor: palette["--line"], labelFontSize: 11 },
    },
  };
}
