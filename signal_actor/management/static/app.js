// What every page does with a script, and can do without.
import "./times.js";
import "./copy.js";
import "./ask.js";
import "./refresh.js";

// On a phone the tab that is open may be out of sight.
for (const tab of document.querySelectorAll(".tabs [aria-current]")) {
  tab.scrollIntoView({ block: "nearest", inline: "center" });
}
