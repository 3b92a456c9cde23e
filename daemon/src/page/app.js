"use strict";

const form = document.querySelector("#order");
const progress = document.querySelector("#progress");
const painting = document.querySelector("#painting");

async function listStyles() {
  const { styles } = await (await fetch("/v1/styles")).json();
  for (const style of styles.filter((style) => style.state === "ready")) {
    form.elements.style.add(new Option(style.title ?? style.name, style.name));
  }
}

function watch(job) {
  const events = new EventSource(`/v1/jobs/${job.id}/events`);
  events.addEventListener("progress", (event) => {
    const { done, total } = JSON.parse(event.data).progress;
    progress.textContent = `${Math.round((100 * done) / total)} %`;
  });
  events.addEventListener("end", async () => {
    events.close();
    const { state, result, error } = await (await fetch(`/v1/jobs/${job.id}`)).json();
    progress.textContent = error ? error.detail : state;
    if (result) {
      painting.src = result.url;
      painting.hidden = false;
    }
  });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await fetch("/v1/stylize", { method: "POST", body: new FormData(form) });
  const document = await answer.json();
  if (!answer.ok) {
    progress.textContent = document.detail;
    return;
  }
  progress.textContent = "waiting";
  watch(document);
});

listStyles();
