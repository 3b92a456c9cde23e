//! The real program, killed without warning while it works: what it has acknowledged is there and ends.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tests::picture;
use tokio::sync::Notify;
use tokio::time::{Instant, interval, timeout};

/// How many times the default test kills the daemon; `ATELIER_KILLS` asks for more.
const KILLS: u64 = 5;

/// A running `atelierd` of its own process, killed when dropped.
pub(crate) struct Atelierd {
    child: Child,
    pub(crate) url: String,
}

impl Atelierd {
    /// Starts it on a folder and waits for its start-up block.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, |_| {})
    }

    /// Starts it with other settings.
    pub(crate) fn start_with(folder: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_atelierd-under-test"));
        command
            .env("ATELIER_SERVER__LISTEN", "127.0.0.1:0")
            .env("ATELIER_DATA__DIR", folder.join("data"))
            .env("ATELIER_LOG__LEVEL", "warn")
            .current_dir(folder)
            .stdout(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find_map(|line| line.split_once("http://").map(|(_, address)| format!("http://{address}")));
        Self { child, url: url.expect("the start-up block names the address") }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Atelierd {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Submits photos until the daemon is gone, and notes every id that was acknowledged.
async fn submit_until_the_end(url: String, photo: Arc<Vec<u8>>, acknowledged: Arc<Acknowledged>) {
    let client = reqwest::Client::new();
    loop {
        let request = client.post(format!("{url}/v1/stylize?style=great-wave"));
        let request = request.header("content-type", "image/png").body(photo.as_ref().clone());
        let Ok(answer) = request.send().await else { return };
        if answer.status() != 202 {
            continue;
        }
        let Ok(job) = answer.json::<Value>().await else { return };
        acknowledged.ids.lock().unwrap().insert(job["id"].as_str().unwrap().to_owned());
        acknowledged.more.notify_one();
    }
}

/// The ids that were acknowledged, and a bell that rings for each.
#[derive(Default)]
struct Acknowledged {
    ids: Mutex<BTreeSet<String>>,
    more: Notify,
}

impl Acknowledged {
    /// Waits until there are more than so many.
    async fn beyond(&self, count: usize) {
        while self.ids.lock().unwrap().len() <= count {
            self.more.notified().await;
        }
    }
}

/// Returns every job of the daemon, with its state.
async fn jobs(url: &str) -> Vec<(String, String)> {
    let mut jobs = Vec::new();
    let mut after = String::new();
    loop {
        let page: Value = reqwest::get(format!("{url}/v1/jobs?limit=1000{after}")).await.unwrap().json().await.unwrap();
        let text = |job: &Value, key: &str| job[key].as_str().unwrap().to_owned();
        jobs.extend(page["jobs"].as_array().unwrap().iter().map(|job| (text(job, "id"), text(job, "state"))));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return jobs,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_daemon_is_killed() {
    let kills = std::env::var("ATELIER_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let photo = Arc::new(picture(48, 32));
    let acknowledged = Arc::new(Acknowledged::default());
    let mut seed = 7_u64;
    for _ in 0..kills {
        let mut daemon = Atelierd::start(folder.path());
        let before = acknowledged.ids.lock().unwrap().len();
        let clients: Vec<_> = (0..4)
            .map(|_| {
                tokio::spawn(submit_until_the_end(daemon.url.clone(), Arc::clone(&photo), Arc::clone(&acknowledged)))
            })
            .collect();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let moment = Duration::from_millis((seed >> 33) % 350);
        // The kill comes in the middle of submitting, whenever a busy machine begins with that; the clients end by
        // themselves when it does.
        timeout(Duration::from_secs(60), acknowledged.beyond(before + 1)).await.expect("submits are acknowledged");
        let _ = timeout(moment, std::future::pending::<()>()).await;
        daemon.kill();
        for client in clients {
            client.await.unwrap();
        }
    }
    let acknowledged = acknowledged.ids.lock().unwrap().clone();
    assert!(acknowledged.len() as u64 > kills, "only {} submits were acknowledged", acknowledged.len());

    let daemon = Atelierd::start(folder.path());
    let deadline = Instant::now() + Duration::from_secs(240);
    let mut look = interval(Duration::from_millis(200));
    let states = loop {
        look.tick().await;
        let states = jobs(&daemon.url).await;
        if states.iter().all(|(_, state)| state != "queued" && state != "running") {
            break states;
        }
        assert!(Instant::now() < deadline, "the jobs do not end");
    };
    let succeeded: BTreeSet<_> =
        states.iter().filter(|(_, state)| state == "succeeded").map(|(id, _)| id.clone()).collect();
    let lost: Vec<_> = acknowledged.difference(&succeeded).collect();
    eprintln!("{kills} kills: {} acknowledged, {} lost or failed", acknowledged.len(), lost.len());
    assert!(lost.is_empty(), "acknowledged and not done: {lost:?}");
    assert_eq!(states.len(), states.iter().map(|(id, _)| id).collect::<BTreeSet<_>>().len(), "a job is listed twice");
}
