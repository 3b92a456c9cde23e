// The page: it shows what the event stream tells, and sends orders. Nothing is loaded from elsewhere.
//
// One rule keeps it true: only the stream changes what is known of a job; answers to requests merely add jobs that the
// stream has not told of yet. So an answer that was overtaken by an event can't turn the clock back.

/**
 * @typedef {{code: string, detail: string}} Failure
 * @typedef {{url: string, media_type: string, width: ?number, height: ?number, bytes: number}} Result
 * @typedef {{id: string, kind: string, state: string, style: ?string, created_at: string, started_at: ?string, finished_at: ?string,
 *   device: ?string, queue_position: ?number, progress: ?{done: number, total: number, unit: string}, eta_seconds: ?number, rate: ?number,
 *   error: ?Failure, warnings: string[], result: ?Result, mail: ?{to: string, state: string}}} Job
 * @typedef {{name: string, title: ?string, state: string, digest: ?string, has_preview: boolean,
 *   problem?: Failure}} Style
 * @typedef {{file: File, url: string, job: ?string, order: ?{print: string, key: string}, sent: ?string}} Photo
 *   `sent` is the print of the order that it was accepted with last.
 */

const READABLE = /^image\/(jpeg|png|webp|gif|bmp|x-ms-bmp|tiff)$/;
const MOMENTARY = ["idempotency_in_progress", "draining", "rate_limited", "queue_full"];
const UNFINISHED = ["queued", "running", "paused"];
/** What has become of a mail. @type {Record<string, string>} */
const FATES = { pending: "follows", queued: "is on its way", sent: "is sent", failed: "could not be sent" };
const BLANK = "/assets/favicon.svg";
const PAGE_OF_JOBS = 24;
/** A snapshot tells of so many jobs of each state. */
const SNAPSHOT_JOBS = 200;
const PATIENCE_MS = 3000;

/** @param {string} id @returns {any} */
const at = (id) => document.getElementById(id);

const jobs = /** @type {Map<string, Job>} */ (new Map());
const styles = /** @type {Map<string, Style>} */ (new Map());
/** @type {Photo[]} The photos that the next order is about. */
let photos = [];
/** The photos of the jobs that were sent from here: this page's own, and smaller ones from before its last reload. */
const photoOfJob = /** @type {Map<string, Photo>} */ (new Map());
/** @type {{photo: ?Photo, job: ?string}} */
let stage = { photo: null, job: null };

/** The daemon has refused; the message is for people. */
class Refused extends Error {
  /** @param {Response} answer @param {{code?: string, detail?: string}} problem */
  constructor(answer, problem) {
    super(problem.detail ?? `The daemon answered ${answer.status}.`);
    this.code = problem.code;
    this.waitMs = 1000 * (Number(answer.headers.get("Retry-After")) || 1);
  }
}

/** The daemon can't be reached, or the request can't be sent. */
class Away extends Error {}

/** Asks the daemon for JSON. @param {string} path @param {RequestInit} [request] @returns {Promise<any>} */
async function ask(path, request) {
  const answer = await fetch(path, request).catch(() => {
    throw new Away("The daemon does not answer. Is it running?");
  });
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const problem = await answer.json().catch(() => ({}));
  if (answer.status === 401 && path !== "/session") showGate();
  throw new Refused(answer, problem);
}

/** @param {number} ms */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Nobody guesses it. (`crypto.randomUUID` is for secure origins only, and a home network is none.) */
const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

// The stream

/** @type {?EventSource} */
let stream = null;
/** Whether the stream is left because nobody sees the page. */
let rests = false;
/** Called once the daemon is there. @type {((_: any) => void)[]} */
const waiting = [];
/** Whether whoever is here may look, and nothing else. */
let looksOnly = false;

/** Enters the studio, or asks for a token, or waits for the daemon. */
async function enter() {
  try {
    const { role } = await ask("/session");
    looksOnly = role === "view";
    at("paint").hidden = looksOnly;
    at("looking").hidden = !looksOnly;
    at("teach").hidden = looksOnly;
    at("sign-out").hidden = !isSignedIn && !withKept((kept) => kept.getItem("signed-in"));
    follow();
  } catch (error) {
    if (error instanceof Refused && error.code === "unauthenticated") return showGate();
    showAway(error instanceof Refused ? error.message : undefined);
    await pause(PATIENCE_MS);
    enter();
  }
}

/** Follows everything that happens. The browser itself comes back after an interruption and asks for what it missed. */
function follow() {
  stream?.close();
  rests = document.hidden;
  if (rests) return;
  stream = new EventSource("/v1/events");
  stream.addEventListener("open", () => {
    at("away").hidden = true;
    waiting.splice(0).forEach((go) => go(null));
  });
  stream.addEventListener("error", () => {
    showAway();
    if (stream?.readyState === EventSource.CLOSED) pause(PATIENCE_MS).then(enter);
  });
  for (const [name, hear] of Object.entries(ears)) {
    stream.addEventListener(name, (event) => hear(JSON.parse(/** @type {MessageEvent} */ (event).data)));
  }
}

/**
 * Leaves the stream while nobody sees the page. A browser has six connections to the daemon, for all its tabs together;
 * six streams would leave none to ask or send with.
 */
function restOrFollow() {
  if (document.hidden && stream && stream.readyState !== EventSource.CLOSED) {
    stream.close();
    rests = true;
  } else if (!document.hidden && rests) {
    rests = false;
    enter();
  }
}

/** Asks what has become of a photo of this page that a snapshot does not have. @param {string} id */
async function findAgain(id) {
  const job = await ask(`/v1/jobs/${id}`).catch(() => null);
  if (!job || jobs.has(id)) return;
  jobs.set(id, job);
  drawJob(id);
}

/** What is done about each kind of event. @type {Record<string, (news: any) => void>} */
const ears = {
  snapshot(/** @type {{jobs: Job[], styles: Style[]}} */ snapshot) {
    // It has the newest of each state. What was unfinished and isn't there has ended, or waits behind a long queue; what
    // has ended and isn't there, although there is room, is forgotten.
    const hasRoom = (/** @type {string} */ state) => snapshot.jobs.filter((job) => job.state === state).length < SNAPSHOT_JOBS;
    const isUnsure = (/** @type {Job} */ { state }) => UNFINISHED.includes(state) || hasRoom(state);
    const unsure = [...jobs.values()].filter(isUnsure).map(({ id }) => id);
    unsure.forEach((id) => jobs.delete(id));
    styles.clear();
    snapshot.jobs.forEach((job) => jobs.set(job.id, job));
    unsure.filter((id) => photoOfJob.has(id) && !jobs.has(id)).forEach(findAgain);
    snapshot.styles.forEach((style) => styles.set(style.name, style));
    askAnew();
    drawStyles();
    drawJobs();
    drawStage();
    countQueue();
    at("gate").hidden = true;
    at("studio").hidden = false;
    if (cursor === undefined) hangOlder();
  },
  state(/** @type {Job} */ job) {
    const isOurs = photoOfJob.has(job.id) || isLesson(job);
    const isNews = jobs.get(job.id)?.state !== job.state && isOurs;
    if (isNews) at("said").textContent = `${nameOf(job)}: ${describe(job)}`;
    jobs.set(job.id, job);
    drawJob(job.id);
    countQueue();
  },
  progress({ job, progress, rate, eta_seconds }) {
    Object.assign(jobs.get(job) ?? {}, { progress, rate, eta_seconds });
    drawJob(job);
  },
  loss: hearLoss,
  preview(news) {
    hearPreview(news);
    drawJob(news.job);
  },
  mail({ job, recipient, state }) {
    Object.assign(jobs.get(job) ?? {}, { mail: { to: recipient, state } });
    drawJob(job);
  },
  style({ name, style }) {
    if (style) styles.set(name, style);
    else styles.delete(name);
    drawStyles();
    drawJobs();
  },
  forgotten({ job }) {
    forgetPhoto(job);
    photoOfJob.delete(job);
    jobs.delete(job);
    if (stage.job === job) show(stage.photo);
    drawJobs();
  },
};

function showAway(reason = "The daemon is away. This page goes on by itself as soon as it is back.") {
  at("away").textContent = reason;
  at("away").hidden = false;
}

let counts = false;
/** Asks for the places in the queue anew; events don't carry them, since each would change all. */
async function countQueue() {
  const isQueued = [...jobs.values()].some((job) => job.state === "queued");
  if (counts || !isQueued) return;
  counts = true;
  await pause(300);
  counts = false;
  const page = await ask("/v1/jobs?state=queued&limit=200").catch(() => ({ jobs: [] }));
  for (const { id, queue_position } of page.jobs) {
    const job = jobs.get(id);
    if (job?.state === "queued") job.queue_position = queue_position;
  }
  drawJobs();
  drawStage();
}

// Choosing photos

/** Takes photos in. Those that are painted already make room. @param {Iterable<File>} files */
function take(files) {
  const given = [...files];
  complain(given.map(whyNot).filter(Boolean).join(" "));
  const good = given.filter((file) => !whyNot(file));
  if (good.length === 0) return;
  const fresh = good.map((file) => ({ file, url: URL.createObjectURL(file), job: null, order: null, sent: null }));
  photos = [...photos.filter((photo) => !photo.job), ...fresh];
  show(fresh[0]);
}

/** Says why a file can't be a photo, as far as can be told from here. @param {File} file */
function whyNot(file) {
  if (file.size === 0) return `“${file.name}” is empty.`;
  if (!file.type || READABLE.test(file.type)) return "";
  return `“${file.name}” can’t be painted: save it as JPEG, PNG, WebP, GIF, BMP or TIFF first.`;
}

/** Puts a photo on the stage, with its newest painting. @param {?Photo} photo @param {?string} [job] */
function show(photo, job = photo?.job ?? null) {
  stage = { photo, job };
  drawFilm();
  drawStage();
}

/** @param {Photo} photo */
function drop(photo) {
  photos = photos.filter((other) => other !== photo);
  if (!photo.job) URL.revokeObjectURL(photo.url);
  if (stage.photo === photo) show(photos[0] ?? null);
  drawFilm();
  at("file").focus();
}

function drawFilm() {
  at("film").hidden = photos.length < 2;
  renew(at("film"), photos.map(frame), "button");
  at("paint").textContent = photos.length > 1 ? `Paint ${photos.length} photos` : "Paint";
}

/** @param {Photo} photo */
function frame(photo) {
  const [{ name }, pressed] = [photo.file, String(stage.photo === photo)];
  return dress(copy("film-frame"), {
    ".frame-show": { ariaLabel: `Show ${name}`, ariaPressed: pressed, onclick: () => show(photo) },
    ".frame-drop": { ariaLabel: `Remove ${name}`, onclick: () => drop(photo) },
    img: { src: photo.url },
  });
}

/** Copies a template; what is done about a job can be done on each of its cards. @param {string} template @returns {any} */
function copy(template) {
  const whole = at(template).content.firstElementChild.cloneNode(true);
  whole.querySelector(".job-actions")?.append(at("actions").content.cloneNode(true));
  return whole;
}

/** Sets properties of an element's parts. @param {any} whole @param {Record<string, object>} parts */
function dress(whole, parts) {
  for (const [part, properties] of Object.entries(parts)) Object.assign(whole.querySelector(part), properties);
  return whole;
}

/** Replaces a list; the focus stays at its place. @param {any} list @param {Node[]} items @param {string} focusable */
function renew(list, items, focusable) {
  const place = [...list.querySelectorAll(focusable)].indexOf(document.activeElement);
  list.replaceChildren(...items);
  list.querySelectorAll(focusable)[place]?.focus();
}

/** Takes up the photos that were kept before a reload. */
async function takeUpPhotos() {
  for (const [job, photo] of await keptPhotos()) {
    if (photoOfJob.has(job)) continue;
    const file = new File([photo], "");
    photoOfJob.set(job, { file, url: URL.createObjectURL(photo), job, order: null, sent: null });
  }
  drawJobs();
}

// Ordering

let isSending = false;
/** Sends the chosen photos, one after the other. A photo that is refused does not keep the others. */
async function paint() {
  if (isSending) return;
  complain("");
  if (photos.length === 0) return complain("Choose a photo first.") ?? at("file").focus();
  const wishes = [...new FormData(at("order"))].filter(([, value]) => value !== "");
  const due = dueFor(JSON.stringify(wishes));
  const refusals = [];
  isSending = true;
  for (const [place, photo] of due.entries()) {
    at("paint").textContent = due.length > 1 ? `Sending ${place + 1} of ${due.length}…` : "Sending…";
    try {
      accept(await send("/v1/stylize", "image", photo, wishes, at("paint")), photo, place === 0);
    } catch (error) {
      refusals.push(`“${photo.file.name}”: ${error.message}`);
      // Nothing else is accepted before somebody has signed in again.
      if (error.code === "unauthenticated") break;
    }
  }
  isSending = false;
  drawFilm();
  if (refusals.length > 0) complain(refusals.join("\n"));
}

/**
 * Returns the photos that an order of this print is still to be sent for. Once it has been accepted for all of them,
 * pressing the button again is a new order. @param {string} print
 */
function dueFor(print) {
  if (photos.every((photo) => photo.sent === print)) photos.forEach((photo) => (photo.sent = null));
  return photos.filter((photo) => photo.sent !== print);
}

/** @param {Job} job @param {Photo} photo @param {boolean} isFirst */
function accept(job, photo, isFirst) {
  photo.job = job.id;
  photo.sent = photo.order?.print ?? null;
  photo.order = null;
  photoOfJob.set(job.id, photo);
  keepPhoto(job.id, photo.file);
  jobs.set(job.id, jobs.get(job.id) ?? job);
  drawJobs();
  countQueue();
  if (!isFirst && stage.photo !== photo) return;
  show(photo);
  at("stage").scrollIntoView({ block: "nearest" });
}

/**
 * Sends one order until it is accepted or refused. The same order has the same key, also when a person presses the
 * button again after a failure, so it is never painted twice.
 * @param {string} path @param {string} field What the file is called in the form.
 * @param {{file: File, order: ?{print: string, key: string}}} photo
 * @param {[string, FormDataEntryValue][]} wishes
 * @param {HTMLElement} button Says what the order waits for, and otherwise what it says now.
 * @returns {Promise<Job>}
 */
async function send(path, field, photo, wishes, button) {
  const print = JSON.stringify(wishes);
  const words = button.textContent;
  if (photo.order?.print !== print) photo.order = { print, key: newKey() };
  for (let cuts = 0; ; ) {
    const body = new FormData();
    wishes.forEach(([name, value]) => body.append(name, value));
    body.append(field, photo.file, photo.file.name);
    try {
      return await ask(path, { method: "POST", body, headers: { "Idempotency-Key": photo.order.key } });
    } catch (error) {
      const isFull = error.code === "queue_full";
      button.textContent = isFull ? "The queue is full, waiting…" : words;
      if (isFull) at("said").textContent = "The queue is full. The order is sent as soon as there is room.";
      if (MOMENTARY.includes(error.code)) await pause(error.waitMs);
      else if (!(error instanceof Away)) throw error;
      else if (!(await isThere())) await untilThere();
      else if (cuts++) throw new Error("the file can’t be sent, since it has changed or is too large");
    }
  }
}

const isThere = () => fetch("/livez").then((answer) => answer.ok, () => false);

/** Waits until the stream opens anew, or a while: it may have survived the outage, or be left. */
const untilThere = () => Promise.race([new Promise((resolve) => waiting.push(resolve)), pause(PATIENCE_MS)]);

/** Shows what is wrong; nothing where nothing is. @param {string} what @param {string} [id] */
function complain(what, id = "problem") {
  at(id).textContent = what.charAt(0).toUpperCase() + what.slice(1);
  at(id).hidden = what === "";
  if (what) at(id).scrollIntoView({ block: "nearest" });
}

// Words

/** @param {?string} style */
const titleOf = (style) => styles.get(style ?? "")?.title ?? style ?? "";

/** Says what a job is of: its style, or that it follows artworks without one. @param {Job} job */
const nameOf = (job) => titleOf(job.style) || "Painted after artworks";

/** @param {Job["progress"]} [progress] */
const percent = (progress) => (progress?.total ? Math.floor((100 * progress.done) / progress.total) : 0);

/** Says how long something takes. @param {number} seconds */
const span = (seconds) => (seconds < 100 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`);

/** Says how far a job is. @param {Job} job @returns {string} */
function describe({ kind, state, queue_position: before, progress, eta_seconds: left, rate, error, result }) {
  const stands = progress && state !== "running" ? `, at step ${progress.done} of ${progress.total}` : "";
  if (state === "queued") {
    return (before ? `Waiting, ${before} before it` : before === 0 ? "Next in line" : "Waiting") + stands;
  }
  const rest = left && left >= 1 ? `, about ${span(left)} left` : "";
  const verb = kind === "train" ? "Learning" : "Painting";
  const speed = rate ? `, ${rate.toFixed(1)} steps a second` : "";
  if (state === "running" && progress?.unit === "step") {
    return `${verb}, step ${progress.done} of ${progress.total}${speed}${rest}`;
  }
  if (state === "running") return `${verb}, ${percent(progress)} %${rest}`;
  if (state === "failed") return `Failed: ${error?.detail}`;
  if (state === "succeeded") return kind === "train" ? "Learned" : `${result?.width} × ${result?.height}`;
  return state === "paused" ? `Paused${stands}` : "Cancelled";
}

/** Says everything about a job that a person may want to know. @param {Job} job */
function describeWhole(job) {
  const words = [nameOf(job), describe(job)];
  if (job.result) {
    const kilobytes = Math.ceil(job.result.bytes / 1000).toLocaleString("en");
    const seconds = (Date.parse(job.finished_at ?? "") - Date.parse(job.started_at ?? "")) / 1000;
    if (paintingOf(job)) words.push(job.result.media_type.replace("image/", "").toUpperCase());
    words.push(`${kilobytes} kB`);
    words.push(`${seconds.toFixed(1)} s on ${job.device}`);
  }
  if (job.mail) words.push(`mail to ${job.mail.to} ${FATES[job.mail.state]}`);
  return [...words, ...job.warnings].join(" · ");
}

/** @param {string} instant */
function when(instant) {
  const date = new Date(instant);
  const isToday = date.toDateString() === new Date().toDateString();
  return date.toLocaleString([], isToday ? { timeStyle: "short" } : { dateStyle: "medium" });
}

/** Returns a painting's address, if the job has made one. @param {?Job} [job] */
const paintingOf = (job) => (job?.result?.media_type.startsWith("image/") ? job.result.url : "");

// The stage

function drawStage() {
  const { photo } = stage;
  const job = jobs.get(stage.job ?? "");
  at("empty").hidden = Boolean(photo || job);
  at("picture").hidden = !photo && !job;
  drawPicture("photo", photo?.url ?? BLANK, "The photo");
  drawPicture("painting", paintingOf(job) || BLANK, "The painting");
  at("caption").textContent = job ? describeWhole(job) : (photo?.file.name ?? "");
  drawControls(at("controls"), job);
}

/** @param {string} id @param {string} source @param {string} words */
function drawPicture(id, source, words) {
  const image = at(id);
  if (image.getAttribute("src") === source) return;
  image.hidden = true;
  image.alt = words;
  image.src = source;
  drawCurtain();
}

/** Shows what there is to see: the photo, the painting, or both with the curtain between them. */
function drawCurtain() {
  const [hasPhoto, hasPainting] = [!at("photo").hidden, !at("painting").hidden];
  at("compare").dataset.shows = hasPhoto && hasPainting ? "both" : hasPainting ? "painting" : "photo";
  at("compare").hidden = !hasPhoto && !hasPainting;
}

/**
 * A picture has come: the stage takes its shape, the painting's where there is one, since a photo that was kept is small;
 * and the curtain opens to the half. @param {Event} event
 */
function unveil({ target }) {
  const image = /** @type {HTMLImageElement} */ (target);
  if (image.getAttribute("src") === BLANK) return;
  if (image.id === "painting" || at("painting").hidden) {
    at("compare").style.setProperty("--ratio", String(image.naturalWidth / image.naturalHeight));
    at("compare").style.setProperty("--wide", String(image.naturalWidth));
  }
  image.hidden = false;
  at("unseen").hidden = true;
  at("curtain").value = "50";
  moveCurtain();
  drawCurtain();
}

function moveCurtain() {
  const { value } = at("curtain");
  at("compare").style.setProperty("--curtain", `${value}%`);
  at("curtain").setAttribute("aria-valuetext", `${100 - value} % of the painting`);
}

/**
 * Shows those controls that a job's state and the person's role allow, and its progress.
 * @param {any} where @param {?Job} [job]
 */
function drawControls(where, job) {
  const state = job?.state ?? "";
  const [result, isLong] = [job?.result?.url ?? "", ["train", "paint"].includes(job?.kind ?? "")];
  const allowed = /** @type {Record<string, boolean>} */ ({
    cancel: UNFINISHED.includes(state),
    pause: isLong && ["queued", "running"].includes(state),
    resume: state === "paused",
    keep: isLong && ["running", "paused"].includes(state),
    retry: ["failed", "cancelled"].includes(state),
    download: result !== "",
  });
  where.dataset.job = job?.id ?? "";
  where.dataset.state = state;
  const isOffered = (/** @type {string} */ what) => allowed[what] && (what === "download" || !looksOnly);
  for (const control of where.querySelectorAll("[data-do]")) control.hidden = !isOffered(control.dataset.do);
  const download = where.querySelector("[data-do=download]");
  if (result) Object.assign(download, { href: result, download: paintingOf(job) ? "" : `${job?.style}.safetensors` });
  const bar = where.querySelector("progress");
  bar.hidden = state !== "queued" && state !== "running" && !job?.progress;
  if (state === "running" || job?.progress) bar.value = percent(job?.progress);
  else bar.removeAttribute("value");
}

// Recent jobs

const cards = /** @type {Map<string, HTMLElement>} */ (new Map());
let hung = PAGE_OF_JOBS;
/** @type {?string | undefined} Where the next page of older jobs begins; null where there is none. */
let cursor;
/** Hangs a page of older jobs; the first page beside what the stream has told of already. */
async function hangOlder() {
  if (cursor !== undefined) hung += PAGE_OF_JOBS;
  if (cursor === null) return drawJobs();
  const after = cursor ? `&after=${encodeURIComponent(cursor)}` : "";
  const page = await ask(`/v1/jobs?limit=${PAGE_OF_JOBS}${after}`).catch((error) => complain(error.message));
  if (page) cursor = page.next;
  for (const job of page?.jobs ?? []) jobs.set(job.id, jobs.get(job.id) ?? job);
  drawJobs();
}

/** Ids are ordered by time, so the newest job is the last by name. */
function drawJobs() {
  drawLessons();
  const ids = [...jobs.keys()].filter((id) => !isLesson(jobs.get(id))).sort().reverse().slice(0, hung);
  for (const [id, card] of cards) {
    if (!ids.includes(id) && cards.delete(id)) card.remove();
  }
  // A card moves only when it must: a moved element loses the focus.
  ids.forEach((id, place) => {
    const card = cards.get(id) ?? newCard(id);
    if (at("jobs").children[place] !== card) at("jobs").insertBefore(card, at("jobs").children[place] ?? null);
    drawCard(card, /** @type {Job} */ (jobs.get(id)));
  });
  at("no-jobs").hidden = ids.length > 0;
  at("older").hidden = !cursor && jobs.size <= hung;
}

/** @param {string} id */
function drawJob(id) {
  drawJobs();
  if (stage.job === id) drawStage();
}

/** @param {string} id @returns {HTMLElement} */
function newCard(id) {
  const card = dress(copy("job-card"), { ".job-open": { onclick: () => open(id) } });
  cards.set(id, card);
  return card;
}

/** @param {HTMLElement} card @param {Job} job */
function drawCard(card, job) {
  const [title, words, image] = [nameOf(job), describe(job), /** @type {any} */ (card.querySelector("img"))];
  const photo = photoOfJob.get(job.id)?.url;
  dress(card, {
    ".job-title": { textContent: title },
    ".job-state": { textContent: job.result ? `${words} · ${when(job.created_at)}` : words },
    ".job-open": { ariaLabel: `Open ${title}, ${words}`, disabled: !paintingOf(job) && !photo },
  });
  const source = paintingOf(job) || newestOf(job) || photo || picturesOf(job);
  // Set only where it differs: the picture would be fetched again.
  if (image.getAttribute("src") !== source) image.src = source;
  drawControls(card, job);
}

/** Puts a job's painting on the stage. @param {string} id */
function open(id) {
  show(photoOfJob.get(id) ?? null, id);
  at("picture").focus({ preventScroll: true });
  at("stage").scrollIntoView({ block: "nearest" });
}

/** Cancels, keeps, pauses, resumes or retries a job; the stream tells what came of it. @param {Event} event */
async function steer({ target }) {
  const { do: what = "download" } = /** @type {HTMLElement} */ (target).dataset;
  if (what === "download") return;
  complain("");
  const job = `/v1/jobs/${/** @type {any} */ (target).closest("[data-job]").dataset.job}`;
  const deletes = /** @type {Record<string, string>} */ ({ cancel: "", keep: "?keep=true" });
  const asked =
    what in deletes ? ask(job + deletes[what], { method: "DELETE" }) : ask(`${job}/${what}`, { method: "POST" });
  await asked.catch((error) => complain(error.message));
}

// Styles

/** @param {?Style} [style] */
const previewOf = (style) =>
  style?.has_preview ? `/v1/styles/${style.name}/preview?of=${style.digest}` : BLANK;

/** Returns what stands for a job without a picture of its own: its style's preview. @param {Job} job */
const picturesOf = (job) => previewOf(styles.get(job.style ?? ""));

/** Shows the styles at hand. The choice is kept, or falls on the first that can paint. */
function drawStyles() {
  const rank = (/** @type {Style} */ style) => (style.state === "ready" ? "a" : "b") + titleOf(style.name);
  const sorted = [...styles.values()].sort((a, b) => rank(a).localeCompare(rank(b)));
  const chosen = at("styles").querySelector(":checked")?.value;
  const first = sorted.find((style) => style.state === "ready")?.name;
  const choice = styles.get(chosen)?.state === "ready" ? chosen : first;
  renew(at("styles"), sorted.map((style) => styleCard(style, style.name === choice)), ":checked");
  at("no-styles").hidden = sorted.length > 0;
}

/** @param {Style} style @param {boolean} isChosen */
function styleCard(style, isChosen) {
  const isReady = style.state === "ready";
  const problem = (isReady ? "The newer version is refused: " : "") + style.problem?.detail;
  return dress(copy("style-card"), {
    input: { value: style.name, checked: isChosen, disabled: !isReady, required: true },
    img: { src: previewOf(style) },
    ".style-title": { textContent: titleOf(style.name) },
    ".style-problem": { textContent: problem, hidden: !style.problem },
  });
}

// Learning: an artwork becomes a style, its loss and newest preview in sight

/** @typedef {{step: number, total: number}} Point */

/** The loss of each lesson, as far as it is known here. @type {Map<string, Point[]>} */
const curves = new Map();
/** The last step that each lesson's newest preview shows. @type {Map<string, number>} */
const previews = new Map();
/** The lessons that this page has begun: they stay in sight when they are over. @type {Set<string>} */
const taught = new Set();
/** Whose curves have been asked for. @type {Set<string>} */
const asked = new Set();

/** More points than a screen has columns say nothing more. */
const MOST_POINTS = 1200;
/** The drawing's own width and height, as in the page. */
const [WIDE, HIGH] = [300, 100];

/** Says whether a job is shown as a lesson. @param {any} job */
const isLesson = (job) => job.kind === "train" && (UNFINISHED.includes(job.state) || taught.has(job.id));

/** @type {?{file: File, url: string, order: ?{print: string, key: string}}} */
let artwork = null;

/** Takes an artwork in, and proposes a name for its style. @param {?File} [file] */
function takeArtwork(file) {
  if (!file) return;
  complain(whyNot(file), "teach-problem");
  if (whyNot(file)) return;
  if (artwork) URL.revokeObjectURL(artwork.url);
  artwork = { file, url: URL.createObjectURL(file), order: null };
  Object.assign(at("artwork-shown"), { src: artwork.url, alt: "", hidden: false });
  at("artwork-name").textContent = file.name;
  const name = file.name.replace(/\.[^.]*$/, "").toLowerCase().replace(/[^a-z0-9_-]+/g, "-");
  const plain = name.replace(/^[-_]+|[-_]+$/g, "").slice(0, 64);
  if (!at("style-name").value) at("style-name").value = plain;
  at("style-name").focus();
}

let isTeaching = false;
/** Sends the artwork. */
async function teach() {
  if (isTeaching) return;
  complain("", "teach-problem");
  if (!artwork) return complain("Choose an artwork first.", "teach-problem") ?? at("artwork").focus();
  const button = at("teach-it");
  isTeaching = true;
  button.textContent = "Sending…";
  try {
    const wishes = [...new FormData(at("teach"))].filter(([name, value]) => name !== "artwork" && value !== "");
    const job = await send("/v1/train", "artwork", artwork, wishes, button);
    taught.add(job.id);
    jobs.set(job.id, jobs.get(job.id) ?? job);
    URL.revokeObjectURL(artwork.url);
    artwork = null;
    at("teach").reset();
    Object.assign(at("artwork-shown"), { src: "/assets/favicon.svg", hidden: true });
    at("artwork-name").textContent = "";
    drawLessons();
  } catch (error) {
    complain(error.message, "teach-problem");
  } finally {
    isTeaching = false;
    button.textContent = "Learn it";
  }
}

/** Hears of a step; one that is done again replaces its earlier point and those after it. @param {any} news */
function hearLoss({ job, point }) {
  const points = curves.get(job) ?? [];
  while (points.length && points[points.length - 1].step >= point.step) points.pop();
  points.push({ step: point.step, total: point.total });
  curves.set(job, points.length > MOST_POINTS ? points.filter((_, place) => place % 2 === 0) : points);
  drawLesson(job);
}

/** @param {{job: string, step: number}} news */
function hearPreview({ job, step }) {
  previews.set(job, step);
  drawLesson(job);
}

/** Returns where a job's newest preview is, as far as one is known. @param {any} job */
const newestOf = ({ id }) => (previews.has(id) ? `/v1/jobs/${id}/preview?of=${previews.get(id)}` : "");

/** Forgets what may have changed while the stream was away. */
function askAnew() {
  asked.clear();
}

/** Asks for the part of a curve that was drawn before this page listened. @param {any} job */
async function askForCurve(job) {
  if (asked.has(job.id)) return;
  asked.add(job.id);
  const curve = await ask(`/v1/jobs/${job.id}/losses?max=400`).catch(() => null);
  if (!curve?.points.length) return;
  const last = curve.points[curve.points.length - 1].step;
  const newer = (curves.get(job.id) ?? []).filter(({ step }) => step > last);
  curves.set(job.id, [...curve.points.map(({ step, total }) => ({ step, total })), ...newer]);
  const every = job.parameters.preview_every;
  if (last >= every && !previews.has(job.id)) previews.set(job.id, last - (last % every));
  drawLesson(job.id);
}

/** @type {Map<string, any>} */
const lessonCards = new Map();

/** Shows all lessons, newest first. */
function drawLessons() {
  const lessons = [...jobs.values()].filter(isLesson).sort((a, b) => (a.id < b.id ? 1 : -1));
  for (const [id, card] of lessonCards) {
    if (!lessons.some((lesson) => lesson.id === id) && lessonCards.delete(id)) card.remove();
  }
  lessons.forEach((lesson, place) => {
    const card = lessonCards.get(lesson.id) ?? copy("lesson-card");
    lessonCards.set(lesson.id, card);
    if (at("lessons").children[place] !== card) at("lessons").insertBefore(card, at("lessons").children[place] ?? null);
    askForCurve(lesson);
    drawLesson(lesson.id);
  });
  at("no-lessons").hidden = lessons.length > 0;
}

/** @param {string} id */
function drawLesson(id) {
  const [card, job] = [lessonCards.get(id), jobs.get(id)];
  if (!card || !job) return;
  const points = curves.get(id) ?? [];
  const newest = points[points.length - 1];
  // Progress is told now and then, the loss at every step.
  const progress = newest && job.progress && job.state === "running" ? { ...job.progress, done: newest.step } : job.progress;
  const loss = newest ? [`loss ${newest.total.toFixed(2)}`] : [];
  const words = [describe({ ...job, progress }), ...loss, ...(job.warnings ?? [])];
  dress(card, {
    ".lesson-title": { textContent: job.style },
    ".lesson-state": { textContent: words.join(" · ") },
  });
  const preview = card.querySelector(".lesson-preview");
  const source = (job.state === "succeeded" ? picturesOf(job) : newestOf(job)) || "/assets/favicon.svg";
  if (preview.getAttribute("src") !== source) preview.src = source;
  drawCurve(card.querySelector(".curve"), points);
  drawControls(card, { ...job, progress });
}

/** Draws the total over the steps, on a logarithmic scale. @param {SVGElement} drawing @param {Point[]} points */
function drawCurve(drawing, points) {
  const heights = points.map(({ total }) => Math.log(Math.max(total, 1e-9)));
  const [least, most] = [Math.min(...heights), Math.max(...heights)];
  const first = points[0]?.step ?? 0;
  const span = Math.max(1, (points[points.length - 1]?.step ?? 0) - first);
  const place = points.map(({ step }, at) => {
    const up = most > least ? (heights[at] - least) / (most - least) : 0.5;
    return `${((step - first) / span) * WIDE},${HIGH - 4 - up * (HIGH - 8)}`;
  });
  drawing.querySelector("polyline")?.setAttribute("points", place.join(" "));
  const shown = (/** @type {Point} */ point) => point.total.toFixed(2);
  const ends = points.length ? `from ${shown(points[0])} to ${shown(points[points.length - 1])}` : "no steps yet";
  drawing.setAttribute("aria-label", `Loss, ${ends}`);
}

// Photos kept
//
// Those of the newest jobs that were sent from here, small, so that they hang beside their paintings after a reload
// too. They stay in this browser: the daemon shows a job's photo to nobody. Where a browser keeps nothing, as in a private
// window, nothing is kept.

/** So many jobs; a photo takes some hundred kilobytes. */
const MOST_KEPT = 24;
const LONGEST_PX = 1024;

/** @type {Promise<?IDBDatabase>} */
const opened = new Promise((resolve) => {
  const request = indexedDB.open("atelier", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("photos");
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => resolve(null);
});

/** Does something with what is kept. @param {(photos: IDBObjectStore) => IDBRequest} act @returns {Promise<any>} */
async function withPhotos(act) {
  // Where a browser blocks site data, opening throws.
  const database = await opened.catch(() => null);
  if (!database) return [];
  return new Promise((resolve) => {
    const request = act(database.transaction("photos", "readwrite").objectStore("photos"));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve([]);
  });
}

/** Keeps a job's photo, if this browser can read it; the oldest make room. @param {string} job @param {File} file */
async function keepPhoto(job, file) {
  const small = await shrink(file).catch(() => null);
  if (!small) return;
  await withPhotos((photos) => photos.put(small, job));
  // Ids are ordered by time.
  const kept = await withPhotos((photos) => photos.getAllKeys());
  kept.slice(0, -MOST_KEPT).forEach(forgetPhoto);
}

/** Returns what is kept: each job's id with its photo. @returns {Promise<[string, Blob][]>} */
async function keptPhotos() {
  const [ids, photos] = [await withPhotos((kept) => kept.getAllKeys()), await withPhotos((kept) => kept.getAll())];
  return ids.map((/** @type {string} */ id, /** @type {number} */ place) => [id, photos[place]]);
}

/** @param {string} job */
const forgetPhoto = (job) => withPhotos((photos) => photos.delete(job));

/** Keeps nothing any longer: whoever signs out leaves no photos behind. */
const forgetPhotos = () => withPhotos((photos) => photos.clear());

/** @param {File} file @returns {Promise<?Blob>} */
async function shrink(file) {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, LONGEST_PX / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const brush = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  // As the daemon does it, where a result can't be transparent.
  brush.fillStyle = "white";
  brush.fillRect(0, 0, canvas.width, canvas.height);
  brush.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
}

// Signing in

/** Whether somebody has signed in on this page; what is kept of it outlasts a reload. */
let isSignedIn = false;

/**
 * Does something with what is kept of that; a browser that blocks site data throws at the mere name.
 * @param {(kept: Storage) => any} act
 */
function withKept(act) {
  try {
    return act(localStorage);
  } catch {
    return null;
  }
}

function showGate() {
  stream?.close();
  at("away").hidden = true;
  at("studio").hidden = true;
  at("sign-out").hidden = true;
  at("gate").hidden = false;
  at("token").focus();
}

async function signIn() {
  complain("", "sign-in-problem");
  const body = JSON.stringify({ token: at("token").value });
  try {
    await ask("/session", { method: "POST", body, headers: { "Content-Type": "application/json" } });
    at("token").value = "";
    isSignedIn = true;
    withKept((kept) => kept.setItem("signed-in", "yes"));
    enter();
  } catch (error) {
    complain(error.message, "sign-in-problem");
    at("token").select();
  }
}

async function signOut() {
  const problem = await ask("/session", { method: "DELETE" }).catch((error) => error);
  if (problem) return complain(problem.message);
  isSignedIn = false;
  withKept((kept) => kept.removeItem("signed-in"));
  // Whoever signs in next is somebody else.
  forgetPhotos();
  photoOfJob.clear();
  photos = [];
  show(null);
  showGate();
}

// Hands

/** @type {[string, string, (event: any) => void][]} */
const hands = [
  ["order", "submit", (event) => event.preventDefault() ?? paint()],
  ["teach", "submit", (event) => event.preventDefault() ?? teach()],
  ["artwork-shown", "error", () => (at("artwork-shown").hidden = true)],
  ["artwork", "change", () => takeArtwork(at("artwork").files[0])],
  ["sign-in", "submit", (event) => event.preventDefault() ?? signIn()],
  ["sign-out", "click", signOut],
  ["older", "click", hangOlder],
  ["studio", "click", steer],
  ["curtain", "input", moveCurtain],
  ["photo", "load", unveil],
  ["painting", "load", unveil],
  ["photo", "error", () => (at("unseen").hidden = !stage.photo)],
  ["painting", "error", () => complain("The painting can’t be fetched: it may not be kept any longer.")],
  ["strength", "input", () => (at("strength-shown").textContent = `${Math.round(100 * at("strength").value)} %`)],
  ["file", "change", () => take([...at("file").files]) ?? (at("file").value = "")],
];
hands.forEach(([id, event, act]) => at(id).addEventListener(event, act));

// A field that is wrong must be seen before it can be corrected.
at("more").addEventListener("invalid", () => (at("more").open = true), true);

/** @param {any} event @param {boolean} isOver */
function hover(event, isOver) {
  // A field takes text: dropping some there is left to the browser.
  if (event.target.matches?.("[type=email], [type=number], [type=text]")) return;
  event.preventDefault();
  const isArtwork = Boolean(event.target.closest?.("#teach"));
  at("stage").classList.toggle("is-over", isOver && !isArtwork);
  at("artwork-well").classList.toggle("is-over", isOver && isArtwork);
}

document.addEventListener("dragover", (event) => hover(event, true));
document.addEventListener("dragleave", (event) => hover(event, event.relatedTarget !== null));
document.addEventListener("drop", (event) => {
  hover(event, false);
  const files = event.dataTransfer?.files ?? [];
  if (files.length && /** @type {any} */ (event.target).closest?.("#teach")) takeArtwork(files[0]);
  else if (files.length) take(files);
  else if (event.defaultPrevented) complain("That is not a file. Save the picture first, then drop it here.");
});
document.addEventListener("visibilitychange", restOrFollow);
document.addEventListener("paste", (event) => {
  if (event.clipboardData?.files.length) take(event.clipboardData.files);
});

takeUpPhotos();
enter();

// For whoever looks from the browser's own tools.
export { keepPhoto, keptPhotos };
