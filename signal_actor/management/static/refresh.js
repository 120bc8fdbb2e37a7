// Regions that keep themselves up to date: <section data-refresh="5" id="..."> is fetched again every 5 seconds.
// A region is left alone while somebody is at work in it, and what is open in it stays open.
import { localise } from "./times.js";
import { offerCopies } from "./copy.js";

const regions = [...document.querySelectorAll("[data-refresh][id]")];
const selected = (region) => !getSelection().isCollapsed && region.contains(getSelection().anchorNode);
const busy = (region) =>
  region.contains(document.activeElement) || selected(region) || region.querySelector("details[data-ask][open]");

function keepOpen(region, next) {
  const fresh = next.querySelectorAll("details");
  const old = region.querySelectorAll("details");
  if (fresh.length === old.length) old.forEach((details, index) => { fresh[index].open = details.open; });
}

async function refresh() {
  if (document.hidden) return;
  const response = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (response?.redirected) location.reload(); // to the login, because the session has ended
  if (!response?.ok || response.redirected) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const region of regions) {
    const next = fresh.getElementById(region.id);
    if (!next || busy(region)) continue;
    localise(next);
    offerCopies(next);
    keepOpen(region, next);
    if (next.innerHTML !== region.innerHTML) region.replaceChildren(...next.childNodes);
  }
}

if (regions.length) {
  const seconds = Math.min(...regions.map((region) => Number(region.dataset.refresh)));
  setInterval(refresh, seconds * 1000);
}
