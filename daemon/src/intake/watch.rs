//! Watching: first everything there is, then everything that changes.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use protocol::{Event, EventBody, JobId, JobRef, Snapshot, StateName};
use tokio::sync::watch;

use super::Intake;
use super::jobs::JobFilter;
use crate::feed::Shown;
use crate::refusal::Refusal;

/// Jobs of a state in a snapshot of everything, at most: it is for looking at, and `GET /v1/jobs` has them all.
const IN_SNAPSHOT: u32 = 200;

/// A stream of events for one watcher. It holds no events but the few it has taken last, so a watcher that never
/// reads costs next to nothing.
pub struct Watcher {
    intake: Intake,
    job: Option<JobId>,
    /// Everything up to this number has been seen; none before the first snapshot.
    seen: Option<u64>,
    taken: VecDeque<Arc<Shown>>,
    latest: watch::Receiver<u64>,
    /// Whether everything that was written before the job was found finished has been shown.
    settled: bool,
    over: bool,
}

impl Intake {
    /// Watches one job, or everything. Without `after` a snapshot comes first; with it, what was missed, or a snapshot
    /// when that is too long ago.
    ///
    /// # Errors
    /// `job_not_found`.
    pub fn watch(&self, job: Option<JobRef>, after: Option<u64>) -> Result<Watcher, Refusal> {
        let job = job.map(|job| self.id(job)).transpose()?;
        let latest = self.0.store.feed().follow();
        Ok(Watcher {
            intake: self.clone(),
            job,
            seen: after,
            taken: VecDeque::new(),
            latest,
            settled: false,
            over: false,
        })
    }

    /// Takes a snapshot that contains at least everything up to its number: what comes after may repeat a little of
    /// it, but nothing is missed. A crowd of watchers shares one, as long as it has all that each could have known.
    async fn snapshot(&self, job: Option<JobId>) -> Result<Arc<Shown>, Refusal> {
        let feed = self.0.store.feed();
        let known = feed.latest();
        let shown = |sequence, snapshot| {
            let body = EventBody::Snapshot(snapshot);
            Shown::new(Event { sequence, at: Timestamp::now(), body })
        };
        if let Some(job) = job {
            let jobs = vec![self.job(JobRef::Id(job)).await?];
            return Ok(shown(known, Snapshot { jobs, ..Snapshot::default() }));
        }
        let mut last = self.0.snapshot.lock().await;
        if let Some(last) = last.as_ref().filter(|last| last.sequence >= known) {
            return Ok(Arc::clone(last));
        }
        let sequence = feed.latest();
        let mut jobs = Vec::new();
        for state in StateName::ALL {
            let filter = JobFilter { state: Some(*state), limit: Some(IN_SNAPSHOT), ..JobFilter::default() };
            jobs.extend(self.jobs(filter).await?.jobs);
        }
        jobs.sort_by_key(|job| std::cmp::Reverse(job.id));
        let taken = shown(sequence, Snapshot { jobs, styles: self.styles(), devices: self.devices() });
        *last = Some(Arc::clone(&taken));
        Ok(taken)
    }
}

impl Watcher {
    /// Waits for the next event; none once the watched job is finished or forgotten, or the daemon ends.
    pub async fn next(&mut self) -> Option<Arc<Shown>> {
        loop {
            if let Some(event) = self.taken.pop_front() {
                match event.body {
                    // A job that has been retried since goes on, and so do those who watch it.
                    EventBody::End { job } if self.job.is_some() && self.goes_on(job, event.sequence) => continue,
                    EventBody::End { .. } | EventBody::Forgotten { .. } if self.job.is_some() => {
                        self.over = true;
                        self.taken.clear();
                    }
                    _ => {}
                }
                return Some(event);
            }
            if self.over {
                return None;
            }
            self.latest.mark_unchanged();
            let Some(seen) = self.seen else {
                self.take_snapshot().await?;
                continue;
            };
            match self.intake.0.store.feed().after(seen, self.job) {
                Err(crate::feed::TooOld) => self.seen = None,
                Ok((events, reached)) => {
                    self.seen = Some(reached);
                    let moved = reached != seen;
                    self.taken.extend(events);
                    if !moved {
                        self.wait(seen).await?;
                    }
                }
            }
        }
    }

    /// Says whether a job has a later end than the one of this number, or will have.
    fn goes_on(&self, job: JobId, end: u64) -> bool {
        let state = self.intake.0.store.summaries(|jobs| jobs.get(job).map(|job| job.state));
        if matches!(state, Some(StateName::Queued | StateName::Running | StateName::Paused)) {
            return true;
        }
        let mut cursor = end;
        while let Ok((events, reached)) = self.intake.0.store.feed().after(cursor, Some(job)) {
            if events.iter().any(|event| matches!(event.body, EventBody::End { .. })) {
                return true;
            }
            if reached == cursor {
                break;
            }
            cursor = reached;
        }
        false
    }

    async fn take_snapshot(&mut self) -> Option<()> {
        let snapshot = self.intake.snapshot(self.job).await.ok()?;
        self.seen = Some(snapshot.sequence);
        self.taken.push_back(snapshot);
        Some(())
    }

    /// Waits for something new. A watched job whose end has been seen already gets it once more, so that its stream
    /// always closes.
    async fn wait(&mut self, sequence: u64) -> Option<()> {
        if let Some(job) = self.job {
            let state = self.intake.0.store.summaries(|jobs| jobs.get(job).map(|job| job.state));
            if !matches!(state, Some(StateName::Queued | StateName::Running | StateName::Paused)) {
                if self.settled {
                    let body = EventBody::End { job };
                    self.taken.push_back(Shown::new(Event { sequence, at: Timestamp::now(), body }));
                    return Some(());
                }
                // The end may be written and not yet shown: events are shown before a later write is answered.
                self.intake.0.store.write(|_| ()).durable().await.ok()?;
                self.settled = true;
                return Some(());
            }
            self.settled = false;
        }
        if self.intake.is_draining() {
            return None;
        }
        self.latest.changed().await.ok()
    }
}
