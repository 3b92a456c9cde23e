//! Server-sent events from outside.

use std::sync::Arc;

use daemon::feed::Shown;
use protocol::{EventBody, JobId};
use reqwest::Method;
use serde_json::Value;
use tests::{Act, Door, House, problem, puppet};

/// One event as it came: its number, its name, its content.
type Seen = (u64, String, Value);

fn parse(text: &str) -> Vec<Seen> {
    let field = |event: &str, name: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches(':').trim_start().to_owned()
    };
    text.split("\n\n")
        .filter(|event| event.lines().any(|line| line.starts_with("id:")))
        .map(|event| {
            let content = serde_json::from_str(&field(event, "data")).unwrap();
            (field(event, "id").parse().unwrap(), field(event, "event"), content)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jobs_stream_begins_with_a_snapshot_and_closes_after_its_end() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let job = house.submit_one().await.id;
    puppet.begun();
    let stream = door.get(&format!("/v1/jobs/{job}/events")).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(stream.headers()["cache-control"], "no-cache");
    puppet.act(Act::Finish);
    let seen = parse(&stream.text().await.unwrap());
    let names: Vec<_> = seen.iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!((names[0], names[names.len() - 1]), ("snapshot", "end"), "{names:?}");
    assert_eq!(seen[0].2["jobs"][0]["state"], "running");
    assert!(seen.iter().any(|(_, name, job)| name == "state" && job["state"] == "succeeded"), "{names:?}");
    assert!(seen.is_sorted_by_key(|(number, ..)| *number), "numbers only grow");
    assert_eq!(seen[seen.len() - 1].2["job"], job.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_gets_what_was_missed() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let job = house.submit_one().await.id;
    puppet.begun();
    puppet.act(Act::Finish);
    house.finished(job).await;
    let path = format!("/v1/jobs/{job}/events");
    // A number before the job: everything about it comes, and no snapshot.
    let all = parse(&door.get(&format!("{path}?after=0")).await.text().await.unwrap());
    assert!(all.iter().all(|(_, name, _)| name != "snapshot"), "{all:?}");
    let (middle, ..) = all[0];
    let resume = door.request(Method::GET, &format!("{path}?after=0")).header("last-event-id", middle);
    let rest = parse(&resume.send().await.unwrap().text().await.unwrap());
    assert_eq!(rest, all[1..], "the header goes before the query");
    for bad in ["?after=x", "?after=-1", "?before=1"] {
        problem(door.get(&format!("{path}{bad}")).await, 422, "invalid_field").await;
    }
    let bad = door.request(Method::GET, &path).header("last-event-id", "x").send().await.unwrap();
    problem(bad, 422, "invalid_field").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_watchers_is_told_the_newest_of_a_long_queue_by_one_snapshot() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let running = house.submit_one().await.id;
    puppet.begun();
    let mut jobs = vec![running];
    for _ in 0..201 {
        jobs.push(house.submit_one().await.id);
    }
    let snapshot = async || house.intake().watch(None, None).unwrap().next().await.unwrap();
    let (first, second) = tokio::join!(snapshot(), snapshot());
    assert!(Arc::ptr_eq(&first, &second));
    let told = |shown: &Shown| {
        let EventBody::Snapshot(snapshot) = &shown.body else { panic!("{shown:?}") };
        snapshot.jobs.iter().map(|job| job.id).collect::<Vec<_>>()
    };
    let newest = |jobs: &[JobId]| jobs[jobs.len() - 200..].iter().rev().chain([&running]).copied().collect::<Vec<_>>();
    assert_eq!(told(&first), newest(&jobs));
    jobs.push(house.submit_one().await.id);
    assert_eq!(told(&*snapshot().await), newest(&jobs), "who comes later is told what has happened since");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_the_door_closes() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let mut stream = door.get("/v1/events").await;
    let first = stream.chunk().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("event: snapshot"));
    door.close().await;
    while stream.chunk().await.unwrap().is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_a_job_that_is_not_there_is_refused() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    problem(door.get("/v1/jobs/00000000/events").await, 404, "job_not_found").await;
}
