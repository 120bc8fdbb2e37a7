// Buttons that copy the code beside them.
export function offerCopies(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.ariaLive = "polite";
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button || button.dataset.copied) return;
  const source = button.closest("figure, .copyable").querySelector("pre, code, input");
  await navigator.clipboard.writeText(source.value ?? source.textContent);
  const name = [...button.childNodes]; // part of it may be for screen readers only
  button.dataset.copied = "yes";
  button.replaceChildren("Copied");
  setTimeout(() => {
    button.replaceChildren(...name);
    delete button.dataset.copied;
  }, 1500);
});

offerCopies(document);
