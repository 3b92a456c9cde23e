// Learning: an artwork becomes a style. The page shows the loss as it falls, and the newest preview.

import {
  UNFINISHED, ask, at, complain, copy, describe, drawControls, dress, jobs, picturesOf, send, whyNot,
} from "./app.js";

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
export const isLesson = (job) => job.kind === "train" && (UNFINISHED.includes(job.state) || taught.has(job.id));

/** @type {?{file: File, url: string, order: ?{print: string, key: string}}} */
let artwork = null;

/** Takes an artwork in, and proposes a name for its style. @param {?File} [file] */
export function takeArtwork(file) {
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

let isSending = false;
/** Sends the artwork. */
export async function teach() {
  if (isSending) return;
  complain("", "teach-problem");
  if (!artwork) return complain("Choose an artwork first.", "teach-problem") ?? at("artwork").focus();
  const button = at("teach-it");
  isSending = true;
  button.textContent = "Sending…";
  try {
    const wishes = [...new FormData(at("teach"))].filter(([name, value]) => name !== "artwork" && value !== "");
    const job = await send("/v1/train", "artwork", artwork, wishes);
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
    isSending = false;
    button.textContent = "Learn it";
  }
}

/** Hears of a step; one that is done again replaces its earlier point and those after it. @param {any} news */
export function hearLoss({ job, point }) {
  const points = curves.get(job) ?? [];
  while (points.length && points[points.length - 1].step >= point.step) points.pop();
  points.push({ step: point.step, total: point.total });
  curves.set(job, points.length > MOST_POINTS ? points.filter((_, place) => place % 2 === 0) : points);
  drawLesson(job);
}

/** @param {{job: string, step: number}} news */
export function hearPreview({ job, step }) {
  previews.set(job, step);
  drawLesson(job);
}

/** Returns where a job's newest preview is, as far as one is known. @param {any} job */
export const newestOf = ({ id }) => (previews.has(id) ? `/v1/jobs/${id}/preview?of=${previews.get(id)}` : "");

/** Forgets what may have changed while the stream was away. */
export function askAnew() {
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
const cards = new Map();

/** Shows all lessons, newest first. */
export function drawLessons() {
  const lessons = [...jobs.values()].filter(isLesson).sort((a, b) => (a.id < b.id ? 1 : -1));
  for (const [id, card] of cards) {
    if (!lessons.some((lesson) => lesson.id === id) && cards.delete(id)) card.remove();
  }
  lessons.forEach((lesson, place) => {
    const card = cards.get(lesson.id) ?? copy("lesson-card");
    cards.set(lesson.id, card);
    if (at("lessons").children[place] !== card) at("lessons").insertBefore(card, at("lessons").children[place] ?? null);
    askForCurve(lesson);
    drawLesson(lesson.id);
  });
  at("no-lessons").hidden = lessons.length > 0;
}

/** @param {string} id */
function drawLesson(id) {
  const [card, job] = [cards.get(id), jobs.get(id)];
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
