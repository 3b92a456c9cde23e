#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
use std::fs;

use super::*;
use crate::fixtures::{self, House};

fn config(data: &Path) -> Config {
    let mut config = Config::default();
    config.data.dir = data.to_owned();
    config
}

/// A data folder with two jobs in it that no daemon runs on: the first has been begun once, the second is new.
fn left_behind(data: &Path) -> [protocol::JobId; 2] {
    let house = House::open(data);
    let [mut begun, new] = [fixtures::record(), fixtures::record()];
    house.accept(&begun);
    house.accept(&new);
    begun.job.attempt = 1;
    let ids = [begun.job.id, new.job.id];
    house.store.write(move |ledger| ledger.save(&begun)).durable_blocking().unwrap().unwrap();
    house.close();
    ids
}

fn look(data: &Path, repair: Repair) -> Vec<(Verdict, String)> {
    let findings = store::check(&config(data), &store::claim(data), repair, None);
    findings.into_iter().map(|finding| (finding.verdict, finding.text)).collect()
}

#[test]
fn a_sound_data_folder_is_fine_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    left_behind(folder.path());
    for repair in [Repair::No, Repair::Yes] {
        let findings = look(folder.path(), repair);
        assert!(findings.iter().all(|(verdict, _)| *verdict == Verdict::Fine), "{findings:?}");
        assert!(findings[0].1.starts_with("2 jobs in "), "{findings:?}");
    }
}

#[test]
fn a_damaged_index_is_named_and_then_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    left_behind(folder.path());
    let index = folder.path().join("index");
    fs::write(index.join("db"), "no index").unwrap();
    let before = fs::read(index.join("db")).unwrap();
    let findings = look(folder.path(), Repair::No);
    let lost = "it lacks 1 of 2 jobs; the next start, or --repair, restores them from their folders";
    assert_eq!(findings[1], (Verdict::Wrong, lost.to_owned()), "{findings:?}");
    let new = "1 new jobs are not in it yet; the next start adds them";
    assert_eq!(findings[2], (Verdict::Fine, new.to_owned()), "{findings:?}");
    assert_eq!(fs::read(index.join("db")).unwrap(), before, "looking changes nothing");

    let findings = look(folder.path(), Repair::Yes);
    assert!(findings.iter().any(|(verdict, _)| *verdict == Verdict::Mended), "{findings:?}");
    assert!(findings.iter().all(|(verdict, _)| *verdict != Verdict::Wrong), "{findings:?}");
    let findings = look(folder.path(), Repair::No);
    assert!(findings.iter().all(|(verdict, _)| *verdict == Verdict::Fine), "{findings:?}");
}

#[test]
fn a_damaged_record_is_named_and_written_anew_from_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let [first, _] = left_behind(folder.path());
    let record = folder.path().join(format!("spool/{first}/job.json"));
    fs::write(&record, "{").unwrap();
    let findings = look(folder.path(), Repair::No);
    assert!(findings.iter().any(|(verdict, text)| *verdict == Verdict::Wrong && text.contains(&first.to_string())));
    look(folder.path(), Repair::Yes);
    let findings = look(folder.path(), Repair::No);
    assert!(findings.iter().all(|(verdict, _)| *verdict == Verdict::Fine), "{findings:?}");
}

#[test]
fn a_new_job_that_a_power_cut_left_in_pieces_is_made_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (house, record) = (House::open(folder.path()), fixtures::record());
    house.accept(&record);
    house.crash();
    fs::write(folder.path().join(format!("spool/{}/job.json", record.job.id)), "").unwrap();
    let findings = look(folder.path(), Repair::No);
    assert!(findings.iter().any(|(_, text)| text.starts_with("1 jobs in the journal of arrivals")), "{findings:?}");
    assert!(findings.iter().all(|(verdict, _)| *verdict == Verdict::Fine), "{findings:?}");
    let findings = look(folder.path(), Repair::Yes);
    let whole = |(verdict, text): &(_, String)| *verdict == Verdict::Mended && text.contains("are whole again");
    assert!(findings.iter().any(whole), "{findings:?}");
    assert_eq!(look(folder.path(), Repair::No)[0].1, format!("1 jobs in {}", folder.path().display()));
}

#[test]
fn a_job_whose_removal_a_crash_has_cut_short_is_not_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (house, record) = (House::open(folder.path()), fixtures::record());
    house.accept(&record);
    let removed = record.clone();
    house.store.write(move |ledger| ledger.forget(&removed)).durable_blocking().unwrap().unwrap();
    // The journal says that it is gone; its folder is still there.
    let left = house.spool.folder(record.job.id);
    house.crash();
    fs::create_dir(&left).unwrap();
    fs::write(left.join("job.json"), record.to_json()).unwrap();
    for repair in [Repair::No, Repair::Yes] {
        let findings = look(folder.path(), repair);
        assert_eq!(findings[0], (Verdict::Fine, format!("0 jobs in {}", folder.path().display())));
        assert!(findings.iter().all(|(verdict, _)| *verdict == Verdict::Fine), "{findings:?}");
    }
    assert!(!left.exists());
}

#[test]
fn a_damaged_checkpoint_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let [first, _] = left_behind(folder.path());
    let checkpoint = crate::spool::Checkpoint { step: 50, curve: Vec::new(), state: vec![1] };
    let path = folder.path().join(format!("spool/{first}/checkpoint"));
    fs::write(&path, checkpoint.to_bytes()).unwrap();
    assert!(look(folder.path(), Repair::No).iter().all(|(verdict, _)| *verdict == Verdict::Fine));
    fs::write(&path, "half of one").unwrap();
    let findings = look(folder.path(), Repair::No);
    assert!(findings.iter().any(|(verdict, text)| *verdict == Verdict::Wrong && text.contains("begins anew")));
}

#[test]
fn a_running_daemons_folder_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    left_behind(folder.path());
    let running = store::claim(folder.path());
    assert!(matches!(running, store::Claim::Ours(_)));
    let findings = look(folder.path(), Repair::Yes);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].1.ends_with("in the hands of a running atelierd"), "{findings:?}");
    drop(running);
    assert_eq!(look(&folder.path().join("nowhere"), Repair::No)[0].0, Verdict::Fine);
}

#[test]
fn an_impossible_device_and_a_mail_folder_that_takes_nothing_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.devices = vec!["cuda:77".to_owned()];
    assert_eq!(devices(&config, &Origins::default()).verdict, Verdict::Wrong);
    assert_eq!(mail(&config).verdict, Verdict::Fine);
    fs::write(folder.path().join("outbox"), "in the way").unwrap();
    assert_eq!(mail(&config).verdict, Verdict::Wrong);
}
