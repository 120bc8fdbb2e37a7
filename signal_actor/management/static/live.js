// The stream: one row for each event, with a mark for each integration as its outcome comes in.
const ROWS = 300; // kept on the page
const HELD = 2000; // messages kept while paused

const TONES = { done: "good", skipped: "calm", dead: "bad", pending: "warn" };
const WORDS = { done: "delivered", skipped: "skipped", dead: "dead letter", pending: "retrying" };
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

const list = document.querySelector("#stream");
const filters = document.querySelector("#filters");
const pulse = document.querySelector("#pulse");
const pause = document.querySelector("#pause");
const counts = document.querySelector("#counts");
const none = document.querySelector("#none");

const rows = new Map(); // event id -> {item, data, fates}
const held = [];
let seen = 0, missed = 0, lost = 0, paused = false, source;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// The integration is chosen with its pipeline, "shop/insider", or as all of a pipeline, "shop/".
function asked() {
  const { event, type, state, integration: place } = Object.fromEntries(new FormData(filters));
  const [pipeline, integration] = place.split("/");
  return { event: event.toLowerCase(), type, state, pipeline, integration };
}

function matches({ data, fates }, wanted) {
  if (wanted.pipeline && data.pipeline !== wanted.pipeline) return false;
  if (wanted.type && data.type !== wanted.type) return false;
  if (!(data.name ?? data.type).toLowerCase().includes(wanted.event)) return false;
  if (wanted.integration || wanted.state) {
    const own = wanted.integration ? [fates.get(wanted.integration)] : [...fates.values()];
    return own.some((fate) => fate && (!wanted.state || fate.dataset.state === wanted.state));
  }
  return true;
}

// What the page came with is filtered, and gets its outcomes, like what comes in later.
function adopt(item) {
  const { event, pipeline, type } = item.dataset;
  const fates = new Map([...item.querySelectorAll("[data-slug]")].map((fate) => [fate.dataset.slug, fate]));
  rows.set(Number(event), { item, data: { pipeline, type, name: item.querySelector(".what").textContent }, fates });
}

function row(data) {
  let found = rows.get(data.event_id);
  if (found) return found;
  const item = element("li", "arrived");
  const what = element("a", "what");
  what.href = `/events/${data.event_id}`;
  what.append(element("b", "", data.name ?? data.type));
  const when = element("time", "when", clock.format(new Date(data.at)));
  when.dateTime = when.title = data.at;
  item.append(what, element("span", "tag", data.type), element("span", "who", data.user_id ?? data.anonymous_id ?? ""));
  item.append(when, element("span", "fates"));
  found = { item, data, fates: new Map() };
  rows.set(data.event_id, found);
  list.prepend(item);
  document.querySelector("#nothing")?.remove();
  while (list.children.length > ROWS) list.lastElementChild.remove();
  if (rows.size > 2 * ROWS) rows.delete(rows.keys().next().value);
  return found;
}

function show(kind, data) {
  const found = row(data);
  if (kind === "delivery") {
    let fate = found.fates.get(data.integration);
    if (!fate) {
      fate = element("span");
      found.fates.set(data.integration, fate);
      found.item.querySelector(".fates").append(fate);
    }
    fate.className = `fate ${TONES[data.state] ?? "calm"}`;
    fate.dataset.state = data.state;
    fate.textContent = data.status ? `${data.integration} ${data.status}` : data.integration;
    fate.append(element("span", "hidden", `: ${WORDS[data.state] ?? data.state}`));
    fate.title = [data.integration, WORDS[data.state], data.error].filter(Boolean).join(": ");
  } else {
    seen += 1;
  }
  found.item.hidden = !matches(found, asked());
}

function tell() {
  none.hidden = rows.size === 0 || list.querySelector("li:not([hidden])") !== null;
  const parts = [`${seen.toLocaleString()} ${seen === 1 ? "event" : "events"} since this page was opened`];
  if (paused && held.length) parts.push(`${held.length.toLocaleString()} messages wait until you go on`);
  if (missed + lost) parts.push(`${(missed + lost).toLocaleString()} were too many to show`);
  counts.textContent = `${parts.join(", ")}.`;
  counts.hidden = false;
}

function receive(kind, event) {
  const data = JSON.parse(event.data);
  if (kind === "missed") missed += data.count;
  else if (!paused) show(kind, data);
  else if (held.length < HELD) held.push([kind, data]);
  else lost += 1;
  tell();
}

function state(text, tone) {
  if (pulse.textContent !== text) pulse.textContent = text;
  pulse.className = `badge ${tone}`;
}

function connect() {
  source?.close();
  const wanted = new URLSearchParams();
  const { pipeline, type } = asked();
  if (pipeline) wanted.set("pipeline", pipeline);
  if (type) wanted.set("type", type);
  source = new EventSource(`/v1/admin/events/live?${wanted}`);
  source.onopen = () => state(paused ? "paused" : "live", paused ? "warn" : "good");
  source.onerror = () => state("connecting again", "warn");
  for (const kind of ["accepted", "delivery", "missed"]) {
    source.addEventListener(kind, (event) => receive(kind, event));
  }
}

pause.addEventListener("click", () => {
  paused = !paused;
  pause.textContent = paused ? "Go on" : "Pause";
  pause.setAttribute("aria-pressed", String(paused));
  if (!paused) for (const [kind, data] of held.splice(0)) show(kind, data);
  state(paused ? "paused" : "live", paused ? "warn" : "good");
  tell();
});

function filter() {
  const wanted = asked();
  for (const found of rows.values()) found.item.hidden = !matches(found, wanted);
  tell();
}

filters.addEventListener("input", filter);
filters.addEventListener("change", (event) => {
  if (["integration", "type"].includes(event.target.name)) connect();
  filter();
});
filters.addEventListener("submit", (event) => event.preventDefault());
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (event) => { if (event.persisted) connect(); });

for (const item of [...list.children].reverse()) adopt(item);
filters.hidden = pause.hidden = false;
state("connecting", "calm");
connect();
