// Adds a tab "Recovery" to Locust's own page, which shows the Recovery page in a frame.
// Locust's extended tabs can only be tables, and its page is rebuilt by React whenever it likes. So the tab is put in
// after the fact and watched for: when the bar is made again, so is the tab. Where no bar is found (before a run, or in
// another version of Locust) there is a plain link at the corner of the page, which always works.
(() => {
  "use strict";
  const home = new URL("../", document.currentScript.src); // .../blackstart/
  const STYLE = `
    .blackstart-open > :not(.blackstart-bar):not(#blackstart-panel) { display: none !important; }
    .blackstart-open .MuiTabs-indicator { visibility: hidden; }
    .blackstart-open [role=tab]:not(#blackstart-tab) { color: inherit !important; opacity: .7; }
    #blackstart-tab { font: inherit; font-size: .875rem; font-weight: 500; letter-spacing: .02857em; text-transform: uppercase; padding: 12px 16px;
      color: inherit; opacity: .7; background: none; border: 0; border-bottom: 2px solid transparent; cursor: pointer; white-space: nowrap; }
    #blackstart-tab[aria-selected=true] { opacity: 1; border-bottom-color: currentColor; }
    #blackstart-tab:focus-visible, #blackstart-link:focus-visible { outline: 3px solid #005a9c; outline-offset: -3px; }
    #blackstart-panel { padding-top: 8px; }
    #blackstart-panel iframe { display: block; width: 100%; min-height: 480px; border: 0; border-radius: 8px; }
    #blackstart-link { position: fixed; left: 16px; bottom: 16px; z-index: 1200; padding: 8px 14px; border-radius: 6px; background: #005a9c; color: #fff;
      font: 600 15px/1.4 system-ui, sans-serif; text-decoration: none; }`;

  let open = false; // what the reader wants; the page may be made anew meanwhile

  const style = document.createElement("style");
  style.textContent = STYLE;
  document.head.append(style);

  /** The child of a shared parent that holds the bar, so that its siblings are the panels. */
  function place(list) {
    let bar = list.closest(".MuiTabs-root") ?? list;
    while (bar.parentElement && bar.parentElement !== document.body && bar.parentElement.children.length < 2) bar = bar.parentElement;
    return bar;
  }

  /** Locust has a switch of its own between light and dark: follow what is on the screen. */
  function theme() {
    const parts = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g);
    if (!parts || parts[3] === "0") return "";
    return Number(parts[0]) + Number(parts[1]) + Number(parts[2]) < 384 ? "dark" : "light";
  }

  function show(list, wanted) {
    open = wanted;
    const bar = place(list);
    const parent = bar.parentElement;
    let panel = document.getElementById("blackstart-panel");
    const tab = document.getElementById("blackstart-tab");
    tab.setAttribute("aria-selected", String(wanted));
    tab.tabIndex = wanted ? 0 : -1;
    bar.classList.toggle("blackstart-bar", wanted);
    parent.classList.toggle("blackstart-open", wanted);
    if (!wanted) {
      panel?.remove(); // and with it its stream
      return;
    }
    if (panel) return;
    panel = document.createElement("div");
    panel.id = "blackstart-panel";
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", "blackstart-tab");
    const frame = document.createElement("iframe");
    frame.title = "Recovery";
    frame.src = new URL(`?embedded=1&theme=${theme()}`, home).href;
    panel.append(frame);
    parent.append(panel);
    const fit = () => {
      const top = frame.getBoundingClientRect().top + window.scrollY;
      frame.style.height = `${Math.max(480, window.innerHeight - top - 24)}px`;
    };
    fit();
    new ResizeObserver(fit).observe(document.documentElement);
  }

  function add(list) {
    const tab = document.createElement("button");
    tab.id = "blackstart-tab";
    tab.type = "button";
    tab.setAttribute("role", "tab");
    tab.textContent = "Recovery";
    tab.addEventListener("click", () => show(list, true));
    list.append(tab);
    list.addEventListener("click", (event) => {
      const other = event.target.closest("[role=tab]");
      if (other && other.id !== tab.id && open) show(list, false);
    }, true);
    show(list, open);
  }

  function link(wanted) {
    const known = document.getElementById("blackstart-link");
    if (!wanted) known?.remove();
    else if (!known) {
      const made = document.createElement("a");
      made.id = "blackstart-link";
      made.href = home.href;
      made.textContent = "Recovery";
      document.body.append(made);
    }
  }

  function look() {
    const list = document.querySelector("[role=tablist]");
    link(!list);
    if (list && !list.querySelector("#blackstart-tab")) add(list);
  }

  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  look();
})();
