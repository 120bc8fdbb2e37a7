// The mapping editor: rows are added and taken away at once, without the spare rows that a page without scripts needs.
const body = document.querySelector("[data-rows]");
const add = document.querySelector("[data-add]");

function tidy(row) {
  const box = row.querySelector("input[name^='drop-']");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = "✕";
  button.title = "Remove this field";
  button.setAttribute("aria-label", `Remove ${row.querySelector("input").value || "this field"}`);
  button.addEventListener("click", () => {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    (next?.querySelector("input") ?? add).focus();
  });
  box.replaceWith(button);
}

// At once, where a page without scripts asks the server.
function offerPreset(row) {
  row.querySelector("button[name='restore']").addEventListener("click", (event) => {
    event.preventDefault();
    const values = JSON.parse(row.dataset.preset);
    for (const [index, name] of ["target", "source", "convert", "default", "required"].entries()) {
      const field = row.querySelector(`[name^='${name}-']`);
      if (name === "required") field.checked = values[index]; else field.value = values[index];
    }
    row.classList.remove("gone");
    row.querySelector(".was").textContent = "as in the preset, once it is saved";
    row.querySelector("input").focus();
  });
}

if (body && add) {
  const rows = [...body.rows];
  const blank = rows.at(-1).cloneNode(true);
  let count = rows.length;
  for (const row of rows) {
    const empty = !row.querySelector("input").value && !row.classList.contains("gone");
    if (empty) row.remove(); else tidy(row);
    if (row.dataset.preset) offerPreset(row);
  }
  add.hidden = false;
  add.addEventListener("click", () => {
    const row = blank.cloneNode(true);
    for (const field of row.querySelectorAll("[name]")) field.name = field.name.replace(/\d+$/, count);
    count += 1;
    body.append(row);
    tidy(row);
    row.querySelector("input").focus();
  });
}

if (document.querySelector("#preview [aria-live]")) {
  document.querySelector("#preview").scrollIntoView({ block: "start" });
}
