// Keeps a page live: one event source while it is visible; at each change its fragments and figures
// are fetched again. When events fail, the page polls; so does one with facts that no event reports on,
// such as a worker that has fallen silent, or a trial for which there is none.

const POLL = 5000; // milliseconds
const PARTS = "[data-fragment], [data-figure]";
const live = document.querySelector("[data-live]");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
let source = null;
let timer = null;
let busy = false;
let again = false;
let redrawing = null;

// Plotly's script is large: the page works before it has arrived, and asks for its figures meanwhile.
const plotly = loaded(document.querySelector("link[data-plotly]")?.href);

function loaded(address) {
  return new Promise((resolve) => {
    if (!address) { resolve(null); return; }
    const script = Object.assign(document.createElement("script"), { src: address });
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => resolve(null)); // the page is of use without figures
    document.head.append(script);
  });
}

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
  if (!answer.ok) return;
  const text = await answer.text();
  if (!(await plotly)) return;
  const isSame = element.lastText === text;
  keep(element, text, answer);
  if (isSame) return;
  await draw(element);
  if (!element.dataset.drawn) element.on("plotly_click", (event) => openTrial(event.points[0]?.customdata));
  element.dataset.drawn = "yes";
}

async function draw(element) {
  const figure = JSON.parse(element.lastText);
  await window.Plotly.react(element, figure.data, figure.layout, { displayModeBar: false, responsive: true });
}

// Plotly fits a figure to a new width, but leaves its legend where it was: over the points.
function redraw() {
  clearTimeout(redrawing);
  redrawing = setTimeout(() => { showCurrent(); document.querySelectorAll("[data-drawn]").forEach(draw); }, 300);
}

// The header and the tabs scroll sideways where they are too wide.
function showCurrent() {
  for (const one of document.querySelectorAll("nav [aria-current]")) one.scrollIntoView({ inline: "center", block: "nearest" });
}

// A point of a chart leads to its trial.
function openTrial(id) {
  if (id) location.href = `/trials/${id}`;
}

function refreshPart(element) {
  return "figure" in element.dataset ? refreshFigure(element) : refreshFragment(element);
}

async function refresh(selector = PARTS) {
  if (busy) { again = true; return; }
  busy = true;
  try {
    do {
      again = false;
      await Promise.all([...document.querySelectorAll(selector)].map(refreshPart));
      selector = PARTS;
    } while (again);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // the service does not answer; the next change tries again
  } finally {
    busy = false;
  }
}

function poll(period) {
  clearInterval(timer);
  timer = period ? setInterval(refresh, period) : null;
}

// The milliseconds after which a page asks again although events arrive; 0: it does not.
function usualPeriod() {
  const polled = document.querySelector("[data-poll]:not([data-ended])");
  return polled ? Number(polled.dataset.poll) || POLL : 0;
}

function close() {
  source?.close();
  source = null;
  poll(0);
}

function open() {
  if (!document.hidden) poll(usualPeriod());
  if (!live || source || document.hidden || "ended" in live.dataset) return;
  const known = live.dataset.version;
  source = new EventSource(known ? `${live.dataset.live}?after=${known}` : live.dataset.live);
  source.addEventListener("change", (event) => {
    if (known && event.lastEventId) live.dataset.version = event.lastEventId;
    refresh();
  });
  source.addEventListener("open", () => poll(usualPeriod()));
  source.addEventListener("end", async () => { close(); await refresh(); live.dataset.ended = ""; });
  source.addEventListener("error", () => poll(POLL));
}

// Whether the page shows what the service has just sent: it then hears of what has changed since.
function isNew() {
  const [visit] = performance.getEntriesByType("navigation");
  return Boolean(live?.dataset.version) && visit?.type !== "back_forward";
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) close();
  else { open(); refresh(); }
});
document.addEventListener("submit", (event) => {
  const question = event.target.dataset?.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});
// A form that shows what would be sent: its preview follows what is entered. Its attributes are read
// by their names: a field that is called "dataset" hides the property `form.dataset`.
const PAUSE = 250; // milliseconds after the last change
let pause = null;
document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (!form?.hasAttribute("data-preview")) return;
  clearTimeout(pause);
  pause = setTimeout(() => preview(form), PAUSE);
});

async function preview(form) {
  const values = new URLSearchParams(new FormData(form));
  values.delete("token");
  const answer = await fetch(`${form.getAttribute("data-preview")}?${values}`, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.querySelector(form.getAttribute("data-target")).replaceChildren(...parsed.body.childNodes);
}

// A form with files is sent by a request that reports how far it is; without a script the browser sends it.
const MIB = 1048576; // bytes
const ACCEPTED = 202; // the status of an answer that comes before the import
const FOLLOW = 500; // milliseconds between two questions for the step of an import

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!("upload" in (form.dataset ?? {})) || event.defaultPrevented) return;
  event.preventDefault();
  clearErrors(form);
  const size = [...form.querySelectorAll("input[type=file]")].reduce((sum, one) => sum + (one.files[0]?.size ?? 0), 0);
  const most = Number(form.dataset.most ?? Infinity);
  if (size > most) showError(form, `The file has ${(size / MIB).toFixed(1)} MiB; expected at most ${(most / MIB).toFixed(1)} MiB`);
  else upload(form);
});

function upload(form) {
  const shown = form.querySelector(".upload");
  const [bar, said, percent, cancel] = ["progress", "[role=status]", "[data-percent]", "button"].map((one) => shown.querySelector(one));
  const request = new XMLHttpRequest();
  const finish = (message, name) => {
    shown.hidden = true;
    setBusy(form, false);
    if (message) showError(form, message, name);
  };
  request.upload.addEventListener("progress", (event) => {
    if (!event.lengthComputable) return;
    bar.value = event.loaded / event.total;
    percent.textContent = `${Math.floor(100 * bar.value)} % of ${(event.total / MIB).toFixed(1)} MiB`;
  });
  request.upload.addEventListener("load", () => {
    bar.removeAttribute("value"); // how long the service reads is not known
    percent.textContent = "";
    said.textContent = "The file has arrived; the service reads it.";
    cancel.hidden = true; // until the import has begun, which goes on without the page
  });
  request.addEventListener("load", () => {
    if (request.status === ACCEPTED) {
      const address = request.getResponseHeader("Location");
      cancel.hidden = false;
      cancel.onclick = () => cancelImport(address, form, cancel);
      follow(address, said, finish);
    }
    else { finish(); answered(form, request); }
  });
  request.addEventListener("error", () => finish("The connection was lost before the file had arrived: send it again"));
  request.addEventListener("abort", () => finish("The upload was cancelled"));
  cancel.onclick = () => request.abort();
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "text/html");
  if ("async" in form.dataset) request.setRequestHeader("Prefer", "respond-async");
  request.send(new FormData(form));
  setBusy(form, true);
  bar.value = 0;
  percent.textContent = "";
  cancel.hidden = false;
  shown.hidden = false;
  said.textContent = "Uploading";
}

// The file is imported after the answer: says each step, and at the end opens the data set.
async function follow(address, said, finish) {
  for (;;) {
    const answer = await fetch(address, { cache: "no-store" }).catch(() => null); // asks again
    if (answer?.status === 401) { location.reload(); return; }
    if (answer?.status === 404) { finish("The service has forgotten this import: reload the page to see whether it has ended"); return; }
    if (answer?.ok) {
      const now = await answer.json();
      if (now.page) { location.href = now.page; return; }
      if (now.message) { finish(now.message, now.field); return; }
      const text = `The file has arrived: ${now.step}. The import goes on if you leave this page.`;
      if (said.textContent !== text) said.textContent = text;
    }
    await new Promise((resolve) => setTimeout(resolve, FOLLOW));
  }
}

// The import then ends, and `follow` says so.
async function cancelImport(address, form, button) {
  button.disabled = true;
  const body = new URLSearchParams({ token: form.elements.namedItem("token").value });
  await fetch(`${address}/cancel`, { method: "POST", body, redirect: "manual" }).catch(() => null); // may be tried again
  button.disabled = false;
}

function setBusy(form, busy) {
  form.querySelector("button:not([type=button])").disabled = busy;
}

// A redirect has been followed: its page is opened. Else the page has the form again, with its errors.
function answered(form, request) {
  if (request.status === 401) { location.reload(); return; }
  if (request.status < 400) { location.href = request.responseURL; return; }
  const parsed = new DOMParser().parseFromString(request.responseText, "text/html");
  const again = parsed.getElementById(form.id);
  if (!again) { showError(form, parsed.querySelector("main")?.textContent.trim() || `The service answered with status ${request.status}`); return; }
  for (const one of form.querySelectorAll("input[type=file]")) { // the chosen files stay
    const other = again.querySelector(`input[name="${one.name}"]`);
    for (const name of ["aria-invalid", "aria-describedby"]) {
      if (other.hasAttribute(name)) one.setAttribute(name, other.getAttribute(name));
    }
    other.replaceWith(one);
  }
  form.replaceWith(document.adoptNode(again));
  (again.querySelector("[aria-invalid]") ?? again.querySelector("input")).focus();
}

function showError(form, message, name) {
  const field = form.elements.namedItem(name ?? "") ?? form.querySelector("input[type=file]");
  const error = Object.assign(document.createElement("span"), { className: "error", id: `${field.name}-error`, textContent: message });
  error.setAttribute("role", "alert");
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", error.id);
  (field.closest(".pair") ?? field.closest("label")).after(error);
  field.closest("details")?.setAttribute("open", "");
  field.focus();
}

function clearErrors(form) {
  for (const one of form.querySelectorAll(".error")) one.remove();
  for (const one of form.querySelectorAll("[aria-invalid]")) for (const name of ["aria-invalid", "aria-describedby"]) one.removeAttribute(name);
}

dark.addEventListener("change", () => refresh());
window.addEventListener("resize", redraw);
window.addEventListener("pagehide", close);
document.addEventListener("DOMContentLoaded", () => {
  showCurrent();
  open();
  refresh(isNew() ? "[data-figure]" : PARTS);
});
