//! Data folders of earlier versions: one a version, made by its real daemon, that every later one has to open.

use std::fs;
use std::path::Path;
use std::time::Duration;

use protocol::{JobId, StateName};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::crash::Atelierd;
use crate::reopened::Reopened;

/// Records of version 2: a mailed photo, a training that is paused at a checkpoint, a photo, a cancelled photo.
const JOBS: [(&str, StateName); 4] = [
    ("01a20f21-8b5f-762d-80e4-eaed76ae138c", StateName::Succeeded),
    (TRAINING, StateName::Paused),
    ("01a20f21-a17d-70df-bf2c-f0cf040e61fa", StateName::Succeeded),
    ("01a20f21-a181-711b-b3cb-10b405589b1e", StateName::Cancelled),
];
const TORN: &str = "01a22c1c-de0a-70e6-95b7-d0d76b7bbe64";
const LOST: &str = "01a22c1c-de17-70cc-b93b-29fa1ca71a5a";
const TRAINING: &str = "01a20f21-8bdd-747d-a0ff-f4e2315d1601";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn golden(name: &str, data: &Path) {
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name), data);
}

#[test]
fn a_store_of_the_second_version_opens_as_it_was_left() {
    let folder = tempfile::tempdir().unwrap();
    golden("store-2", folder.path());
    let house = Reopened::open(folder.path()).unwrap();
    assert_eq!(house.report, daemon::store::Report { jobs: JOBS.len(), ..Default::default() });
    for (id, state) in JOBS {
        let id: JobId = id.parse().unwrap();
        house.is_whole(id).unwrap();
        assert_eq!(house.store.record(id).unwrap().unwrap().job.state.name(), state);
    }
    let [photo, training, ..] = JOBS.map(|(id, _)| id.parse::<JobId>().unwrap());
    let caller = house.store.record(photo).unwrap().unwrap().origin.caller;
    for (key, id) in [("photo", photo), ("training", training)] {
        assert_eq!(house.store.job_of_key(&caller, key).unwrap(), Some(id));
    }
    assert_eq!(house.spool.checkpoint(training).unwrap().unwrap().step, 5);
    // Its record says nothing of steps; the checkpoint does.
    let job = house.store.record(training).unwrap().unwrap().job;
    assert_eq!(job.progress().map(|progress| progress.done), Some(5));
    house.close();
}

/// What a power cut left of three photos that had just arrived, and of one that was forgotten by then: the journal, and
/// one folder, in pieces.
#[test]
fn a_journal_of_arrivals_of_the_second_version_makes_its_jobs_whole() {
    let folder = tempfile::tempdir().unwrap();
    golden("store-2-cut", folder.path());
    let house = Reopened::open(folder.path()).unwrap();
    assert_eq!((house.spool.completed(), house.report.restored), (3, 3));
    let ids = ["01a22c1c-ddf2-7153-9c9d-181c4df29369", TORN, LOST].map(|id| id.parse::<JobId>().unwrap());
    assert_eq!(house.spool.list().unwrap(), ids);
    for id in ids {
        house.is_whole(id).unwrap();
        assert_eq!(house.store.record(id).unwrap().unwrap().job.state.name(), StateName::Queued);
    }
    let caller = house.store.record(ids[0]).unwrap().unwrap().origin.caller;
    for (key, id) in [("torn", TORN), ("lost", LOST)] {
        assert_eq!(house.store.job_of_key(&caller, key).unwrap(), Some(id.parse().unwrap()));
    }
    house.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_of_the_second_version_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    golden("store-2", &folder.path().join("data"));
    let daemon = Atelierd::start(folder.path());
    let url = format!("{}/v1/jobs/{TRAINING}", daemon.url);
    let resumed = Client::new().post(format!("{url}/resume")).send().await.unwrap();
    assert_eq!(resumed.status(), StatusCode::OK);
    let deadline = Instant::now() + Duration::from_secs(240);
    let mut looks = interval(Duration::from_millis(50));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let job: Value = reqwest::get(&url).await.unwrap().json().await.unwrap();
        assert_eq!(job["warnings"].as_array().unwrap().len(), 0, "{job}");
        let losses: Value = reqwest::get(format!("{url}/losses")).await.unwrap().json().await.unwrap();
        let points = losses["points"].as_array().unwrap();
        assert!(points.len() >= 5, "what it had learned is gone: {job}");
        if points.len() > 7 {
            break;
        }
        assert!(Instant::now() < deadline, "it does not go on: {job}");
    }
}
