//! One stream of events for all jobs that are waited for.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::{ErrorCode, Event, EventBody, Job, JobId, JobRef, JobState};
use tokio::sync::watch;

use super::patience::Patience;
use crate::conn::{CallError, Connection, Watch};

/// The jobs that are waited for, each with its newest state.
#[derive(Debug)]
pub(super) struct Followers {
    connection: Connection,
    jobs: Mutex<HashMap<JobId, watch::Sender<Job>>>,
}

impl Followers {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, jobs: Mutex::default() }
    }

    /// Follows a job from now on. The receiver closes when the daemon does not know the job any more.
    pub(super) async fn follow(&self, job: Job) -> Result<watch::Receiver<Job>, CallError> {
        let id = job.id;
        let (sender, receiver) = watch::channel(job);
        self.jobs().insert(id, sender);
        // What happened between the job's acceptance and this line was told to nobody here.
        let now = Patience::Single.with(|_| {}, async || self.connection.job(JobRef::Id(id)).await).await?;
        self.offer(now);
        Ok(receiver)
    }

    /// Stops to follow a job.
    pub(super) fn leave(&self, job: JobId) {
        self.jobs().remove(&job);
    }

    /// Hands events on to whom they concern, until the daemon is lost for good.
    pub(super) async fn run(&self, mut events: Watch) -> CallError {
        loop {
            match events.next().await {
                Ok(Some(event)) => {
                    if let Err(error) = self.hear(event).await {
                        return error;
                    }
                }
                Ok(None) => {}
                Err(error) => return error,
            }
        }
    }

    async fn hear(&self, event: Event) -> Result<(), CallError> {
        match event.body {
            EventBody::State(job) => self.offer(*job),
            EventBody::Forgotten { job } => self.leave(job),
            EventBody::Progress { job, progress: now, .. } => {
                if let Some(sender) = self.jobs().get(&job) {
                    sender.send_if_modified(|job| match &mut job.state {
                        JobState::Running { progress, .. } => {
                            *progress = now;
                            true
                        }
                        _ => false,
                    });
                }
            }
            EventBody::Snapshot(snapshot) => {
                let mut missing: Vec<_> = self.jobs().keys().copied().collect();
                missing.retain(|id| snapshot.jobs.iter().all(|job| job.id != *id));
                snapshot.jobs.into_iter().for_each(|job| self.offer(job));
                for id in missing {
                    self.ask(id).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Asks for a job that a snapshot does not have.
    async fn ask(&self, id: JobId) -> Result<(), CallError> {
        match Patience::Single.with(|_| {}, async || self.connection.job(JobRef::Id(id)).await).await {
            Ok(job) => self.offer(job),
            Err(CallError::Refused(refused)) if refused.code == ErrorCode::JobNotFound => self.leave(id),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Takes a job's state, unless a later one is known: answers and events overtake each other.
    fn offer(&self, job: Job) {
        if let Entry::Occupied(sender) = self.jobs().entry(job.id) {
            sender.get().send_if_modified(|known| {
                let newer = !known.state.is_finished();
                if newer {
                    *known = job;
                }
                newer
            });
        }
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<JobId, watch::Sender<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
