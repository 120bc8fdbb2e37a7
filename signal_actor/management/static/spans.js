// Times to search between are typed in the reader's own zone, like all that are shown; what is sent is UTC.
const minutes = (moment) => moment.toISOString().slice(0, 16);

for (const field of document.querySelectorAll("input[type='datetime-local']")) {
  const label = document.querySelector(`label[for='${field.id}']`);
  label.textContent = label.textContent.replace(" (UTC)", "");
  if (field.value) {
    const moment = new Date(`${field.value}Z`);
    field.value = minutes(new Date(moment - moment.getTimezoneOffset() * 60_000));
  }
  field.form.addEventListener("formdata", ({ formData }) => {
    const typed = formData.get(field.name);
    if (typed) formData.set(field.name, minutes(new Date(typed)));
  });
}
