//! Forgetting in time: pictures after `keep_results`, jobs after `keep_jobs`, oldest results first when the spool
//! has outgrown `max_bytes`.

use jiff::Timestamp;
use protocol::JobId;

use crate::config::Data;
use crate::spool::Spool;
use crate::store::{Store, Summaries};

/// What is to go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// Jobs to forget altogether.
    pub(crate) forget: Vec<JobId>,
    /// Jobs whose pictures go and whose record stays.
    pub(crate) expire: Vec<JobId>,
}

/// Decides what is to go.
pub(crate) fn due(jobs: &Summaries, data: &Data, now: Timestamp) -> Due {
    let older = |ended: i64, kept: std::time::Duration| now.as_second().saturating_sub(ended) as u64 >= kept.as_secs();
    let mut due = Due::default();
    let mut kept_bytes = jobs.disk_bytes();
    let oldest_first = jobs.oldest_first().filter_map(|(id, job)| Some((id, job, job.finished_at?)));
    for (id, job, ended) in oldest_first {
        let too_large = data.max_bytes.is_some_and(|most| kept_bytes > most);
        if older(ended, data.keep_jobs) {
            due.forget.push(id);
        } else if job.disk_bytes > 0 && (too_large || older(ended, data.keep_results)) {
            due.expire.push(id);
        } else {
            continue;
        }
        kept_bytes -= job.disk_bytes;
    }
    due
}

/// Lets go of everything whose time has come. Blocks on the disk.
pub(crate) fn sweep(store: &Store, spool: &Spool, data: &Data) {
    let Due { forget, expire } = store.summaries(|jobs| due(jobs, data, Timestamp::now()));
    for id in forget {
        let forgotten = store.write(move |ledger| ledger.record(id).map(|record| ledger.forget(&record)));
        if let Ok(Some(Err(refusal))) = forgotten.durable_blocking() {
            tracing::warn!(job = %id, %refusal, "a job could not be forgotten");
        }
    }
    for id in expire {
        let expired = store.write(move |ledger| {
            let mut record = ledger.record(id)?;
            record.expired = true;
            Some(ledger.save(&record))
        });
        // The record says first that they are gone: never the other way round.
        if matches!(expired.durable_blocking(), Ok(Some(Ok(()))))
            && let Err(error) = spool.remove_pictures(id)
        {
            tracing::warn!(job = %id, %error, "a job's pictures could not be removed");
        }
    }
}
