#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;

use jiff::Timestamp;
use protocol::{ErrorCode, EventBody, JobState, MailState, Parameters, Progress, StateName, TrainOrder};

use crate::fixtures::{House, record, record_with};
use crate::record::Record;
use crate::spool::Checkpoint;

fn all(house: &House) -> Vec<Record> {
    let ids = house.store.summaries(|jobs| jobs.oldest_first().map(|(id, _)| id).collect::<Vec<_>>());
    ids.into_iter().map(|id| house.store.record(id).unwrap().unwrap()).collect()
}

#[test]
fn jobs_survive_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let house = House::open(data.path());
    let records = [record(), record_with(Some("key"), Some("me@example.org"))];
    for record in &records {
        house.accept(record);
    }
    house.close();
    let house = House::open(data.path());
    assert_eq!(all(&house), records);
    assert_eq!((house.report.restored, house.report.dropped, house.report.set_aside.is_some()), (0, 0, false));
    house.close();
}

#[test]
fn a_lost_index_is_rebuilt_from_the_spool_with_its_idempotency_keys() {
    let data = tempfile::tempdir().unwrap();
    let house = House::open(data.path());
    let records = [record_with(Some("key"), None), record()];
    for record in &records {
        house.accept(record);
    }
    house.close();
    fs::remove_dir_all(data.path().join("index")).unwrap();
    let house = House::open(data.path());
    assert_eq!(all(&house), records);
    assert_eq!(house.report.restored, 2);
    assert_eq!(house.store.job_of_key("tester", "key").unwrap(), Some(records[0].job.id));
    house.close();
}

#[test]
fn a_spool_of_the_first_version_opens() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("spool/01890a5d-ac96-774b-bcce-b302099a8057");
    fs::create_dir_all(&folder).unwrap();
    let golden = include_bytes!("../../tests/data/record-1.json");
    fs::write(folder.join("job.json"), golden).unwrap();
    fs::write(folder.join("input"), b"a photo").unwrap();
    let house = House::open(data.path());
    assert_eq!(house.report.restored, 1);
    assert_eq!(all(&house), [Record::from_json(golden).unwrap()]);
    assert_eq!(house.store.job_of_key("local", "once").unwrap(), Some(all(&house)[0].job.id));
    house.close();
}

/// Damages sled's file in one way and checks that every job whose folder is whole is back.
fn survives_damage(damage: impl Fn(&mut Vec<u8>)) {
    let data = tempfile::tempdir().unwrap();
    let house = House::open(data.path());
    let records: Vec<_> = (0..20).map(|n| record_with(Some(&n.to_string()), None)).collect();
    for record in &records {
        house.accept(record);
    }
    house.close();
    let file = data.path().join("index/db");
    let mut bytes = fs::read(&file).unwrap();
    damage(&mut bytes);
    fs::write(&file, bytes).unwrap();
    let house = House::open(data.path());
    assert_eq!(all(&house), records);
    house.close();
}

#[test]
fn an_emptied_index_loses_nothing() {
    survives_damage(Vec::clear);
}

#[test]
fn a_torn_index_loses_nothing() {
    survives_damage(|bytes| bytes.truncate(bytes.len() / 2));
}

#[test]
fn an_index_of_noise_loses_nothing() {
    survives_damage(|bytes| bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= (at % 251) as u8));
}

#[test]
fn a_row_without_a_folder_is_dropped() {
    let data = tempfile::tempdir().unwrap();
    let house = House::open(data.path());
    let (kept, lost) = (record(), record_with(Some("key"), None));
    house.accept(&kept);
    house.accept(&lost);
    let folder = house.spool.folder(lost.job.id);
    house.close();
    fs::remove_dir_all(folder).unwrap();
    let house = House::open(data.path());
    assert_eq!(all(&house), [kept]);
    assert_eq!(house.report.dropped, 1);
    assert_eq!(house.store.job_of_key("tester", "key").unwrap(), None);
    house.close();
}

#[test]
fn where_spool_and_index_differ_the_spool_wins() {
    let data = tempfile::tempdir().unwrap();
    let house = House::open(data.path());
    let waiting = JobState::Queued { steps_done: 0 };
    // What the index knows, and what the spool does: a pause, an end, and a retry of a job that had ended.
    let cancelled = JobState::Cancelled { started_at: None, finished_at: Timestamp::now(), device: None };
    let running = JobState::Running {
        started_at: Timestamp::now(),
        device: "cpu".to_owned(),
        progress: Progress::of_steps(0, 400),
    };
    let cases = [
        (waiting.clone(), JobState::Paused { steps_done: 0 }),
        (running, cancelled.clone()),
        (cancelled, waiting.clone()),
    ];
    let records = cases.map(|(before, after)| {
        let mut record = record();
        house.accept(&record);
        record.job.state = before;
        let row = record.clone();
        house.store.write(move |ledger| ledger.put(&row)).durable_blocking().unwrap();
        record.job.state = after;
        // As a power cut leaves it that comes after the spool's write and before the index's, or takes the index back.
        house.spool.update(&record).unwrap();
        record
    });
    house.close();
    let house = House::open(data.path());
    assert_eq!(all(&house), records);
    house.close();
}

#[test]
fn a_job_that_ran_when_the_daemon_crashed_waits_again_and_is_given_up_in_the_end() {
    let data = tempfile::tempdir().unwrap();
    let house = House::open(data.path());
    let id = record().job.id;
    let mut first = record_with(None, Some("me@example.org"));
    first.job.id = id;
    house.accept(&first);
    house.close();
    for crash in 1..=21 {
        let house = House::open(data.path());
        let running = house.store.write(move |ledger| {
            let mut record = ledger.record(id).unwrap();
            assert_eq!(record.job.state.name(), StateName::Queued, "before crash {crash}");
            record.job.attempt += 1;
            let progress =
                protocol::Progress { done: 0, total: 100, unit: protocol::job::ProgressUnit::Percent, rate: None };
            let started_at = jiff::Timestamp::now();
            record.job.state = JobState::Running { started_at, device: "cpu".to_owned(), progress };
            ledger.put(&record);
        });
        running.durable_blocking().unwrap();
        house.close();
    }
    let house = House::open(data.path());
    let record = house.store.record(id).unwrap().unwrap();
    assert_eq!((record.job.state.name(), record.job.attempt), (StateName::Failed, 21));
    assert_eq!(record.job.state.device(), Some("cpu"));
    assert_eq!(record.letter.map(|letter| letter.state), Some(MailState::Queued), "whoever waits for it is told");
    house.close();
}

#[test]
fn after_a_crash_a_training_shows_the_steps_that_its_checkpoint_holds() {
    let data = tempfile::tempdir().unwrap();
    let house = House::open(data.path());
    let order = TrainOrder::new("my-wave".parse().unwrap());
    let parameters = Parameters::Train(order.fill().unwrap());
    let [mut paused, mut running] = [record(), record()];
    for record in [&mut paused, &mut running] {
        record.job.parameters = parameters.clone();
    }
    paused.job.state = JobState::Paused { steps_done: 100 };
    house.accept(&paused);
    house.accept(&running);
    // The last checkpoint of each comes after what its record says.
    for (record, step) in [(&paused, 150), (&running, 50)] {
        let checkpoint = Checkpoint { step, curve: Vec::new(), state: Vec::new() };
        house.spool.put_checkpoint(record.job.id, &checkpoint).unwrap();
    }
    let (started_at, device, progress) = (jiff::Timestamp::now(), "cpu".to_owned(), Progress::of_steps(0, 400));
    running.job.state = JobState::Running { started_at, device, progress };
    house.store.write(move |ledger| ledger.put(&running)).durable_blocking().unwrap();
    house.close();
    for _ in 0..2 {
        let house = House::open(data.path());
        let states: Vec<_> = all(&house).into_iter().map(|record| record.job.state).collect();
        assert_eq!(states, [JobState::Paused { steps_done: 150 }, JobState::Queued { steps_done: 50 }]);
        assert_eq!(house.report.restored, 0);
        house.close();
    }
}

#[test]
fn a_damaged_record_is_written_anew_from_the_index() {
    let data = tempfile::tempdir().unwrap();
    let house = House::open(data.path());
    let record = record();
    house.accept(&record);
    let file = house.spool.folder(record.job.id).join("job.json");
    house.close();
    fs::write(&file, "{").unwrap();
    let house = House::open(data.path());
    assert_eq!(all(&house), std::slice::from_ref(&record));
    assert_eq!(house.spool.read(record.job.id).unwrap(), record);
    house.close();
}

#[test]
fn a_job_that_ran_when_its_record_was_damaged_waits_again() {
    let data = tempfile::tempdir().unwrap();
    let house = House::open(data.path());
    let waiting = record();
    house.accept(&waiting);
    let mut running = waiting.clone();
    let (started_at, device, progress) = (Timestamp::now(), "cpu".to_owned(), Progress::of_steps(0, 400));
    running.job.state = JobState::Running { started_at, device, progress };
    house.store.write(move |ledger| ledger.put(&running)).durable_blocking().unwrap();
    let file = house.spool.folder(waiting.job.id).join("job.json");
    house.close();
    fs::write(&file, "{").unwrap();
    let house = House::open(data.path());
    assert_eq!(house.store.record(waiting.job.id).unwrap().unwrap().job.state, waiting.job.state);
    house.close();
}

#[test]
fn a_job_whose_folder_somebody_took_away_holds_up_no_other() {
    let data = tempfile::tempdir().unwrap();
    let house = House::open(data.path());
    let [lost, kept] = [record(), record()];
    for record in [&lost, &kept] {
        house.accept(record);
    }
    fs::remove_dir_all(house.spool.folder(lost.job.id)).unwrap();
    for (mut record, code) in [(lost, Some(ErrorCode::StorageFailed)), (kept, None)] {
        record.job.note = Some("changed".to_owned());
        let saved = house.store.write(move |ledger| ledger.save(&record)).durable_blocking().unwrap();
        assert_eq!(saved.err().map(|refusal| refusal.code), code);
    }
    assert!(!house.store.has_failed());
    house.close();
}

#[test]
fn pictures_that_an_end_left_behind_go_at_the_next_start() {
    let data = tempfile::tempdir().unwrap();
    let house = House::open(data.path());
    let mut expired = record();
    house.accept(&expired);
    expired.job.state = JobState::Cancelled { started_at: None, finished_at: Timestamp::now(), device: None };
    expired.expired = true;
    let (id, saved) = (expired.job.id, expired.clone());
    house.store.write(move |ledger| ledger.save(&saved)).durable_blocking().unwrap().unwrap();
    house.close();
    let house = House::open(data.path());
    assert!(!house.spool.input(id).exists());
    assert_eq!(all(&house), [expired]);
    house.close();
}

#[test]
fn state_events_are_kept_over_a_restart_and_numbers_go_on() {
    let data = tempfile::tempdir().unwrap();
    let house = House::open(data.path());
    let first = record();
    house.accept(&first);
    let seen = house.store.feed().latest();
    let second = record();
    house.accept(&second);
    house.close();
    let house = House::open(data.path());
    let (events, _) = house.store.feed().after(seen, None).unwrap();
    assert!(matches!(&events[..], [event] if matches!(&event.body, EventBody::State(job) if job.id == second.job.id)));
    let third = record();
    house.accept(&third);
    assert!(house.store.feed().latest() > events[0].sequence);
    house.close();
}

#[test]
fn a_writing_thread_that_panics_is_a_store_that_has_failed() {
    let data = tempfile::tempdir().unwrap();
    let house = House::open(data.path());
    let store = house.store.clone();
    assert!(store.write(|_| -> () { panic!("as sled does") }).durable_blocking().is_err());
    house.crash();
    assert!(store.has_failed());
}
