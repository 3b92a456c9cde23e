//! A data folder that somebody left behind, opened by the daemon's own code, and held against what was told.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use daemon::curve::Curve;
use daemon::record::Record;
use daemon::spool::Spool;
use daemon::store::{self, Report, Store};
use protocol::{JobId, JobState, Parameters};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tests::disk::{Fact, Told};

use crate::recorded_life::Life;

/// The spool and the store, opened as a start does.
pub(crate) struct Reopened {
    data: PathBuf,
    pub(crate) spool: Arc<Spool>,
    pub(crate) store: Store,
    pub(crate) report: Report,
    thread: std::thread::JoinHandle<()>,
}

impl Reopened {
    pub(crate) fn open(data: &Path) -> Result<Self, String> {
        let verifier = Path::new(env!("CARGO_BIN_EXE_atelierd-under-test"));
        let spool = Arc::new(Spool::open(data, 0).map_err(|error| format!("the spool does not open: {error}"))?);
        let opened = store::open(data, &spool, Some(verifier)).map_err(|error| format!("the store: {error}"))?;
        let report = opened.report.clone();
        let (store, thread) = Store::start(opened).unwrap();
        Ok(Self { data: data.to_owned(), spool, store, report, thread })
    }

    pub(crate) fn close(self) {
        self.store.close();
        self.thread.join().unwrap();
    }

    /// Checks that everything which was told is so still, or has become what was told later.
    pub(crate) fn keeps(&self, life: &Life, told: &[&Fact], later: &[&Fact]) -> Result<(), String> {
        if !self.report.unreadable.is_empty() {
            return Err(format!("half a job: {:?}", self.report.unreadable));
        }
        for id in self.store.summaries(|jobs| jobs.oldest_first().map(|(id, _)| id).collect::<Vec<_>>()) {
            self.is_whole(id)?;
        }
        let mut last: BTreeMap<JobId, &Told> = BTreeMap::new();
        for fact in told {
            match &fact.told {
                // A purge is answered with the job that it forgets.
                Told::Job(id, _) if matches!(last.get(id), Some(Told::Forgotten(_))) => {}
                Told::Job(id, _) | Told::Forgotten(id) => drop(last.insert(*id, &fact.told)),
                Told::Event(number) if self.store.feed().latest() < *number => {
                    return Err(format!("event {number} was told, and the next is {}", self.store.feed().latest() + 1));
                }
                Told::Checkpoint(id, step) => self.has_come_as_far(*id, *step)?,
                Told::Sent(id) => self.has_sent(*id)?,
                Told::Event(_) => {}
            }
        }
        for (id, told) in last {
            let is_forgotten_later = later.iter().any(|fact| matches!(fact.told, Told::Forgotten(job) if job == id));
            match (self.store.record(id).map_err(|error| error.to_string())?, told) {
                (Some(_), Told::Forgotten(_)) => return Err(format!("{id} was forgotten")),
                (Some(record), Told::Job(_, job)) => {
                    is_as_told(&record, job, later)?;
                    self.knows_the_key(&record, &life.keys[&id])?;
                }
                (None, Told::Job(..)) if !is_forgotten_later => return Err(format!("{id} was told and is gone")),
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks that a job's files are what its record says.
    pub(crate) fn is_whole(&self, id: JobId) -> Result<(), String> {
        let record = self.store.record(id).map_err(|error| error.to_string())?.ok_or("a summary without a row")?;
        let is = |path: &Path, sha256: &str| fs::read(path).is_ok_and(|bytes| hex(&Sha256::digest(bytes)) == sha256);
        if !is(&self.spool.input(id), &record.input.sha256) {
            return Err(format!("{id}'s input is not what was sent"));
        }
        for (number, artwork) in (1..).zip(&record.artworks) {
            if !is(&self.spool.artwork(id, number), &artwork.sha256) {
                return Err(format!("{id}'s artwork {number} is not what was sent"));
            }
        }
        if let JobState::Succeeded { result, .. } = &record.job.state
            && !is(&self.spool.result(id), &result.sha256)
        {
            return Err(format!("{id} has succeeded, and its result is not there"));
        }
        let steps = match &record.job.parameters {
            Parameters::Train(train) => train.steps,
            Parameters::Paint(paint) => paint.steps,
            Parameters::Stylize(_) => 0,
        };
        let points =
            Curve::open(&self.spool.curve(id)).map_err(|error| error.to_string())?.map_or(0, |curve| curve.len());
        if matches!(record.job.state, JobState::Succeeded { .. }) && points != steps as usize {
            return Err(format!("{id} has succeeded, and has {points} of {steps} points"));
        }
        self.spool.checkpoint(id).map_err(|error| format!("{id}: {error}"))?;
        Ok(())
    }

    fn knows_the_key(&self, record: &Record, key: &str) -> Result<(), String> {
        let job = self.store.job_of_key(&record.origin.caller, key).map_err(|error| error.to_string())?;
        if job == Some(record.job.id) { Ok(()) } else { Err(format!("the key {key} stands for {job:?}")) }
    }

    fn has_come_as_far(&self, id: JobId, step: u64) -> Result<(), String> {
        let is_over = !matches!(self.store.record(id), Ok(Some(record)) if !record.job.state.is_finished());
        let checkpoint = self.spool.checkpoint(id).map_err(|error| error.to_string())?;
        if is_over || checkpoint.is_some_and(|checkpoint| checkpoint.step >= step) {
            Ok(())
        } else {
            Err(format!("{id} had a checkpoint of step {step}"))
        }
    }

    fn has_sent(&self, id: JobId) -> Result<(), String> {
        let letter = self.data.join(format!("outbox/{id}.1.eml"));
        match fs::read(&letter) {
            Ok(bytes) if bytes.ends_with(b"\r\n") => Ok(()),
            other => Err(format!("{id}'s letter was sent, and is {:?}", other.map(|bytes| bytes.len()))),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// Checks that a job is as it was told, or as it was told later.
fn is_as_told(record: &Record, told: &Value, later: &[&Fact]) -> Result<(), String> {
    let now = serde_json::to_value(&record.job).unwrap();
    let id = &told["id"];
    let is_allowed = |job: &Value| essence(job) == essence(&now);
    let is_later = |fact: &&&Fact| matches!(&fact.told, Told::Job(_, job) if job["id"] == *id && is_allowed(job));
    if is_allowed(told) || later.iter().any(|fact| is_later(&fact)) {
        return Ok(());
    }
    Err(format!("{id} was told as {:?}, and is {:?}", essence(told), essence(&now)))
}

/// Returns what of a job is promised to stay; one that runs waits again.
fn essence(job: &Value) -> [Value; 4] {
    let state = if job["state"] == "running" { "queued".into() } else { job["state"].clone() };
    [state, job["note"].clone(), job["priority"].clone(), job["result"]["sha256"].clone()]
}
