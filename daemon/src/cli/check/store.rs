//! The data folder: the spool, and the index that is made from it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::{JobId, StateName};
use rustix::fs::FlockOperation;

use super::{Finding, Repair};
use crate::config::Config;
use crate::record::Record;
use crate::spool::{Checkpoint, Spool};
use crate::store;

/// Who has the data folder.
#[derive(Debug)]
pub(super) enum Claim {
    /// There is none yet.
    Absent,
    /// A running daemon.
    Running,
    /// This check, for as long as this lives.
    Ours(#[expect(dead_code, reason = "it is the lock")] File),
    /// Nobody can.
    Unusable(io::Error),
}

/// Takes the data folder unless a daemon has it.
pub(super) fn claim(data: &Path) -> Claim {
    if !data.exists() {
        return Claim::Absent;
    }
    let opened = File::options().create(true).truncate(false).write(true).open(data.join("lock"));
    match opened {
        Ok(file) => match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Claim::Ours(file),
            Err(rustix::io::Errno::WOULDBLOCK) => Claim::Running,
            Err(error) => Claim::Unusable(error.into()),
        },
        Err(error) => Claim::Unusable(error),
    }
}

/// Checks the data folder; `program` is this one, where it can be asked to verify an index.
pub(super) fn check(config: &Config, claim: &Claim, repair: Repair, program: Option<&Path>) -> Vec<Finding> {
    let data = &config.data.dir;
    let shown = data.display();
    match claim {
        Claim::Absent => vec![Finding::fine("data", format!("{shown} is made at the first start"))],
        Claim::Unusable(error) => {
            vec![Finding::wrong("data", format!("{shown}: {error}; make it writable, or choose another with data.dir"))]
        }
        Claim::Running => vec![Finding::fine("data", format!("{shown} is in the hands of a running atelierd"))],
        Claim::Ours(_) if repair == Repair::Yes => mend(config, program),
        Claim::Ours(_) => look(data, program),
    }
}

/// Looks without changing anything.
fn look(data: &Path, program: Option<&Path>) -> Vec<Finding> {
    let read = Spool::unsettled(data).and_then(|journal| Ok((records(data, &journal.gone)?, journal.arrived)));
    let (mut records, unsettled) = match read {
        Ok(read) => read,
        Err(error) => return vec![Finding::wrong("data", format!("{}: {error}", data.display()))],
    };
    let readable: Vec<_> = records.iter().filter_map(|(_, record)| record.as_ref().ok()).collect();
    let mut findings = vec![Finding::fine("data", format!("{} jobs in {}", readable.len(), data.display()))];
    let index = index(data, &readable, program);
    if !unsettled.is_empty() {
        let text =
            format!("{} jobs in the journal of arrivals, from which the next start makes them whole", unsettled.len());
        findings.push(Finding::fine("data", text));
    }
    records.retain(|(id, record)| record.is_ok() || !unsettled.contains(id));
    findings.extend(records.iter().filter_map(|(id, record)| {
        let problem = record.as_ref().err()?;
        Some(Finding::wrong(
            "data",
            format!("job {id}: {problem}; --repair writes it anew from the index, or leaves it if the index lacks it"),
        ))
    }));
    findings.extend(damaged_checkpoints(data, &records));
    findings.extend(index);
    findings
}

/// Names the trainings and paintings that would have to begin anew.
fn damaged_checkpoints<'a>(
    data: &Path,
    records: &'a [(JobId, Result<Record, String>)],
) -> impl Iterator<Item = Finding> + use<'a> {
    let spool = data.join("spool");
    records.iter().filter_map(move |(id, record)| {
        let is_needed = record.as_ref().is_ok_and(|record| !record.job.state.is_finished());
        let bytes = fs::read(spool.join(id.to_string()).join("checkpoint")).ok().filter(|_| is_needed)?;
        let error = Checkpoint::from_bytes(&bytes).err()?;
        Some(Finding::wrong("data", format!("job {id}: {error}; it begins anew when its turn comes")))
    })
}

/// Reads the index, a copy of it: opening sled's files changes them.
fn index(data: &Path, jobs: &[&Record], program: Option<&Path>) -> Vec<Finding> {
    let folder = data.join("index");
    if !folder.exists() {
        return Vec::new();
    }
    let copy = std::env::temp_dir().join(format!("atelierd-check-{}", JobId::new()));
    let ids = copy_folder(&folder, &copy)
        .map_err(|error| format!("it can't be copied: {error}"))
        .and_then(|()| store::verify(&copy, program))
        .and_then(|()| store::ids(&copy));
    // Nothing depends on the copy.
    let _ = fs::remove_dir_all(&copy);
    let ids = match ids {
        Ok(ids) => ids,
        Err(problem) => {
            return vec![Finding::wrong(
                "index",
                format!("{problem}; the next start, or --repair, sets it aside and rebuilds it from the jobs' folders"),
            )];
        }
    };
    let lacking = jobs.iter().filter(|record| !ids.contains(&record.job.id));
    // The rows of jobs that only wait since they came need not have been synced.
    let is_new = |record: &&&Record| record.job.attempt == 0 && record.job.state.name() == StateName::Queued;
    let (new, lost): (Vec<&Record>, Vec<&Record>) = lacking.partition(is_new);
    let mut findings = Vec::new();
    if !lost.is_empty() {
        let (lost, jobs) = (lost.len(), jobs.len());
        let text =
            format!("it lacks {lost} of {jobs} jobs; the next start, or --repair, restores them from their folders");
        findings.push(Finding::wrong("index", text));
    }
    if !new.is_empty() {
        let text = format!("{} new jobs are not in it yet; the next start adds them", new.len());
        findings.push(Finding::fine("index", text));
    }
    if findings.is_empty() {
        findings.push(Finding::fine("index", "every row can be read"));
    }
    findings
}

/// Does what a start does: the index is held against the spool, and rebuilt where it is damaged.
fn mend(config: &Config, program: Option<&Path>) -> Vec<Finding> {
    let data = &config.data.dir;
    let opened = Spool::open(data, config.data.reserve_bytes).map_err(|error| error.to_string()).and_then(|spool| {
        let completed = spool.completed();
        let opened = store::open(data, &Arc::new(spool), program).map_err(|error| error.to_string())?;
        Ok((opened.report, completed))
    });
    let (report, completed) = match opened {
        Ok(opened) => opened,
        Err(problem) => return vec![Finding::wrong("data", format!("{}: {problem}", data.display()))],
    };
    let mut findings = vec![Finding::fine("data", format!("{} jobs in {}", report.jobs, data.display()))];
    if completed > 0 {
        let text = format!("{completed} new jobs that a power cut had left in pieces are whole again");
        findings.push(Finding::mended("data", text));
    }
    if let Some(aside) = &report.set_aside {
        let text = format!("the damaged one is set aside in {}, and a new one is made", aside.display());
        findings.push(Finding::mended("index", text));
    }
    for (count, what) in [
        (report.restored, "jobs that it lacked or knew wrongly are restored from their folders"),
        (report.dropped, "rows without a folder are dropped"),
        (report.requeued, "jobs that ran at the end are back in the queue"),
    ] {
        if count > 0 {
            findings.push(Finding::mended("index", format!("{count} {what}")));
        }
    }
    findings.extend(report.unreadable.iter().map(|problem| {
        Finding::wrong("data", format!("job {problem}; its folder is left as it is, for you to keep or remove"))
    }));
    findings
}

/// Reads the record of every job but those that are being forgotten; a folder that is not there holds none.
fn records(data: &Path, gone: &HashSet<JobId>) -> io::Result<Vec<(JobId, Result<Record, String>)>> {
    let entries = match fs::read_dir(data.join("spool")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut records = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if gone.contains(&id) {
            continue;
        }
        let record = fs::read(entry.path().join("job.json"))
            .map_err(|error| error.to_string())
            .and_then(|bytes| Record::from_json(&bytes).map_err(|error| error.to_string()));
        records.push((id, record));
    }
    records.sort_by_key(|(id, _)| *id);
    Ok(records)
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
