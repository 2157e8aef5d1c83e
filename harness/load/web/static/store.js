// What the page knows of a run: windows, backlog and events, as the stream told them.
// A stream that breaks and comes back tells some things twice, and what was told of the last second may change. So
// series take the place of what was held from their first index on, and events are known by what they say: hearing a
// thing again changes nothing. Leaves out how it is drawn (charts.js).

const SERIES = ["offered_per_s", "attempts_per_s", "goodput_per_s", "amplification", "p99_s", "throttled_per_s"];
const EVENTS_KEPT = 2000; // of the journal; a planner that works for hours would fill the page's memory

export class Store {
  constructor() {
    this.clear();
  }

  /** Forget the run. */
  clear() {
    this.origin_s = 0; // where window 0 begins
    this.width_s = 0.25;
    this.windows = Object.fromEntries(SERIES.map((name) => [name, []]));
    this.backlog = { t_s: [], by_component: {} };
    this.events = [];
    this.told = new Set();
    this.t_s = 0;
  }

  get length() {
    return this.windows.offered_per_s.length;
  }

  /** Take one tick of the stream; returns the events that are new. */
  take(tick) {
    this.t_s = Math.max(this.t_s, tick.t_s ?? 0);
    if (tick.windows) this.#windows(tick.windows);
    if (tick.backlog) this.#backlog(tick.backlog);
    const fresh = [];
    for (const event of tick.events ?? []) {
      const key = JSON.stringify([event.t_s, event.who, event.kind, event.what, event.fix, event.error]);
      if (this.told.has(key)) continue;
      this.told.add(key);
      this.events.push(event);
      fresh.push(event);
    }
    while (this.events.length > EVENTS_KEPT) this.events.shift();
    return fresh;
  }

  #windows(told) {
    const from = told.from ?? 0;
    this.width_s = told.width_s ?? this.width_s;
    this.origin_s = (told.begin_s ?? from * this.width_s) - from * this.width_s;
    for (const name of SERIES) splice(this.windows[name], told[name] ?? [], from);
  }

  #backlog(told) {
    const kept = this.backlog;
    const from = told.from ?? kept.t_s.length;
    splice(kept.t_s, told.t_s ?? [], from);
    for (const [name, values] of Object.entries(told.by_component ?? {})) {
      splice((kept.by_component[name] ??= []), values, from);
    }
  }

  /** Times of the windows' ends: what a window says is known when it is over. */
  times() {
    return Array.from({ length: this.length }, (_, index) => this.origin_s + (index + 1) * this.width_s);
  }

  /** A series as the mean of the last second of windows; a second without any value has none. */
  smooth(name) {
    return Array.from({ length: this.length }, (_, index) => this.#mean(name, index));
  }

  /** What a series is now, as drawn; null where nothing is known. */
  latest(name) {
    return this.length ? this.#mean(name, this.length - 1) : null;
  }

  #mean(name, index) {
    const values = this.windows[name];
    const wide = Math.max(1, Math.round(1 / this.width_s));
    let sum = 0;
    let count = 0;
    for (let back = Math.max(0, index - wide + 1); back <= index; back += 1) {
      const value = values[back];
      if (value === null || value === undefined) continue;
      sum += value;
      count += 1;
    }
    return count ? sum / count : null;
  }

  /** The value of a series that was known at a moment, as drawn; null where there is none. */
  static reading(times, values, t_s) {
    let low = 0;
    let high = times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] <= t_s) low = middle + 1;
      else high = middle;
    }
    return low ? (values[low - 1] ?? null) : null;
  }
}

/** Put values in place of what is held from an index on; what was never told is null. */
function splice(held, values, from) {
  while (held.length < from) held.push(null);
  held.length = from;
  for (const value of values) held.push(value);
}

/** Points of a line within [from_s, to_s], at most about `most` of them: each bucket keeps its largest value, so that a
 * spike stays, and a bucket without any is a gap. */
export function points(times, values, from_s, to_s, most) {
  const first = times.findIndex((t_s) => t_s >= from_s);
  if (first < 0) return [];
  const begin = Math.max(0, first - 1);
  let end = times.length;
  while (end > begin && times[end - 1] > to_s) end -= 1;
  const step = Math.max(1, Math.ceil((end - begin) / most));
  const found = [];
  for (let left = begin - (begin % step); left < end; left += step) {
    let best = null;
    for (let index = left; index < Math.min(left + step, end); index += 1) {
      const value = values[index];
      if (value !== null && value !== undefined && (best === null || value > best)) best = value;
    }
    found.push({ t: times[left], v: best });
  }
  return found;
}
