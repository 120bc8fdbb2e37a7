// Times in the reader's own zone; the exact moment in UTC stays in the tooltip.
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function localise(root) {
  for (const element of root.querySelectorAll("time[datetime]:not([title])")) {
    const moment = new Date(element.dateTime);
    element.title = element.dateTime;
    element.textContent = (element.dataset.form === "time" ? time : full).format(moment);
  }
}

localise(document);
