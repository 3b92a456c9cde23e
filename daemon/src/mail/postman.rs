//! Who brings the mail: takes what is due from the store, hands it over, writes down what became of it.

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use lettre::Message;
use protocol::{EventBody, Job, JobId, JobKind, JobResult, JobState, MailState, StyleName};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::address;
use super::letter::{self, Learned, Letter, Painting};
use super::schedule::{self, Next};
use super::transport::{self, Outcome, Post};
use crate::access::Signer;
use crate::config::Config;
use crate::curve;
use crate::intake::Intake;
use crate::record::{self, Record};
use crate::refusal::Refusal;
use crate::spool::Spool;
use crate::store::Store;

/// How many letters are on their way at once: one that takes long holds up none of the others that are due.
const AT_ONCE: usize = 4;

/// How long the postman rests at most.
const LONGEST_REST: Duration = Duration::from_secs(15 * 60);

/// How long it rests after the store could not be read or written.
const AFTER_TROUBLE: Duration = Duration::from_secs(60);

/// The postman. What it must not forget is in the store, so it survives every restart.
#[derive(Clone)]
pub struct Postman {
    store: Store,
    spool: Arc<Spool>,
    signer: Signer,
}

/// When each waiting letter is due, as far as it has been read; with the end of its job that it tells of, since a
/// retried job has another letter.
type DueTimes = HashMap<JobId, (Option<i64>, Timestamp)>;

impl Postman {
    /// Makes a postman over a store and a spool; `signer` signs the links in letters.
    #[must_use]
    pub fn new(store: Store, spool: Arc<Spool>, signer: Signer) -> Self {
        Self { store, spool, signer }
    }

    /// Brings mail until `closing`. `wake` tells that a letter has become due. A letter that is on its way at the end
    /// is sent again after the next start.
    #[must_use]
    pub fn start(self, intake: Intake, wake: Arc<Notify>, closing: CancellationToken) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut known = DueTimes::new();
            loop {
                let config = intake.config();
                let rest = tokio::select! {
                    () = closing.cancelled() => return,
                    rest = self.round(&config, Timestamp::now(), &mut known) => rest,
                };
                tokio::select! {
                    () = closing.cancelled() => return,
                    () = wake.notified() => {}
                    () = tokio::time::sleep(rest) => {}
                }
            }
        })
    }

    /// Tries every letter that is due, and returns how long there is nothing to do.
    async fn round(&self, config: &Config, now: Timestamp, known: &mut DueTimes) -> Duration {
        if self.store.has_failed() {
            // What would become of a letter could not be written down, so it would be sent again and again.
            return AFTER_TROUBLE;
        }
        match self.look(std::mem::take(known)).await {
            Ok(times) => *known = times,
            Err(error) => {
                tracing::error!(%error, "the outbox can't be read");
                return AFTER_TROUBLE;
            }
        }
        let due: Vec<_> = known.iter().filter(|(_, (_, at))| schedule::is_due(*at, now)).map(|(id, _)| *id).collect();
        if due.is_empty() {
            let next = known.values().map(|(_, at)| at.duration_since(now).unsigned_abs()).min();
            return next.unwrap_or(LONGEST_REST).min(LONGEST_REST);
        }
        let post = &Post::open(config);
        let tries = due.into_iter().map(|id| async move { (id, self.bring(id, post, config, now).await) });
        let mut noted = futures::stream::iter(tries).buffer_unordered(AT_ONCE);
        while let Some((id, noted)) = noted.next().await {
            if let Err(error) = noted {
                tracing::error!(job = %id, %error, "what became of a mail can't be written down");
            }
            // The next round reads from the store when it is due again, if ever.
            known.remove(&id);
        }
        Duration::ZERO
    }

    /// Reads when the waiting letters are due that are not known yet.
    async fn look(&self, mut known: DueTimes) -> Result<DueTimes, Refusal> {
        let store = self.store.clone();
        crate::intake::blocking(move || {
            let waiting: HashMap<_, _> = store.summaries(|jobs| {
                let queued = jobs.oldest_first().filter(|(_, job)| job.mail == Some(MailState::Queued));
                queued.map(|(id, job)| (id, job.finished_at)).collect()
            });
            known.retain(|id, (end, _)| waiting.get(id) == Some(end));
            for (id, end) in waiting {
                if !known.contains_key(&id)
                    && let Some(letter) = store.record(id)?.and_then(|record| record.letter)
                {
                    known.insert(id, (end, letter.next_try.unwrap_or(Timestamp::MIN)));
                }
            }
            Ok(known)
        })
        .await
    }

    /// Tries one letter and writes down what became of it.
    async fn bring(&self, id: JobId, post: &io::Result<Post>, config: &Config, now: Timestamp) -> Result<(), Refusal> {
        let Some((job, written)) = self.write_letter(id, config).await? else { return Ok(()) };
        let outcome = match (post, written) {
            (_, Err(outcome)) => outcome,
            (Err(error), Ok(_)) => Outcome::TryAgain(error.to_string()),
            (Ok(post), Ok(message)) => post.send(&letter::name(&job), &message).await,
        };
        match &outcome {
            Outcome::Delivered(answer) => tracing::info!(job = %id, answer, "a mail was taken"),
            Outcome::TryAgain(answer) => tracing::warn!(job = %id, answer, "a mail was not taken; it is tried again"),
            Outcome::Refused(answer) => tracing::warn!(job = %id, answer, "a mail was refused for good"),
        }
        // Sending may have taken long.
        let now = now.max(Timestamp::now());
        let give_up_after = config.mail.give_up_after;
        let attempt = job.attempt;
        let saved = self.store.write(move |ledger| {
            let current = ledger.record(id).filter(|record| record.job.attempt == attempt && is_waiting(record));
            // Somebody has retried or forgotten the job meanwhile: this letter no longer counts.
            let Some(mut record) = current else { return };
            note(&mut record, outcome, now, give_up_after);
            ledger.save_anyway(&record);
            if let Some(mail) = record.as_mail() {
                ledger.tell(EventBody::Mail(mail));
            }
        });
        Ok(saved.durable().await?)
    }

    /// Reads a waiting letter's job and writes the letter; nothing when it no longer waits.
    async fn write_letter(
        &self,
        id: JobId,
        config: &Config,
    ) -> Result<Option<(Job, Result<Message, Outcome>)>, Refusal> {
        let (postman, config) = (self.clone(), config.clone());
        crate::intake::blocking(move || {
            let Some(record) = postman.store.record(id)?.filter(is_waiting) else { return Ok(None) };
            let written = postman.compose(&record, &config);
            Ok(Some((record.job, written)))
        })
        .await
    }

    /// Writes a letter; or says why there is none, for good or until its pictures can be read.
    fn compose(&self, record: &Record, config: &Config) -> Result<Message, Outcome> {
        let impossible = |error: &dyn Error| Outcome::Refused(error.to_string());
        let unreadable = |error: io::Error| Outcome::TryAgain(format!("what it is to carry can't be read: {error}"));
        let letter = record.letter.as_ref().ok_or_else(|| Outcome::Refused("the job has no mail".to_owned()))?;
        let to = address::parse(&letter.recipient).map_err(|error| impossible(&error))?;
        let (painting, learned) = match &record.job.state {
            JobState::Succeeded { .. } if record.job.kind() == JobKind::Train => {
                (Painting::Gone, self.learned(&record.job, config).map_err(unreadable)?)
            }
            JobState::Succeeded { result, finished_at, .. } => {
                let painting = self.painting(record, result, *finished_at, config);
                (painting.map_err(unreadable)?, Learned::default())
            }
            _ => (Painting::Gone, Learned::default()),
        };
        let from = transport::sender(config);
        letter::compose(Letter { job: &record.job, from: &from, to, painting, learned })
            .map_err(|error| impossible(&error))
    }

    /// Collects what there is to show of a style, as far as a letter may carry it.
    fn learned(&self, job: &Job, config: &Config) -> io::Result<Learned> {
        let points = curve::drawn(&self.spool.curve(job.id))?;
        let last = points.last().cloned();
        let title = job.style().map_or("loss", StyleName::as_str);
        let drawn = (!points.is_empty()).then(|| curve::chart(title, &points).png());
        let sample = match std::fs::read(self.spool.preview(job.id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            read => Some(read?),
        };
        let mut room = config.mail.attach_limit as usize;
        let mut fitting = |file: Option<Vec<u8>>| {
            let file = file.filter(|bytes| bytes.len() <= room)?;
            room -= file.len();
            Some(file)
        };
        let curve = fitting(drawn);
        Ok(Learned { last, curve, sample: fitting(sample) })
    }

    /// Decides how the painting gets to its recipient.
    fn painting(
        &self,
        record: &Record,
        result: &JobResult,
        finished_at: Timestamp,
        config: &Config,
    ) -> io::Result<Painting> {
        if record.expired {
            return Ok(Painting::Gone);
        }
        if result.bytes <= config.mail.attach_limit {
            return match std::fs::read(self.spool.result(record.job.id)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Painting::Gone),
                read => Ok(Painting::Attached(read?)),
            };
        }
        let until = finished_at.saturating_add(config.data.keep_results).unwrap_or(Timestamp::MAX);
        Ok(match &config.server.public_url {
            Some(url) => Painting::Link(format!("{url}{}", self.signer.link(record.job.id, until)), until),
            None => Painting::Kept(until),
        })
    }
}

fn is_waiting(record: &Record) -> bool {
    record.letter.as_ref().is_some_and(|letter| letter.state == MailState::Queued)
}

/// Writes the outcome of a try into the letter's record.
fn note(record: &mut Record, outcome: Outcome, now: Timestamp, give_up_after: Duration) {
    let Some(letter) = record.letter.clone() else { return };
    let attempts = letter.attempts + 1;
    // Not later than now, or a clock that has been set back would have it tried for longer.
    let queued_at = letter.queued_at.unwrap_or(now).min(now);
    let (state, next_try, answer) = match outcome {
        Outcome::Delivered(answer) => (MailState::Sent, None, answer),
        Outcome::Refused(answer) => (MailState::Failed, None, answer),
        Outcome::TryAgain(answer) => {
            match schedule::after_failure(record.job.id, attempts, queued_at, now, give_up_after) {
                Next::TryAt(at) => (MailState::Queued, Some(at), answer),
                Next::GiveUp => (MailState::Failed, None, format!("given up: {answer}")),
            }
        }
    };
    record.set_letter(record::Letter {
        state,
        attempts,
        next_try,
        last_answer: Some(answer),
        queued_at: Some(queued_at),
        ..letter
    });
}

#[cfg(test)]
mod tests;
