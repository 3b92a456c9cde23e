//! The use cases: everything a caller can ask for. HTTP, gRPC and the page call only this.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use protocol::{
    Device, Event, Job, JobId, JobKind, JobPage, JobRef, Mail, OutputFormat, Priority, StateName, Style, StyleName,
};

use crate::access::Caller;
use crate::refusal::Refusal;

/// An order to paint a photo; absent fields take their defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct StylizeOrder {
    /// The style's name.
    pub style: StyleName,
    /// Mix of photo and painting, 0 to 1; 1 where absent.
    pub strength: Option<f32>,
    /// Longest side in pixels; the photo's own where absent.
    pub size: Option<u32>,
    /// Keep the photo's chroma.
    pub preserve_color: bool,
    /// The photo's own format where absent and possible, else PNG.
    pub format: Option<OutputFormat>,
    /// Interactive where absent.
    pub priority: Option<Priority>,
    /// Where to mail the painting.
    pub email: Option<String>,
    /// A person's own words.
    pub note: Option<String>,
}

/// A submit that has been let in but not yet received: it holds the idempotency key while it lives.
pub struct Ticket {}

impl Ticket {
    /// Opens a file for one uploaded part.
    ///
    /// # Errors
    /// `storage_full` or `storage_failed` when the disk does not take it.
    pub async fn draft(&self) -> Result<Draft, Refusal> {
        todo!()
    }
}

/// An uploaded file on its way to the disk. Dropping it removes the file.
pub struct Draft {}

impl Draft {
    /// Appends bytes.
    ///
    /// # Errors
    /// `upload_too_large` beyond `limits.upload_bytes`; `storage_full` or `storage_failed` from the disk.
    pub async fn write(&mut self, _bytes: &[u8]) -> Result<(), Refusal> {
        todo!()
    }
}

/// An accepted job.
#[derive(Debug)]
pub struct Submission {
    /// The job, as it was accepted.
    pub job: Job,
    /// Whether this answers a repeated submit.
    pub replayed: bool,
}

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Only in this state.
    pub state: Option<StateName>,
    /// Only of this kind.
    pub kind: Option<JobKind>,
    /// Only with this style.
    pub style: Option<StyleName>,
    /// At most so many, 1 to 1000; 100 where absent.
    pub limit: Option<u32>,
    /// The cursor of the page before.
    pub after: Option<String>,
}

/// A file to send.
#[derive(Debug)]
pub struct ResultFile {
    /// The job it belongs to.
    pub job: JobId,
    /// Where it is.
    pub path: PathBuf,
    /// Its media type.
    pub media_type: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// What the daemon is and how it does.
#[derive(Clone, Debug)]
pub struct ServerStatus {
    /// Seconds since the start.
    pub uptime: Duration,
    /// Waiting jobs.
    pub queued: u64,
    /// Jobs on devices.
    pub running: u64,
    /// Whether the store takes writes, a device is up and nothing drains.
    pub ready: Result<(), String>,
}

/// A stream of events for one watcher.
pub struct Watcher {}

impl Watcher {
    /// Waits for the next event; none once the watched job is finished or the daemon ends.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        todo!()
    }
}

/// The use cases. Cheap to clone.
#[derive(Clone)]
pub struct Intake {}

impl Intake {
    /// Lets a submit in before its body is read: checks the role, room in the queue, room on the disk, and
    /// reserves the idempotency key. `route` is part of what a repeated submit is compared by.
    ///
    /// # Errors
    /// `forbidden`, `draining`, `queue_full`, `storage_full`, `storage_failed`, `idempotency_in_progress`.
    pub async fn open(&self, _caller: &Caller, _route: &'static str, _key: Option<String>) -> Result<Ticket, Refusal> {
        todo!()
    }

    /// Accepts a photo: decodes it, writes job and photo to the disk, and only then answers.
    ///
    /// # Errors
    /// What the order or the photo has wrong, by its own code.
    pub async fn stylize(&self, _ticket: Ticket, _order: StylizeOrder, _photo: Draft) -> Result<Submission, Refusal> {
        todo!()
    }

    /// Finds a job.
    ///
    /// # Errors
    /// `job_not_found`, `ambiguous_id`.
    pub async fn job(&self, _job: JobRef) -> Result<Job, Refusal> {
        todo!()
    }

    /// Lists jobs, newest first.
    ///
    /// # Errors
    /// `invalid_field` for a bad cursor or limit.
    pub async fn jobs(&self, _filter: JobFilter) -> Result<JobPage, Refusal> {
        todo!()
    }

    /// Waits until the job is finished, at most `wait`, and returns it as it is then.
    ///
    /// # Errors
    /// `job_not_found`.
    pub async fn wait(&self, _job: JobId, _wait: Duration) -> Result<Job, Refusal> {
        todo!()
    }

    /// Stops a job; a finished one stays as it is.
    ///
    /// # Errors
    /// `job_not_found`, `forbidden`.
    pub async fn cancel(&self, _caller: &Caller, _job: JobRef) -> Result<Job, Refusal> {
        todo!()
    }

    /// Holds a queued or running job back.
    ///
    /// # Errors
    /// `wrong_state` when it is finished.
    pub async fn pause(&self, _caller: &Caller, _job: JobRef) -> Result<Job, Refusal> {
        todo!()
    }

    /// Puts a paused job back into the queue.
    ///
    /// # Errors
    /// `wrong_state` when it is not paused.
    pub async fn resume(&self, _caller: &Caller, _job: JobRef) -> Result<Job, Refusal> {
        todo!()
    }

    /// Puts a failed or cancelled job back into the queue.
    ///
    /// # Errors
    /// `wrong_state` when it is neither.
    pub async fn retry(&self, _caller: &Caller, _job: JobRef) -> Result<Job, Refusal> {
        todo!()
    }

    /// Forgets a finished job: photo, result and row. Needs `admin`.
    ///
    /// # Errors
    /// `wrong_state` when it is not finished.
    pub async fn forget(&self, _caller: &Caller, _job: JobRef) -> Result<Job, Refusal> {
        todo!()
    }

    /// Changes a job's priority.
    ///
    /// # Errors
    /// `wrong_state` when it is finished.
    pub async fn set_priority(&self, _caller: &Caller, _job: JobRef, _to: Priority) -> Result<Job, Refusal> {
        todo!()
    }

    /// Changes or clears a job's note.
    ///
    /// # Errors
    /// `invalid_field` when the note is too long or has control characters.
    pub async fn set_note(&self, _caller: &Caller, _job: JobRef, _note: Option<String>) -> Result<Job, Refusal> {
        todo!()
    }

    /// Finds a finished job's result.
    ///
    /// # Errors
    /// `result_not_ready` while unfinished (or failed, with its reason), `result_gone` after its retention.
    pub async fn result(&self, _job: JobRef) -> Result<ResultFile, Refusal> {
        todo!()
    }

    /// Watches one job, or everything. Without `after` a snapshot comes first; with it, what was missed, or a
    /// snapshot when that is too long ago.
    ///
    /// # Errors
    /// `job_not_found`.
    pub async fn watch(&self, _job: Option<JobRef>, _after: Option<u64>) -> Result<Watcher, Refusal> {
        todo!()
    }

    /// Lists the styles by name.
    #[must_use]
    pub fn styles(&self) -> Vec<Style> {
        todo!()
    }

    /// Finds one style.
    ///
    /// # Errors
    /// `style_not_found`.
    pub fn style(&self, _name: &StyleName) -> Result<Style, Refusal> {
        todo!()
    }

    /// Returns a style's preview picture, a JPEG.
    ///
    /// # Errors
    /// `style_not_found`, `preview_not_found`.
    pub fn style_preview(&self, _name: &StyleName) -> Result<bytes::Bytes, Refusal> {
        todo!()
    }

    /// Opens a file for an uploaded package. Needs `admin`.
    ///
    /// # Errors
    /// `forbidden`, `storage_full`, `storage_failed`.
    pub async fn package_draft(&self, _caller: &Caller) -> Result<Draft, Refusal> {
        todo!()
    }

    /// Publishes an uploaded package or foreign weight file under a name, replacing what was there.
    ///
    /// # Errors
    /// `invalid_package` with its reason.
    pub async fn import_style(&self, _caller: &Caller, _name: StyleName, _package: Draft) -> Result<Style, Refusal> {
        todo!()
    }

    /// Deletes a style's folder. Needs `admin`.
    ///
    /// # Errors
    /// `style_not_found`, `forbidden`.
    pub async fn delete_style(&self, _caller: &Caller, _name: &StyleName) -> Result<(), Refusal> {
        todo!()
    }

    /// Lists the devices.
    #[must_use]
    pub fn devices(&self) -> Vec<Device> {
        todo!()
    }

    /// Lists the outbox, newest first.
    ///
    /// # Errors
    /// `storage_failed`.
    pub async fn mail(&self) -> Result<Vec<Mail>, Refusal> {
        todo!()
    }

    /// Says how the daemon does.
    #[must_use]
    pub fn status(&self) -> ServerStatus {
        todo!()
    }
}
