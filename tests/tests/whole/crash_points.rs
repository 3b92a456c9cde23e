//! The real program, killed before and after each thing that it does to its disk, one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use protocol::JobId;
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tests::disk::{Call, Disk, Fate, Rule, What};
use tests::{Chance, picture};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::crash::Atelierd;

/// How many of the points the default test steps on; `ATELIER_CRASH_POINTS` asks for more.
const POINTS: usize = 12;

/// How long anything may take before it counts as never.
const LONG: Duration = Duration::from_secs(240);

/// A moment in which the program is killed: around the nth call of a kind on files of a kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    operation: char,
    pattern: String,
    nth: usize,
}

/// Names every point of a life.
fn points(calls: &[Call]) -> BTreeSet<Point> {
    let mut seen = BTreeMap::new();
    let points = calls.iter().filter_map(|call| {
        let (operation, path) = match &call.what {
            What::Create => ('c', &call.path),
            What::Write(..) => ('w', &call.path),
            What::Truncate(_) => ('t', &call.path),
            What::Sync => ('s', &call.path),
            What::SyncAll => ('e', &call.path),
            What::Flush => ('f', &call.path),
            What::Rename(to) => ('r', to),
            What::MakeFolder => ('m', &call.path),
            What::Remove => ('d', &call.path),
            What::Said(_) => return None,
        };
        let pattern = pattern(path);
        let nth = seen.entry((operation, pattern.clone())).or_insert(0);
        *nth += 1;
        Some(Point { operation, pattern, nth: *nth })
    });
    points.collect()
}

/// Writes a path as a pattern that fits in every life.
fn pattern(path: &Path) -> String {
    let parts = path.iter().map(|part| {
        let part = part.to_string_lossy();
        let (id, rest) = part.split_at_checked(36).unwrap_or((&part, ""));
        match (id.parse::<JobId>(), part.starts_with("draft-"), part.starts_with(".links.key")) {
            (Ok(_), ..) => format!("????????-????-????-????-????????????{rest}"),
            (_, true, _) => "draft-*".to_owned(),
            (.., true) => ".links.key.*".to_owned(),
            _ => part.into_owned(),
        }
    });
    format!("*/home/{}", parts.collect::<Vec<_>>().join("/"))
}

/// A place for one life after another; the styles stay.
struct Place<'a> {
    folder: &'a Path,
    styles: &'a Path,
}

impl Place<'_> {
    fn start(&self, disk: &Disk) -> Option<Atelierd> {
        Atelierd::try_start(self.folder, |command| {
            let home = self.folder.join("home");
            std::fs::create_dir_all(&home).unwrap();
            command.env("ATELIER_DATA__DIR", home.join("data")).env("ATELIER_MODELS__DIR", self.styles);
            disk.put_under(command, &home);
        })
    }
}

/// Sends the one photo, always under the same key; returns the job's id when it is accepted.
async fn submit(daemon: &Atelierd) -> Option<String> {
    let request = Client::new().post(format!("{}/v1/stylize?style=great-wave", daemon.url));
    let request = request.header("content-type", "image/png").header("idempotency-key", "the one");
    let answer = request.body(picture(48, 32)).send().await.ok()?;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    Some(answer.json::<Value>().await.ok()?["id"].as_str().unwrap().to_owned())
}

/// Waits until the one job has succeeded and returns its result; nothing when the daemon dies before.
async fn result(daemon: &Atelierd, job: &str) -> Option<Vec<u8>> {
    let deadline = Instant::now() + LONG;
    let mut looks = interval(Duration::from_millis(10));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let now: Value = reqwest::get(format!("{}/v1/jobs/{job}", daemon.url)).await.ok()?.json().await.ok()?;
        match now["state"].as_str().unwrap() {
            "succeeded" => break,
            "queued" | "running" => assert!(Instant::now() < deadline, "it does not end: {now}"),
            _ => panic!("it does not succeed: {now}"),
        }
    }
    let answer = reqwest::get(format!("{}/v1/jobs/{job}/result", daemon.url)).await.ok()?;
    Some(answer.bytes().await.ok()?.to_vec())
}

/// Lives until killed at a point, then lives again; the job is there once, with the same result.
async fn survives(disk: &mut Disk, styles: &Path, point: &Point, fate: Fate, expected: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let place = Place { folder: folder.path(), styles };
    let operations = point.operation.to_string();
    disk.rule(&Rule { fate, nth: point.nth, operations: &operations, pattern: &point.pattern });
    let mut acknowledged = None;
    if let Some(daemon) = place.start(disk) {
        acknowledged = submit(&daemon).await;
        if let Some(job) = &acknowledged {
            result(&daemon, job).await;
        }
        daemon.end();
    }
    disk.mend();
    let daemon = place.start(disk).unwrap_or_else(|| panic!("{fate:?} {point:?}: it does not start again"));
    let shown = format!("{fate:?} {point:?}");
    if let Some(job) = &acknowledged {
        assert_eq!(result(&daemon, job).await.expect(&shown), expected, "{shown}");
    }
    let again = submit(&daemon).await.expect(&shown);
    assert!(acknowledged.is_none_or(|job| job == again), "{shown}: another job for the same key");
    assert_eq!(result(&daemon, &again).await.expect(&shown), expected, "{shown}");
    let all: Value = reqwest::get(format!("{}/v1/jobs", daemon.url)).await.unwrap().json().await.unwrap();
    assert_eq!(all["jobs"].as_array().unwrap().len(), 1, "{shown}: {all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_before_or_after_anything_that_is_written_loses_nothing_and_does_nothing_twice() {
    let Some(mut disk) = Disk::open() else { return };
    let folder = tempfile::tempdir().unwrap();
    let styles = folder.path().join("styles");
    let place = Place { folder: folder.path(), styles: &styles };
    let daemon = place.start(&disk).unwrap();
    let expected = result(&daemon, &submit(&daemon).await.unwrap()).await.unwrap();
    daemon.end();
    let points = points(&disk.calls(&folder.path().join("home")));
    let wanted = std::env::var("ATELIER_CRASH_POINTS").map_or(POINTS, |text| text.parse().unwrap());
    let mut cases: Vec<_> =
        points.iter().flat_map(|point| [Fate::KillBefore, Fate::KillAfter].map(|fate| (point, fate))).collect();
    let (mut chance, count) = (Chance(5), cases.len());
    while cases.len() > wanted {
        cases.swap_remove(chance.below(cases.len() as u64) as usize);
    }
    eprintln!("{} of {count} crash points", cases.len());
    for (point, fate) in cases {
        survives(&mut disk, &styles, point, fate, &expected).await;
    }
}
