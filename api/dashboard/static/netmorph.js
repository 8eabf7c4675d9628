// Keeps a page live: one event source while it is visible; at each change its fragments and figures
// are fetched again. When events fail, the page polls.

const POLL = 5000; // milliseconds
const live = document.querySelector("[data-live]");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
let source = null;
let timer = null;
let busy = false;
let again = false;

// Fetches a part; the service answers 304, without the part, where it is as the page has it.
function fetchChanged(element, address, headers = {}) {
  const known = element.lastTag && element.lastAddress === String(address) ? { "If-None-Match": element.lastTag } : {};
  return fetch(address, { cache: "no-store", headers: { ...headers, ...known } });
}

// Notes what of a part is shown now.
function keep(element, text, answer) {
  element.lastText = text;
  element.lastTag = answer.headers.get("ETag");
  element.lastAddress = String(element.dataset.fragment ?? answer.url);
}

async function refreshFragment(element) {
  const answer = await fetchChanged(element, element.dataset.fragment, { Accept: "text/html" });
  if (answer.status === 401) { location.reload(); return; }
  if (!answer.ok) return;
  const text = await answer.text();
  const isSame = element.lastText === text;
  if (!isSame && element.contains(document.activeElement) && document.activeElement.matches("input:not([type=checkbox]), select")) return;
  keep(element, text, answer);
  if (isSame) return;
  const open = new Set([...element.querySelectorAll("details[open]")].map((one) => one.id));
  const parsed = new DOMParser().parseFromString(text, "text/html");
  for (const one of parsed.querySelectorAll("details")) one.open = open.has(one.id);
  const ticked = new Set([...element.querySelectorAll("input:checked")].map((one) => one.value));
  for (const one of parsed.querySelectorAll("input[type=checkbox]")) one.checked = ticked.has(one.value);
  const focused = element.contains(document.activeElement) ? selectorOf(document.activeElement) : null;
  element.replaceChildren(...parsed.body.childNodes);
  if (focused) element.querySelector(focused)?.focus({ preventScroll: true });
  say(element);
}

// A selector that finds the same control in a new version of its fragment.
function selectorOf(control) {
  if (control.id) return `#${CSS.escape(control.id)}`;
  if (control.type === "checkbox") return `input[value="${CSS.escape(control.value)}"]`;
  const address = control.getAttribute("href");
  if (address) return `a[href="${CSS.escape(address)}"]`;
  const action = control.form?.getAttribute("action");
  return action ? `form[action="${CSS.escape(action)}"] ${control.localName}` : control.localName;
}

// Screen readers hear the state alone, and only when it changes.
function say(element) {
  const said = document.querySelector("[data-said]");
  const text = element.querySelector("[data-say]")?.textContent.trim();
  if (said && text && said.textContent !== text) said.textContent = text;
}

async function refreshFigure(element) {
  const theme = dark.matches ? "dark" : "light";
  const address = new URL(element.dataset.figure, location.href);
  address.searchParams.set("theme", theme);
  const answer = await fetchChanged(element, address);
  if (!answer.ok || !window.Plotly) return;
  const text = await answer.text();
  const isSame = element.lastText === text;
  keep(element, text, answer);
  if (isSame) return;
  const figure = JSON.parse(text);
  await window.Plotly.react(element, figure.data, figure.layout, { displayModeBar: false, responsive: true });
  if (!element.dataset.drawn) element.on("plotly_click", (event) => openTrial(event.points[0]?.customdata));
  element.dataset.drawn = "yes";
}

// A point of a chart leads to its trial.
function openTrial(id) {
  if (id) location.href = `/trials/${id}`;
}

async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    do {
      again = false;
      await Promise.all([
        ...[...document.querySelectorAll("[data-fragment]")].map(refreshFragment),
        ...[...document.querySelectorAll("[data-figure]")].map(refreshFigure),
      ]);
    } while (again);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // the service does not answer; the next change tries again
  } finally {
    busy = false;
  }
}

function poll(on) {
  clearInterval(timer);
  timer = on ? setInterval(refresh, POLL) : null;
}

function close() {
  source?.close();
  source = null;
  poll(false);
}

function open() {
  if (!live || source || document.hidden || "ended" in live.dataset) return;
  source = new EventSource(live.dataset.live);
  source.addEventListener("change", refresh);
  source.addEventListener("open", () => poll(false));
  source.addEventListener("end", async () => { close(); await refresh(); live.dataset.ended = ""; });
  source.addEventListener("error", () => poll(true));
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) close();
  else { open(); refresh(); }
});
document.addEventListener("submit", (event) => {
  const question = event.target.dataset?.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});
// A form that shows what would be sent: its preview follows what is entered.
const PAUSE = 250; // milliseconds after the last change
let pause = null;
document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (!form?.dataset.preview) return;
  clearTimeout(pause);
  pause = setTimeout(() => preview(form), PAUSE);
});

async function preview(form) {
  const values = new URLSearchParams(new FormData(form));
  values.delete("token");
  const answer = await fetch(`${form.dataset.preview}?${values}`, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.querySelector(form.dataset.target).replaceChildren(...parsed.body.childNodes);
}

dark.addEventListener("change", refresh);
window.addEventListener("pagehide", close);
document.addEventListener("DOMContentLoaded", () => {
  for (const one of document.querySelectorAll("nav [aria-current]")) one.scrollIntoView({ inline: "center", block: "nearest" });
  open();
  refresh();
});
