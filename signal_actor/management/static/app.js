// What every page does with a script, and can do without.
import "./times.js";
import "./spans.js";
import "./copy.js";
import "./ask.js";
import "./refresh.js";

// On a phone the tab that is open, or has the focus, may be out of sight.
for (const tabs of document.querySelectorAll(".tabs")) {
  tabs.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  tabs.addEventListener("focusin", (event) => event.target.scrollIntoView({ block: "nearest", inline: "nearest" }));
}
