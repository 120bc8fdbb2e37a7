// Questions and the menu close with Escape, and when something else is clicked.
const open = () => document.querySelectorAll("details[data-ask][open], details[data-menu][open]");

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const details of open()) {
    details.open = false;
    details.querySelector("summary").focus();
  }
});

document.addEventListener("click", (event) => {
  for (const details of open()) {
    if (!details.contains(event.target)) details.open = false;
  }
});

// What opens at the lower edge of the window is brought into it. (The event does not bubble, so it is captured.)
document.addEventListener("toggle", ({ target }) => {
  if (target.open && target.matches("[data-ask]")) target.querySelector(".sheet").scrollIntoView({ block: "nearest" });
}, true);
