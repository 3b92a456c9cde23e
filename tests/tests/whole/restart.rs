//! A start with ten thousand jobs in the store.

use std::fs;
use std::time::Instant;

use protocol::JobId;
use serde_json::Value;
use tests::disk::{Cut, Platter};

use crate::crash::Atelierd;
use crate::recorded_life::{DATA, recorded};

/// How many jobs there are.
const JOBS: usize = 10_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it says how long a start takes, which only an idle machine can; just restart-10000"]
async fn a_start_with_ten_thousand_jobs_takes_two_seconds_at_most() {
    let Some(life) = recorded().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut platter = Platter::empty();
    life.calls.iter().for_each(|call| platter.apply(call));
    platter.leave(Cut::Nothing, folder.path());
    let spool = folder.path().join(DATA).join("spool");
    let (id, key) = life.keys.iter().find(|(_, key)| *key == "second").unwrap();
    let original = spool.join(id.to_string());
    let record = fs::read_to_string(original.join("job.json")).unwrap();
    for number in 0..JOBS {
        let copy = JobId::new().to_string();
        let place = spool.join(&copy);
        fs::create_dir(&place).unwrap();
        let record = record.replace(&id.to_string(), &copy).replace(key, &format!("key {number}"));
        fs::write(place.join("job.json"), record).unwrap();
        for file in ["input", "result"] {
            fs::hard_link(original.join(file), place.join(file)).unwrap();
        }
    }
    // The first start makes their rows.
    drop(Atelierd::start(folder.path()));
    let began = Instant::now();
    let daemon = Atelierd::start(folder.path());
    let took = began.elapsed();
    let page: Value = reqwest::get(format!("{}/v1/jobs?limit=1000", daemon.url)).await.unwrap().json().await.unwrap();
    assert_eq!(page["jobs"].as_array().unwrap().len(), 1000);
    eprintln!("a start with {JOBS} jobs took {took:?}");
    assert!(took.as_secs() < 2, "a start with {JOBS} jobs took {took:?}");
}
