//! What is kept of a job: the job itself and what only the daemon needs to know.

use std::borrow::Cow;

use jiff::Timestamp;
use protocol::{Delivery, ErrorCode, Failure, Job, JobResult, JobState, Mail, MailState};
use serde::{Deserialize, Serialize};

use crate::scheduler::Class;
use crate::spool::Spool;

/// A job's record, the same bytes in the spool and in the index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The record's version; a newer daemon reads every older one.
    version: u32,
    /// The job.
    pub job: Job,
    /// How it was submitted.
    pub origin: Origin,
    /// The uploaded picture: the photo, or the artwork of a training.
    pub input: Input,
    /// The artworks of a painting, in the order in which they were sent.
    #[serde(default)]
    pub artworks: Vec<Input>,
    /// Memory that the job needs while it runs, in bytes.
    pub memory_bytes: u64,
    /// Its mail, when an address was given.
    pub letter: Option<Letter>,
    /// Whether retention has removed its pictures.
    pub expired: bool,
    /// How many times the daemon ended without a goodbye while this job ran.
    #[serde(default)]
    pub crashes: u32,
    /// Whether it is to end at once with what there is: a training or painting that was cancelled and kept.
    #[serde(default)]
    pub ends_early: bool,
    /// Whether it is paused because the disk is full, and goes on by itself.
    #[serde(default)]
    pub waits_for_room: bool,
    /// The style of a failed training that could not be published.
    #[serde(default)]
    pub kept_result: Option<JobResult>,
    /// Bytes that its files take beside pictures and result: checkpoint, curve, preview.
    #[serde(default)]
    pub side_bytes: u64,
}

/// How a job was submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The caller's name.
    pub caller: String,
    /// The idempotency key, and the digest of what was submitted under it.
    pub idempotency: Option<Idempotency>,
}

/// An idempotency key and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// The caller's key.
    pub key: String,
    /// SHA-256 over route, decoded fields and file digests, in hexadecimal.
    pub fingerprint: String,
}

/// An uploaded picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Size of the file.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Width as displayed, in pixels.
    pub width: u32,
    /// Height as displayed, in pixels.
    pub height: u32,
}

/// A job's mail, as the postman needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// The recipient's address.
    pub recipient: String,
    /// How far it has come.
    pub state: MailState,
    /// How many times it was tried.
    pub attempts: u32,
    /// When it is due, while it waits.
    pub next_try: Option<Timestamp>,
    /// What the transport said last.
    pub last_answer: Option<String>,
    /// When it was first due.
    pub queued_at: Option<Timestamp>,
}

/// How many crashes a job may have been part of before it is given up: one that takes the daemon down with it must
/// not do so for ever.
const CRASHES_ALLOWED: u32 = 20;

/// The version that this daemon writes.
const VERSION: u32 = 2;

/// A record that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is damaged.
    #[error("the job's record is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    /// A newer daemon wrote it.
    #[error("the job's record has version {0}, which is newer than this daemon; start the newer one")]
    Newer(u32),
}

impl Record {
    /// Makes the record of a new job.
    #[must_use]
    pub fn new(job: Job, origin: Origin, input: Input, memory_bytes: u64) -> Self {
        let letter = job.mail.as_ref().map(|mail| Letter {
            recipient: mail.to.clone(),
            state: MailState::Pending,
            attempts: 0,
            next_try: None,
            last_answer: None,
            queued_at: None,
        });
        Self {
            version: VERSION,
            job,
            origin,
            input,
            artworks: Vec::new(),
            memory_bytes,
            letter,
            expired: false,
            crashes: 0,
            ends_early: false,
            waits_for_room: false,
            kept_result: None,
            side_bytes: 0,
        }
    }

    /// Returns the class that the job waits in.
    #[must_use]
    pub fn class(&self) -> Class {
        if self.ends_early { Class::Finishing } else { Class::of(self.job.kind(), self.job.priority) }
    }

    /// Returns the record as the spool keeps it: a running job as a waiting one, which it is again after a crash.
    #[must_use]
    pub fn as_kept(&self) -> Cow<'_, Self> {
        if !matches!(self.job.state, JobState::Running { .. }) {
            return Cow::Borrowed(self);
        }
        let mut kept = self.clone();
        kept.job.state = JobState::Queued { steps_done: self.job.state.steps_done() };
        Cow::Owned(kept)
    }

    /// Pauses the job until the disk has room again.
    pub fn wait_for_room(&mut self, warning: String) {
        self.job.state = JobState::Paused { steps_done: self.job.state.steps_done() };
        self.job.warnings.push(warning);
        self.waits_for_room = true;
    }

    /// Ends the waiting for room, if it has: the job goes on, or a person has decided about it.
    pub fn has_room(&mut self) {
        if std::mem::take(&mut self.waits_for_room) {
            self.job.warnings.pop();
        }
    }

    /// Takes note of the steps after which a job that waits or is paused will go on, as its checkpoint has them. Returns
    /// whether that is news.
    pub fn note_steps(&mut self, spool: &Spool) -> bool {
        let kept = spool.kept_steps(&self.job);
        match &mut self.job.state {
            JobState::Queued { steps_done } | JobState::Paused { steps_done } => {
                std::mem::replace(steps_done, kept) != kept
            }
            _ => false,
        }
    }

    /// Adds the artworks of a painting.
    #[must_use]
    pub fn with_artworks(self, artworks: Vec<Input>) -> Self {
        Self { artworks, ..self }
    }

    /// Writes the record.
    ///
    /// # Panics
    /// Never: a record has string keys and finite numbers.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record has string keys and finite numbers")
    }

    /// Reads a record.
    ///
    /// # Errors
    /// When it is damaged, or written by a newer daemon.
    pub fn from_json(bytes: &[u8]) -> Result<Self, RecordError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_slice(bytes)?;
        if version > VERSION {
            return Err(RecordError::Newer(version));
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// Puts a job that ran when the daemon crashed back into the queue, or gives it up when that happened too often.
    /// `running` is the job as it ran.
    pub fn take_back(&mut self, running: &Job, now: Timestamp) {
        self.job.attempt = running.attempt;
        self.crashes += 1;
        if self.crashes > CRASHES_ALLOWED {
            let detail = format!(
                "the daemon ended {} times while it worked on this job; retry it, or send the picture anew and smaller",
                self.crashes
            );
            let error = Failure { code: ErrorCode::Crashed, detail };
            let (started_at, device) = match &running.state {
                JobState::Running { started_at, device, .. } => (Some(*started_at), Some(device.clone())),
                _ => (None, None),
            };
            self.job.state = JobState::Failed { started_at, finished_at: now, device, error };
            self.release_letter(now);
        }
    }

    /// Makes the mail due once the job has a result or has failed.
    pub fn release_letter(&mut self, now: Timestamp) {
        let due = matches!(self.job.state, JobState::Succeeded { .. } | JobState::Failed { .. });
        if let Some(letter) = self.letter.clone().filter(|letter| due && letter.state == MailState::Pending) {
            let due = Letter { state: MailState::Queued, next_try: Some(now), queued_at: Some(now), ..letter };
            self.set_letter(due);
        }
    }

    /// Makes the mail wait for the job once more.
    pub fn renew_letter(&mut self) {
        if let Some(letter) = self.letter.take() {
            let state = MailState::Pending;
            self.set_letter(Letter {
                state,
                attempts: 0,
                next_try: None,
                last_answer: None,
                queued_at: None,
                ..letter
            });
        }
    }

    /// Returns the mail as people see it.
    #[must_use]
    pub fn as_mail(&self) -> Option<Mail> {
        let Letter { recipient, state, attempts, next_try, last_answer, .. } = self.letter.clone()?;
        Some(Mail { recipient, job: self.job.id, state, attempts, next_try, last_answer })
    }

    /// Sets the letter and the brief form that the job shows.
    pub fn set_letter(&mut self, letter: Letter) {
        self.job.mail = Some(Delivery { to: letter.recipient.clone(), state: letter.state, attempts: letter.attempts });
        self.letter = Some(letter);
    }

    /// Returns the bytes that the job takes on the disk.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        if self.expired {
            return 0;
        }
        let result = match &self.job.state {
            JobState::Succeeded { result, .. } => result.bytes,
            _ => 0,
        };
        let artworks: u64 = self.artworks.iter().map(|artwork| artwork.bytes).sum();
        self.input.bytes + artworks + result + self.side_bytes
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use protocol::Parameters;

    use super::*;

    /// A record as version 1 wrote it.
    const GOLDEN: &[u8] = include_bytes!("../tests/data/record-1.json");

    #[test]
    fn a_record_of_the_first_version_is_read() {
        let record = Record::from_json(GOLDEN).unwrap();
        assert_eq!(record.job.id.to_string(), "01890a5d-ac96-774b-bcce-b302099a8057");
        assert!(
            matches!(&record.job.parameters, Parameters::Stylize(stylize) if stylize.style.as_str() == "great-wave")
        );
        let JobState::Succeeded { result, .. } = &record.job.state else { panic!("{:?}", record.job.state) };
        assert_eq!((result.width, result.height), (Some(640), Some(480)));
        assert_eq!(record.letter.as_ref().map(|letter| letter.state), Some(MailState::Sent));
        assert_eq!(record.disk_bytes(), 7 + 123_456);
        assert!(record.artworks.is_empty() && record.job.skipped_files.is_empty());
        assert_eq!(Record::from_json(&record.to_json()).unwrap(), record, "what it is written as is read too");
    }

    #[test]
    fn a_record_of_a_newer_version_is_left_alone() {
        let newer = br#"{"version":3,"whatever":true}"#;
        assert!(matches!(Record::from_json(newer), Err(RecordError::Newer(3))));
    }
}
