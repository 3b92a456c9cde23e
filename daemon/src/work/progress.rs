//! How far a job is, told to watchers not more often than they can use.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use protocol::job::ProgressUnit;
use protocol::{EventBody, JobId, Progress};

use super::Workplace;
use crate::record::Record;
use crate::spool::Spool;

/// How often a running job tells its progress at most.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// Over how many steps the pace is measured.
const PACE_STEPS: usize = 20;

/// Returns how far a job is when work on it begins: a training or painting is where its checkpoint is.
pub(crate) fn first_progress(record: &Record, spool: &Spool) -> Progress {
    match record.job.parameters.steps() {
        Some(steps) => Progress::of_steps(spool.kept_steps(&record.job), steps),
        None => Progress { done: 0, total: 100, unit: ProgressUnit::Percent, rate: None },
    }
}

/// Tells how far a photo is.
pub(super) struct ProgressTeller<'a> {
    workplace: &'a Workplace,
    job: JobId,
    began: Instant,
    told: Option<Instant>,
}

impl<'a> ProgressTeller<'a> {
    pub(super) fn new(workplace: &'a Workplace, job: JobId) -> Self {
        Self { workplace, job, began: Instant::now(), told: None }
    }

    pub(super) fn tell(&mut self, done: f64) {
        let now = Instant::now();
        if self.told.is_some_and(|told| now - told < PROGRESS_INTERVAL) {
            return;
        }
        self.told = Some(now);
        let percent = done.clamp(0.0, 1.0) * 100.0;
        let seconds = (now - self.began).as_secs_f64();
        let rate = (percent > 0.0 && seconds > 0.0).then(|| percent / seconds);
        let progress = Progress { done: percent as u64, total: 100, unit: ProgressUnit::Percent, rate };
        self.workplace.show_progress(self.job, progress);
    }
}

/// Tells how far a training or painting is, and how fast it goes with everything that comes between its steps.
#[derive(Default)]
pub(super) struct StepTeller {
    /// When the last steps ended, oldest first.
    ended: VecDeque<Instant>,
    told: Option<Instant>,
}

impl StepTeller {
    pub(super) fn tell(&mut self, workplace: &Workplace, job: JobId, done: u64, total: u32) {
        let now = Instant::now();
        self.ended.push_back(now);
        if self.ended.len() > PACE_STEPS + 1 {
            self.ended.pop_front();
        }
        let progress = Progress { rate: self.rate(), ..Progress::of_steps(done, total) };
        workplace.live.set_progress(job, progress);
        let is_last = done == u64::from(total);
        if is_last || self.told.is_none_or(|told| now - told >= PROGRESS_INTERVAL) {
            self.told = Some(now);
            workplace.show_progress(job, progress);
        }
    }

    fn rate(&self) -> Option<f64> {
        let (first, last) = (self.ended.front()?, self.ended.back()?);
        let seconds = last.duration_since(*first).as_secs_f64();
        (seconds > 0.0).then(|| (self.ended.len() - 1) as f64 / seconds)
    }
}

impl Workplace {
    fn show_progress(&self, job: JobId, progress: Progress) {
        self.live.set_progress(job, progress);
        let (rate, eta_seconds) = (progress.rate, progress.eta_seconds());
        self.store.show(EventBody::Progress { job, progress, rate, eta_seconds });
    }
}
