// The operator panel: a button for each fault and action of the running region, a dialog that asks before anything is
// done, and the faults that are on with their time left.
// A press in an incident is made once and with a reason to believe it was. So the id of a press is made when the dialog
// opens: a second click, or a request that is sent again, is the same press, and the server refuses it as such. Focus
// goes into the dialog and back to the button. What came of it is said aloud, and the words of a refusal stay on show.

import { at, fresh, make, plain, seconds, write } from "./words.js";

const TOKEN = document.querySelector("meta[name=blackstart-token]").content;

/** Send JSON to an address of the page; the answer, or an Error whose message is for people. */
export async function send(address, body) {
  let answer;
  try {
    answer = await fetch(address, {
      method: "POST", credentials: "same-origin", redirect: "manual",
      headers: { "Content-Type": "application/json", "X-Blackstart-Token": TOKEN }, body: JSON.stringify(body),
    });
  } catch {
    throw new Error("the server does not answer; nothing is known of what it did");
  }
  if (answer.type === "opaqueredirect") throw new Error("you are signed out of Locust: load the page again");
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(told.error ?? `the server answered ${answer.status}`), { answered: true });
  return told;
}

export class Operator {
  /** `note(event)` writes an entry of this page's own into the journal. */
  constructor(note) {
    this.note = note;
    this.state = { status: "idle", verbs: [] };
    this.faults = [];
    this.t_s = 0;
    this.harmed = false; // whether a fault has been on in this run
    this.fixed = false;
    this.pending = null;
    at("press-cancel").addEventListener("click", () => at("press").close());
    at("press-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#confirm();
    });
    at("press").addEventListener("close", () => {
      this.pending = null;
    });
  }

  /** How things stand: the buttons are made again when the region is another one. */
  show(state) {
    this.state = state;
    const running = state.status === "running";
    const text = JSON.stringify(state.verbs ?? []);
    if (this.text !== text) {
      this.text = text;
      this.#buttons(state.verbs ?? []);
    }
    for (const button of at("verbs").querySelectorAll("button")) button.disabled = !running;
    const none = (state.verbs ?? []).length === 0;
    write(at("operator-note"), none
      ? "There is no region of ours to act on. Break and mend your own service; the curves show what it does."
      : running ? "Each button asks before it acts." : "Buttons work while a run goes on.");
    if (!running && at("press").open) at("press").close();
    this.#faults();
  }

  /** Another run: what was pressed before is over. */
  forget() {
    this.harmed = this.fixed = false;
    this.tick({ t_s: 0, faults_on: [] }, []);
  }

  tick(told, events) {
    this.t_s = told.t_s;
    this.faults = told.faults_on ?? [];
    this.harmed ||= this.faults.length > 0 || events.some((event) => event.kind === "inject");
    this.fixed ||= events.some((event) => event.kind === "fix" || event.fix);
    this.#faults();
  }

  #buttons(verbs) {
    const groups = new Map();
    for (const verb of verbs) groups.set(verb.component, [...(groups.get(verb.component) ?? []), verb]);
    at("verbs").replaceChildren(...[...groups].map(([component, its]) => {
      const deeds = (wanted) => its.filter((verb) => (verb.kind === "inject") === wanted).map((verb) => this.#button(verb));
      const group = make("details", { open: groups.size <= 4 }, make("summary", {}, plain(component)));
      const [faults, actions] = [deeds(true), deeds(false)];
      if (actions.length) group.append(make("div", { class: "deeds", role: "group", "aria-label": `Actions of ${plain(component)}` }, ...actions));
      if (faults.length) group.append(make("div", { class: "deeds", role: "group", "aria-label": `Faults of ${plain(component)}` }, ...faults));
      return group;
    }));
  }

  #button(verb) {
    const fault = verb.kind === "inject";
    const button = make("button", { type: "button", class: fault ? "fault" : "act", title: verb.help ?? null, "data-verb": `${verb.component}.${verb.name}` }, plain(verb.name));
    button.addEventListener("click", () => this.#ask(fault ? "inject" : "action", verb));
    return button;
  }

  #faults() {
    const list = at("faults-on");
    const keys = this.faults.map((fault) => `${fault.component}.${fault.name}`);
    if (list.dataset.keys !== keys.join()) {
      list.dataset.keys = keys.join();
      list.replaceChildren(...this.faults.map((fault) => {
        const what = `${plain(fault.component)}: ${plain(fault.name)}`;
        const button = make("button", { type: "button", class: "heal", "aria-label": `Heal ${what}` }, "Heal");
        button.addEventListener("click", () => this.#ask("heal", { ...fault, params: [], help: "End this fault now." }));
        return make("li", {}, make("span", {}, make("b", {}, what), make("span", { class: "left-time" })), button);
      }));
      if (!keys.length) list.replaceChildren(make("li", { class: "soft" }, "None."));
    }
    this.faults.forEach((fault, index) => {
      const left = fault.ends_s === null || fault.ends_s === undefined ? "until healed" : `${seconds(Math.max(0, fault.ends_s - this.t_s))} left`;
      write(list.children[index].querySelector(".left-time"), left);
    });
    for (const button of list.querySelectorAll("button")) button.disabled = this.state.status !== "running";
  }

  #ask(deed, verb) {
    this.pending = { deed, verb, press: fresh(), inputs: new Map(), ttl: null, fix: null, sending: false };
    const verbs = { inject: "Inject", heal: "Heal", action: "Do" };
    write(at("press-title"), `${verbs[deed]}: ${plain(verb.component)}, ${plain(verb.name)}`);
    write(at("press-help"), verb.help ?? "");
    write(at("press-confirm"), { inject: "Inject the fault", heal: "Heal it", action: "Do it" }[deed]);
    at("press-confirm").disabled = false;
    at("press-error").hidden = true;
    const fields = at("press-fields");
    fields.replaceChildren();
    if ((verb.one_of ?? []).length) fields.append(make("p", { class: "hint" }, `Give one of: ${verb.one_of.map(plain).join(", ")}.`));
    for (const param of verb.params ?? []) fields.append(this.#field(param));
    if (deed === "inject") {
      const ttl = make("input", { type: "number", min: "0.1", step: "any", max: verb.ttl_max_s ?? null, value: verb.ttl_s ?? 10, required: true, name: "ttl_s" });
      this.pending.ttl = ttl;
      fields.append(make("label", {}, "ends by itself after (seconds)", ttl), make("span", { class: "hint" }, `At most ${verb.ttl_max_s ?? "-"} s, even if everything else dies.`));
    } else {
      const others = this.faults.filter((fault) => deed !== "heal" || fault.component !== verb.component || fault.name !== verb.name);
      const fix = make("input", { type: "checkbox", name: "fix" });
      fix.checked = this.harmed && !this.fixed && others.length === 0;
      this.pending.fix = fix;
      fields.append(make("label", { class: "check" }, fix, "This is the fix: time to recover counts from here"));
    }
    at("press").showModal();
    (fields.querySelector("input:not([type=checkbox]), select") ?? at("press-confirm")).focus();
  }

  #field(param) {
    const attributes = { name: param.name, required: param.required };
    let input;
    if ((param.choices ?? []).length) {
      const options = param.choices.map((choice) => make("option", { value: choice }, choice));
      input = make("select", attributes, ...(param.required ? options : [make("option", { value: "" }, "not given"), ...options]));
      input.value = param.default ?? (param.required ? param.choices[0] : "");
    } else {
      const numeric = ["number", "count"].includes(param.kind);
      const like = { duration: "100ms", rate: "20/s", share: "0.5", count: "1", number: "2" }[param.kind] ?? "";
      input = make("input", {
        ...attributes, type: "text", inputmode: numeric ? "decimal" : null, autocomplete: "off", spellcheck: "false",
        value: param.default ?? null, placeholder: like ? `as in ${like}` : null,
      });
    }
    this.pending.inputs.set(param, input);
    const hint = make("span", { class: "hint" }, `${param.help ?? ""}${param.required ? "" : " (may be left out)"}`);
    return make("div", {}, make("label", {}, plain(param.name), input), hint);
  }

  async #confirm() {
    const asked = this.pending;
    if (!asked || asked.sending) return;
    const missing = [...asked.inputs].find(([param, input]) => param.required && !input.value.trim());
    if (missing) return this.#refuse(asked, `${plain(missing[0].name)} is needed`, missing[1]);
    const ttl_s = asked.ttl ? Number(asked.ttl.value) : null;
    if (asked.ttl && !(ttl_s > 0 && ttl_s <= (asked.verb.ttl_max_s ?? Infinity))) {
      return this.#refuse(asked, `the length is a number of seconds over 0 and at most ${asked.verb.ttl_max_s ?? "-"}`, asked.ttl);
    }
    const params = {};
    for (const [param, input] of asked.inputs) {
      const text = input.value.trim();
      if (text === "") continue;
      const numeric = ["number", "count", "share"].includes(param.kind) && Number.isFinite(Number(text));
      params[param.name] = numeric ? Number(text) : text;
    }
    asked.sending = true;
    at("press-confirm").disabled = true;
    const what = `${plain(asked.verb.component)} ${plain(asked.verb.name)}`;
    try {
      await send("press", {
        deed: asked.deed, component: asked.verb.component, name: asked.verb.name, params,
        ...(ttl_s === null ? {} : { ttl_s }), fix: asked.fix?.checked ?? false, press: asked.press,
      });
      write(at("announce"), `Done: ${asked.deed} ${what}.`);
      if (this.pending === asked) at("press").close();
    } catch (error) {
      this.note({ t_s: this.t_s, who: "this page", kind: `${asked.deed} refused`, what, error: error.message });
      write(at("announce"), `Refused: ${what}. ${error.message}`);
      if (error.answered) asked.press = fresh(); // refused: trying again is another press; unknown: it is the same
      this.#refuse(asked, error.message, at("press-confirm"));
    } finally {
      asked.sending = false;
      at("press-confirm").disabled = false;
    }
    return undefined;
  }

  #refuse(asked, words, focus) {
    if (this.pending !== asked) return;
    const place = at("press-error");
    write(place, words);
    place.hidden = false;
    at("press-confirm").disabled = false;
    focus.focus();
  }
}
