//! Submitting: let in, receive, check, write to the disk, and only then answer.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lettre::Address;
use models::package::Package;
use models::picture::{self, Header};
use protocol::{
    Delivery, ErrorCode, Job, JobId, JobState, MailState, OutputFormat, Parameters, Priority, StateName, StyleName,
    StylizeParameters,
};
use sha2::{Digest, Sha256};

use super::photo::picture_refusal;
use super::{Intake, blocking};
use crate::access::{Caller, Role};
use crate::mail::{self, RecipientLimiter};
use crate::record::{Idempotency, Input, Origin, Record};
use crate::refusal::Refusal;
use crate::spool::{Draft, hex, storage_refusal};

/// The longest note, in characters.
const NOTE_CHARS: usize = 1000;

/// The longest idempotency key, in characters.
const KEY_CHARS: usize = 255;

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

/// An accepted job.
#[derive(Debug)]
pub struct Submission {
    /// The job: as it was accepted, or as it is now when this answers a repeated submit.
    pub job: Job,
    /// Whether this answers a repeated submit.
    pub replayed: bool,
}

/// A caller and the idempotency key that is being received.
pub(super) type ReceivedKey = (String, String);

/// A submit that has been let in but not yet received. It holds the idempotency key while it lives.
pub struct Ticket {
    intake: Intake,
    caller: Caller,
    route: &'static str,
    key: Option<String>,
}

impl Ticket {
    /// Opens a file for one uploaded part.
    ///
    /// # Errors
    /// `storage_full` or `storage_failed` when the disk does not take it.
    pub fn draft(&self) -> Result<Draft, Refusal> {
        self.intake.0.spool.draft(self.intake.config().limits.upload_bytes)
    }

    fn received_key(&self) -> Option<ReceivedKey> {
        self.key.clone().map(|key| (self.caller.name.clone(), key))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(key) = self.received_key() {
            self.intake.0.receiving.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        }
    }
}

impl Intake {
    /// Lets a submit in before its body is read: checks the role, room in the queue, room on the disk, and reserves
    /// the idempotency key. `route` is part of what a repeated submit is compared by.
    ///
    /// # Errors
    /// `forbidden`, `draining`, `queue_full`, `storage_full`, `storage_failed`, `invalid_field` for a bad key,
    /// `idempotency_in_progress`.
    pub fn open(&self, caller: &Caller, route: &'static str, key: Option<String>) -> Result<Ticket, Refusal> {
        caller.require(Role::Submit)?;
        self.accepts()?;
        self.check_queue()?;
        if let Some(key) = &key {
            check_key(key)?;
            let received = (caller.name.clone(), key.clone());
            if !self.0.receiving.lock().unwrap_or_else(PoisonError::into_inner).insert(received) {
                return Err(Refusal::new(
                    ErrorCode::IdempotencyInProgress,
                    "the first request with this Idempotency-Key is still being received; try again in a moment",
                )
                .retry_after(Duration::from_secs(1)));
            }
        }
        Ok(Ticket { intake: self.clone(), caller: caller.clone(), route, key })
    }

    /// Accepts a photo: decodes it, writes job and photo to the disk, and only then answers.
    ///
    /// # Errors
    /// What the order or the photo has wrong, by its own code.
    pub async fn stylize(&self, ticket: Ticket, order: StylizeOrder, photo: Draft) -> Result<Submission, Refusal> {
        let idempotency = ticket
            .key
            .clone()
            .map(|key| Idempotency { fingerprint: fingerprint(ticket.route, &order, &photo.sha256()), key });
        if let Some(first) = self.repeated(&ticket.caller, idempotency.as_ref()).await? {
            return Ok(Submission { job: first, replayed: true });
        }
        let recipient = self.check_order(&ticket.caller, &order)?;
        if photo.is_empty() {
            return Err(Refusal::new(ErrorCode::InvalidPicture, "the picture is empty; send the file's content"));
        }
        let style = self.ready_style(&order.style)?;
        let (photo, header) = self.0.decoding.check(photo, self.picture_limits()).await?;
        let (parameters, width, height) = self.parameters(&order, &header)?;
        let memory_bytes = self.memory_needed(style, &header, width, height).await?;
        if let Some(recipient) = &recipient {
            let limit = self.config().mail.per_recipient_per_hour;
            self.recipients().admit(Timestamp::now(), recipient, limit)?;
        }
        let job = Job {
            id: JobId::new(),
            parameters: Parameters::Stylize(parameters),
            priority: order.priority.unwrap_or(Priority::Interactive),
            state: JobState::Queued,
            created_at: Timestamp::now(),
            attempt: 0,
            mail: order.email.map(|to| Delivery { to, state: MailState::Pending, attempts: 0 }),
            note: order.note,
            warnings: Vec::new(),
            skipped_files: Vec::new(),
            queue_position: None,
        };
        let input = Input { bytes: photo.len(), sha256: photo.sha256(), width: header.width, height: header.height };
        let origin = Origin { caller: ticket.caller.name.clone(), idempotency };
        let record = Record::new(job, origin, input, memory_bytes);
        let job = self.keep(record, photo).await.inspect_err(|_| {
            if let Some(recipient) = &recipient {
                self.recipients().take_back(recipient);
            }
        })?;
        drop(ticket);
        Ok(Submission { job, replayed: false })
    }

    /// Writes a new job: first its folder, then its row. When this returns, it is acknowledged.
    async fn keep(&self, record: Record, input: Draft) -> Result<Job, Refusal> {
        let spool = Arc::clone(&self.0.spool);
        let record = blocking(move || {
            spool.create(&record, input, Vec::new()).map_err(|error| storage_refusal(&error))?;
            Ok(record)
        })
        .await?;
        let (job, memory_bytes) = (record.job.clone(), record.memory_bytes);
        self.0.store.write(move |ledger| ledger.put(&record)).durable().await?;
        self.0.dispatch.enqueue(&job, memory_bytes);
        Ok(job)
    }

    /// Finds the first answer to a repeated submit.
    async fn repeated(&self, caller: &Caller, idempotency: Option<&Idempotency>) -> Result<Option<Job>, Refusal> {
        let Some(Idempotency { key, fingerprint }) = idempotency.cloned() else { return Ok(None) };
        let (store, name) = (self.0.store.clone(), caller.name.clone());
        let first = blocking(move || {
            let Some(id) = store.job_of_key(&name, &key)? else { return Ok(None) };
            Ok(store.record(id)?)
        })
        .await?;
        let Some(first) = first else { return Ok(None) };
        if first.origin.idempotency.as_ref().is_some_and(|kept| kept.fingerprint == fingerprint) {
            return Ok(Some(self.decorated(first.job)));
        }
        Err(Refusal::new(
            ErrorCode::IdempotencyMismatch,
            format!("this Idempotency-Key was used for job {} with other content; use a new key", first.job.id),
        ))
    }

    /// Checks the fields, and returns the recipient where there is one.
    fn check_order(&self, caller: &Caller, order: &StylizeOrder) -> Result<Option<Address>, Refusal> {
        if let Some(strength) = order.strength.filter(|strength| !(0.0..=1.0).contains(strength)) {
            return Err(invalid(format!("strength must be between 0 and 1, not {strength}")));
        }
        if order.size == Some(0) {
            return Err(invalid("size must be at least 1 pixel"));
        }
        order.note.as_deref().map_or(Ok(()), check_note)?;
        let email = order.email.as_deref();
        email.map(|email| mail::recipient(email, caller.role, &self.config().mail)).transpose()
    }

    /// Fills the defaults in and returns the result's size.
    fn parameters(&self, order: &StylizeOrder, photo: &Header) -> Result<(StylizeParameters, u32, u32), Refusal> {
        let (width, height) = match order.size {
            Some(side_px) => picture::size_with_longest(photo.width, photo.height, side_px, self.picture_limits())
                .map_err(|error| picture_refusal(&error))?,
            None => (photo.width, photo.height),
        };
        let own = match photo.format {
            picture::Format::Jpeg => OutputFormat::Jpeg,
            picture::Format::WebP => OutputFormat::Webp,
            _ => OutputFormat::Png,
        };
        let format = order.format.unwrap_or(own);
        let longest = match format {
            OutputFormat::Png => picture::OutputFormat::Png,
            OutputFormat::Jpeg => picture::OutputFormat::Jpeg,
            OutputFormat::Webp => picture::OutputFormat::WebP,
        }
        .longest_side_px();
        if width.max(height) > longest {
            return Err(invalid(format!(
                "a {format} file is at most {longest} pixels on a side and this one would have {}; ask for format=png \
                 or a smaller size",
                width.max(height)
            )));
        }
        let parameters = StylizeParameters {
            style: order.style.clone(),
            strength: order.strength.unwrap_or(1.0),
            size: order.size,
            preserve_color: order.preserve_color,
            format,
        };
        Ok((parameters, width, height))
    }

    /// Returns what the job needs, and refuses one that can never run.
    async fn memory_needed(
        &self,
        style: Arc<Package>,
        photo: &Header,
        width: u32,
        height: u32,
    ) -> Result<u64, Refusal> {
        let budget = self.config().limits.memory_bytes;
        let footprints = Arc::clone(&self.0.footprints);
        let painting = blocking(move || {
            let footprint = footprints.of(&style)?;
            Ok(footprint.memory_bytes(width, height, budget))
        })
        .await?;
        painting.map(|bytes| bytes.max(photo.decoding_bytes)).map_err(|least| {
            Refusal::new(
                ErrorCode::TooMuchMemory,
                format!(
                    "painting {width}×{height} pixels takes at least {} MiB and limits.memory allows {} MiB; ask for a \
                     smaller size or raise limits.memory",
                    least.div_ceil(1 << 20),
                    budget >> 20
                ),
            )
        })
    }

    fn recipients(&self) -> MutexGuard<'_, RecipientLimiter> {
        self.0.recipients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses when the queue is full, and says when there will be room, from how fast it moves.
    fn check_queue(&self) -> Result<(), Refusal> {
        let limit = self.config().max_waiting as u64;
        let queued = self.0.store.summaries(|jobs| jobs.count(StateName::Queued));
        if queued < limit {
            return Ok(());
        }
        let wait = self.0.live.time_for_one_more().unwrap_or(Duration::from_secs(30));
        Err(Refusal::new(
            ErrorCode::QueueFull,
            format!("{queued} jobs wait already, as many as queue.max_waiting allows"),
        )
        .retry_after(wait.max(Duration::from_secs(1))))
    }
}

pub(super) fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::InvalidField, detail)
}

/// Refuses notes that are too long or would play tricks on a terminal.
pub(super) fn check_note(note: &str) -> Result<(), Refusal> {
    if note.chars().count() > NOTE_CHARS {
        return Err(invalid(format!("a note has at most {NOTE_CHARS} characters")));
    }
    if note.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(invalid("a note must not contain control characters"));
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), Refusal> {
    if key.is_empty() || key.len() > KEY_CHARS || !key.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Err(invalid(format!("an Idempotency-Key is 1 to {KEY_CHARS} printable ASCII characters")));
    }
    Ok(())
}

/// Digests what a repeated submit must have in common with the first: the route, the decoded fields, the file.
fn fingerprint(route: &str, order: &StylizeOrder, photo_sha256: &str) -> String {
    let StylizeOrder { style, strength, size, preserve_color, format, priority, email, note } = order;
    let fields = serde_json::json!([
        route,
        style,
        strength.unwrap_or(1.0),
        size,
        preserve_color,
        format,
        priority.unwrap_or(Priority::Interactive),
        email,
        note,
        photo_sha256
    ]);
    hex(&Sha256::digest(fields.to_string()))
}
