//! Forgetting in time: pictures after `keep_results`, jobs after `keep_jobs`, oldest results first when the spool
//! has outgrown `max_bytes`.

use std::time::Duration;

use jiff::Timestamp;
use protocol::{JobId, JobState, MailState, StateName};

use crate::config::Data;
use crate::dispatch::Dispatch;
use crate::record::Record;
use crate::spool::Spool;
use crate::store::{Ledger, Store, Summaries};

/// A job, and the second in which it ended.
type Ended = (JobId, i64);

/// What is to go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// Jobs to forget altogether.
    pub(crate) forget: Vec<Ended>,
    /// Jobs whose pictures go and whose record stays.
    pub(crate) expire: Vec<Ended>,
}

/// Decides what is to go.
pub(crate) fn due(jobs: &Summaries, data: &Data, now: Timestamp) -> Due {
    // What ended later than now has no age: the clock has been set back.
    let age = |ended: i64| u64::try_from(now.as_second().saturating_sub(ended)).ok();
    let older = |ended: i64, kept: Duration| age(ended).is_some_and(|age| age >= kept.as_secs());
    let mut due = Due::default();
    let mut kept_bytes = jobs.disk_bytes();
    let oldest_first = jobs.oldest_first().filter_map(|(id, job)| Some((id, job, job.finished_at?)));
    for (id, job, ended) in oldest_first {
        let too_large = data.max_bytes.is_some_and(|most| kept_bytes > most);
        // What is still to be mailed is not too old, but it may be too much.
        let is_old = |kept| job.mail != Some(MailState::Queued) && older(ended, kept);
        if is_old(data.keep_jobs) {
            due.forget.push((id, ended));
        } else if job.disk_bytes > 0 && (too_large || is_old(data.keep_results)) {
            due.expire.push((id, ended));
        } else {
            continue;
        }
        kept_bytes -= job.disk_bytes;
    }
    due
}

/// Lets go of everything whose time has come, until the daemon ends. Blocks on the disk.
pub(crate) fn sweep(store: &Store, spool: &Spool, data: &Data, ends: impl Fn() -> bool) {
    let_go(store, spool, store.summaries(|jobs| due(jobs, data, Timestamp::now())), ends);
}

/// Lets go of what is due. That takes its time where it is much; a job that has been retried meanwhile stays.
fn let_go(store: &Store, spool: &Spool, Due { forget, expire }: Due, ends: impl Fn() -> bool) {
    for (id, ended) in forget {
        if ends() {
            return;
        }
        let forgotten = store.write(move |ledger| {
            let record = unchanged(ledger, (id, ended))?;
            Some(ledger.forget(&record))
        });
        if let Ok(Some(Err(refusal))) = forgotten.durable_blocking() {
            tracing::warn!(job = %id, %refusal, "a job could not be forgotten");
        }
    }
    for (id, ended) in expire {
        if ends() {
            return;
        }
        let expired = store.write(move |ledger| {
            let mut record = unchanged(ledger, (id, ended))?;
            record.expired = true;
            Some(ledger.save(&record))
        });
        match expired.durable_blocking() {
            // The record says first that they are gone: never the other way round. A start removes what is left.
            Ok(Some(Ok(()))) => {
                if let Err(error) = spool.remove_pictures(id) {
                    tracing::warn!(job = %id, %error, "a job's pictures could not be removed");
                }
            }
            Ok(Some(Err(refusal))) => tracing::warn!(job = %id, %refusal, "a job's pictures could not be let go"),
            Ok(None) | Err(_) => {}
        }
    }
}

/// Returns a job that still has the end that it had.
fn unchanged(ledger: &mut Ledger, (id, ended): Ended) -> Option<Record> {
    ledger.record(id).filter(|record| record.job.state.finished_at().is_some_and(|at| at.as_second() == ended))
}

/// Room on the disk that must be left for one more checkpoint beside the reserve, where none shows how large they are.
const USUAL_CHECKPOINT: u64 = 4 << 20;

/// Puts jobs back into the queue that were paused because the disk was full, as far as it has room for them again.
/// Blocks on the disk.
pub(crate) fn wake_those_with_room(store: &Store, spool: &Spool, dispatch: &Dispatch, ends: impl Fn() -> bool) {
    let waiting: Vec<_> = store.summaries(|jobs| {
        let waiting = jobs.oldest_first().filter(|(_, job)| job.waits_for_room && job.state == StateName::Paused);
        waiting.map(|(id, _)| id).collect()
    });
    for id in waiting {
        let checkpoint = spool.describe_checkpoint(id).ok().flatten();
        // A new checkpoint is written beside the old one.
        let wanted = checkpoint.map_or(USUAL_CHECKPOINT, |checkpoint| 2 * checkpoint.bytes);
        if ends() || !spool.has_room_for(wanted) {
            continue;
        }
        let dispatch = dispatch.clone();
        let woken = store.write(move |ledger| {
            let mut record = ledger.record(id)?;
            if record.job.state.name() != StateName::Paused || !record.waits_for_room {
                return None;
            }
            record.has_room();
            record.job.state = JobState::Queued { steps_done: record.job.state.steps_done() };
            Some(ledger.save(&record).map(|()| dispatch.enqueue(&record)))
        });
        match woken.durable_blocking() {
            Ok(Some(Ok(()))) => tracing::info!(job = %id, "the disk has room again; the job goes on"),
            Ok(Some(Err(refusal))) => tracing::warn!(job = %id, %refusal, "a paused job could not be woken"),
            Ok(None) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use protocol::JobResult;

    use super::*;
    use crate::config::Config;
    use crate::fixtures::{self, House};

    /// A job that ended so many seconds after 1970 and takes 7 bytes for its photo and 100 for its result.
    fn ended(second: i64) -> Record {
        let mut record = fixtures::record();
        let finished_at = Timestamp::from_second(second).unwrap();
        record.job.state = JobState::Succeeded {
            started_at: finished_at,
            finished_at,
            device: "cpu".to_owned(),
            result: JobResult {
                url: String::new(),
                media_type: "image/png".to_owned(),
                width: Some(1),
                height: Some(1),
                bytes: 100,
                sha256: String::new(),
            },
        };
        record
    }

    #[test]
    fn jobs_go_in_their_time_and_the_oldest_results_first_where_the_disk_is_short() {
        let folder = tempfile::tempdir().unwrap();
        let house = House::open(folder.path());
        let [old, shown, new, waiting] = [ended(1_000), ended(2_000), ended(3_000), fixtures::record()];
        for record in [&old, &shown, &new, &waiting] {
            house.accept(record);
        }
        let mut data = Config::default().data;
        (data.keep_jobs, data.keep_results) = (Duration::from_secs(1_500), Duration::from_secs(500));
        let due = |data: &Data, second| {
            house.store.summaries(|jobs| due(jobs, data, Timestamp::from_second(second).unwrap()))
        };
        let ids = |jobs: &[&Record]| {
            let ended = |record: &&Record| (record.job.id, record.job.state.finished_at().unwrap().as_second());
            jobs.iter().map(ended).collect::<Vec<_>>()
        };
        let check = |due: Due, forget: &[&Record], expire: &[&Record]| {
            assert_eq!(due, Due { forget: ids(forget), expire: ids(expire) });
        };
        check(due(&data, 3_000), &[&old], &[&shown]);
        check(due(&data, 3_500), &[&old, &shown], &[&new]);
        check(due(&data, 1_499), &[], &[]);
        check(due(&data, 10), &[], &[]);
        let mut mailed = fixtures::record_with(None, Some("me@example.org"));
        mailed.job.state = old.job.state.clone();
        mailed.release_letter(Timestamp::now());
        house.accept(&mailed);
        check(due(&data, 3_000), &[&old], &[&shown]);
        let gone = mailed.clone();
        house.store.write(move |ledger| ledger.forget(&gone)).durable_blocking().unwrap().unwrap();
        (data.keep_jobs, data.keep_results) = (Duration::MAX, Duration::MAX);
        data.max_bytes = Some(7 + 2 * 107);
        check(due(&data, 3_000), &[], &[&old]);
        house.close();
    }

    #[test]
    fn a_job_that_is_retried_while_others_are_let_go_of_stays() {
        let folder = tempfile::tempdir().unwrap();
        let house = House::open(folder.path());
        let [retried, ended_again, gone] = [ended(1_000), ended(1_000), ended(1_000)];
        for record in [&retried, &ended_again, &gone] {
            house.accept(record);
        }
        let all = || [&retried, &ended_again, &gone].map(|record| (record.job.id, 1_000)).to_vec();
        for state in [JobState::Queued { steps_done: 0 }, ended(1_001).job.state] {
            let mut record = if state.is_finished() { ended_again.clone() } else { retried.clone() };
            record.job.state = state;
            house.store.write(move |ledger| ledger.save(&record)).durable_blocking().unwrap().unwrap();
        }
        let (is_there, is_kept) = (
            |record: &Record| house.store.record(record.job.id).unwrap().is_some_and(|record| !record.expired),
            |record: &Record| house.spool.input(record.job.id).exists(),
        );
        let_go(&house.store, &house.spool, Due { forget: all(), expire: all() }, || true);
        assert!(is_there(&gone), "a daemon that ends has no time for it");
        for due in [Due { forget: Vec::new(), expire: all() }, Due { forget: all(), expire: Vec::new() }] {
            let_go(&house.store, &house.spool, due, || false);
            assert_eq!([&retried, &ended_again, &gone].map(is_there), [true, true, false]);
            assert_eq!([&retried, &ended_again, &gone].map(is_kept), [true, true, false]);
        }
        assert_eq!(house.store.record(gone.job.id).unwrap(), None);
        house.close();
    }
}
