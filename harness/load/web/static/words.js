// Small words of the page: elements made without markup, and numbers as people read them.
// Whatever came from a file, a journal or a service is set as text, never as HTML: a title cannot become a script.

/** An element: `make("p", {class: "soft"}, "text", child)`. Attributes that are null or false are left out. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

/** The element with this id; the page has it, or the page is wrong. */
export function at(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element #${id}`);
  return found;
}

/** Write text only where it differs: readers' selections and screen readers are left in peace. */
export function write(element, text) {
  const words = String(text);
  if (element.textContent !== words) element.textContent = words;
}

/** `stall_enactor` as `stall enactor`. */
export const plain = (name) => String(name ?? "").replaceAll("_", " ");

/** A number with up to three significant digits; "-" where there is none. */
export function number(value) {
  if (value === null || value === undefined || !Number.isFinite(Number(value))) return "-";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en-GB");
  if (size >= 100 || Number.isInteger(value)) return String(Math.round(value));
  return String(Number(Number(value).toPrecision(3)));
}

/** A share as a percentage, with as many decimals as help: `97.3 %`, `0.03 %`. */
export function percent(share) {
  if (share === null || share === undefined || !Number.isFinite(Number(share))) return "-";
  return `${Number((100 * share).toFixed(Math.abs(share) < 0.01 ? 2 : 1))} %`;
}

/** Seconds of a clock, one decimal: `42.5 s`, `3 min 05 s`. */
export function seconds(value) {
  if (value === null || value === undefined || !Number.isFinite(Number(value))) return "-";
  if (Math.abs(value) < 120) return `${Number(value).toFixed(1)} s`;
  const whole = Math.round(value);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

/** A value of any kind in a sentence. */
export function show(value) {
  if (value === null || value === undefined) return "-";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return number(value);
  if (Array.isArray(value)) return value.map(show).join("; ") || "none";
  if (typeof value === "object") return Object.entries(value).map(([key, inner]) => `${plain(key)} ${show(inner)}`).join(", ");
  return String(value);
}

/** A value out of a nested object by its dotted key; undefined when it is not there. */
export const pick = (object, dotted) =>
  dotted.split(".").reduce((inner, key) => (inner === null || inner === undefined ? undefined : inner[key]), object);

/** An id that no other press has. `randomUUID` needs https or loopback, so it is made by hand elsewhere. */
export function fresh() {
  if (globalThis.crypto?.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
