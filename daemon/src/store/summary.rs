//! What is known of every job without reading its row: enough to list, count and find.

use std::collections::BTreeMap;

use protocol::{JobId, JobKind, MailState, StateName, StyleName};

use crate::record::Record;
use crate::scheduler::Class;

/// One job in brief.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its state.
    pub state: StateName,
    /// Its kind.
    pub kind: JobKind,
    /// Its style, where it has one.
    pub style: Option<StyleName>,
    /// The class that it waits in.
    pub class: Class,
    /// How many crashes it was part of.
    pub crashes: u32,
    /// Memory it needs while it runs.
    pub memory_bytes: u64,
    /// Bytes it takes on the disk.
    pub disk_bytes: u64,
    /// Whether it is paused until the disk has room.
    pub waits_for_room: bool,
    /// When it ended, in seconds since 1970.
    pub finished_at: Option<i64>,
    /// Its mail's state, where it has a mail.
    pub mail: Option<MailState>,
}

impl Summary {
    pub(super) fn of(record: &Record) -> Self {
        Self {
            state: record.job.state.name(),
            kind: record.job.kind(),
            style: record.job.style().cloned(),
            class: record.class(),
            crashes: record.crashes,
            memory_bytes: record.memory_bytes,
            disk_bytes: record.disk_bytes(),
            waits_for_room: record.waits_for_room,
            finished_at: record.job.state.finished_at().map(jiff::Timestamp::as_second),
            mail: record.letter.as_ref().map(|letter| letter.state),
        }
    }
}

/// All jobs in brief, with running counts.
#[derive(Debug, Default)]
pub struct Summaries {
    jobs: BTreeMap<JobId, Summary>,
    counts: BTreeMap<StateName, u64>,
    disk_bytes: u64,
}

impl Summaries {
    /// Returns one job's summary.
    #[must_use]
    pub fn get(&self, id: JobId) -> Option<&Summary> {
        self.jobs.get(&id)
    }

    /// Goes through all jobs, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = (JobId, &Summary)> {
        self.jobs.iter().rev().map(|(id, summary)| (*id, summary))
    }

    /// Goes through all jobs, oldest first.
    pub fn oldest_first(&self) -> impl Iterator<Item = (JobId, &Summary)> {
        self.jobs.iter().map(|(id, summary)| (*id, summary))
    }

    /// Goes through the jobs older than `before`, newest first.
    pub fn older_than(&self, before: JobId) -> impl Iterator<Item = (JobId, &Summary)> {
        self.jobs.range(..before).rev().map(|(id, summary)| (*id, summary))
    }

    /// Returns how many jobs are in a state.
    #[must_use]
    pub fn count(&self, state: StateName) -> u64 {
        self.counts.get(&state).copied().unwrap_or(0)
    }

    /// Returns the bytes that all jobs' pictures take on the disk.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }

    pub(super) fn put(&mut self, record: &Record) {
        self.remove(record.job.id);
        let summary = Summary::of(record);
        *self.counts.entry(summary.state).or_default() += 1;
        self.disk_bytes += summary.disk_bytes;
        self.jobs.insert(record.job.id, summary);
    }

    pub(super) fn remove(&mut self, id: JobId) {
        if let Some(old) = self.jobs.remove(&id) {
            if let Some(count) = self.counts.get_mut(&old.state) {
                *count -= 1;
            }
            self.disk_bytes -= old.disk_bytes;
        }
    }
}
