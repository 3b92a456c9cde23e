// The photos of the newest jobs that were sent from here, small, so that they hang beside their paintings after a reload
// too. They stay in this browser: the daemon shows a job's photo to nobody. Where a browser keeps nothing, as in a private
// window, nothing is kept.

/** So many jobs; a photo takes some hundred kilobytes. */
const MOST = 24;
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
  const database = await opened;
  if (!database) return [];
  return new Promise((resolve) => {
    const request = act(database.transaction("photos", "readwrite").objectStore("photos"));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve([]);
  });
}

/** Keeps a job's photo, if this browser can read it; the oldest make room. @param {string} job @param {File} file */
export async function keepPhoto(job, file) {
  const small = await shrink(file).catch(() => null);
  if (!small) return;
  await withPhotos((photos) => photos.put(small, job));
  // Ids are ordered by time.
  const kept = await withPhotos((photos) => photos.getAllKeys());
  kept.slice(0, -MOST).forEach(forgetPhoto);
}

/** Returns what is kept: each job's id with its photo. @returns {Promise<[string, Blob][]>} */
export async function keptPhotos() {
  const [ids, photos] = [await withPhotos((kept) => kept.getAllKeys()), await withPhotos((kept) => kept.getAll())];
  return ids.map((/** @type {string} */ id, /** @type {number} */ place) => [id, photos[place]]);
}

/** @param {string} job */
export const forgetPhoto = (job) => withPhotos((photos) => photos.delete(job));

/** Keeps nothing any longer: whoever signs out leaves no photos behind. */
export const forgetPhotos = () => withPhotos((photos) => photos.clear());

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
