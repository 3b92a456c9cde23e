//! The real program, killed without warning while it works: what it has acknowledged is there and ends.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::{Chance, picture, tiny_training};
use tokio::sync::Notify;
use tokio::time::{Instant, interval, timeout};

/// How many times the default test kills the daemon; `ATELIER_KILLS` asks for more.
const KILLS: u64 = 5;

/// How many trainings there are at most: each takes a while.
const TRAININGS: usize = 40;

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
        Self::try_start(folder, change).expect("the start-up block names the address")
    }

    /// Starts it with other settings, if it does not die before it serves.
    pub(crate) fn try_start(folder: &Path, change: impl FnOnce(&mut Command)) -> Option<Self> {
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
        let Some(url) = url else {
            child.wait().unwrap();
            return None;
        };
        Some(Self { child, url })
    }

    /// Asks it to end, unless it has, and waits until it has.
    pub(crate) fn end(mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        self.child.wait().unwrap();
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

/// What a load has been told, over all lives of the daemon.
#[derive(Default)]
struct Acknowledged {
    /// Ids, each with the state that it ends in.
    ends: Mutex<BTreeMap<String, &'static str>>,
    /// Ids of jobs that somebody wanted to cancel, and does not know whether that was heard.
    unsure: Mutex<BTreeSet<String>>,
    more: Notify,
    trainings: AtomicUsize,
}

impl Acknowledged {
    fn count(&self) -> usize {
        self.ends.lock().unwrap().len()
    }

    /// Waits until there are more than so many.
    async fn beyond(&self, count: usize) {
        while self.count() <= count {
            self.more.notified().await;
        }
    }
}

/// One client: photos, cancelled photos and, now and then, a training.
struct Client {
    http: reqwest::Client,
    url: String,
    photo: Arc<Vec<u8>>,
    acknowledged: Arc<Acknowledged>,
}

impl Client {
    /// Works until the daemon is gone, and notes what it has acknowledged.
    async fn work(self, seed: u64) {
        let mut chance = Chance(seed);
        loop {
            let is_training = chance.below(12) == 0 && self.acknowledged.trainings.load(Ordering::Relaxed) < TRAININGS;
            let sent = if is_training { self.train().await } else { self.stylize().await };
            let Some(answer) = sent else { return };
            if answer.status() != 202 {
                continue;
            }
            let Ok(job) = answer.json::<Value>().await else { return };
            let id = job["id"].as_str().unwrap().to_owned();
            self.acknowledged.ends.lock().unwrap().insert(id.clone(), "succeeded");
            self.acknowledged.more.notify_one();
            if chance.below(4) == 0 && self.cancel(id).await.is_none() {
                return;
            }
        }
    }

    async fn stylize(&self) -> Option<reqwest::Response> {
        let request = self.http.post(format!("{}/v1/stylize?style=great-wave", self.url));
        request.header("content-type", "image/png").body(self.photo.as_ref().clone()).send().await.ok()
    }

    /// The smallest training there is.
    async fn train(&self) -> Option<reqwest::Response> {
        let number = self.acknowledged.trainings.fetch_add(1, Ordering::Relaxed);
        let form = tiny_training(&format!("tiny-{number}"), 6).text("checkpoint_every", "2");
        self.http.post(format!("{}/v1/train", self.url)).multipart(form).send().await.ok()
    }

    /// Cancels a job that was just accepted; it may have ended before that.
    async fn cancel(&self, id: String) -> Option<()> {
        self.acknowledged.unsure.lock().unwrap().insert(id.clone());
        let answer = self.http.delete(format!("{}/v1/jobs/{id}", self.url)).send().await.ok()?;
        let job: Value = answer.json().await.ok()?;
        let end = if job["state"] == "cancelled" { "cancelled" } else { "succeeded" };
        self.acknowledged.unsure.lock().unwrap().remove(&id);
        self.acknowledged.ends.lock().unwrap().insert(id, end);
        Some(())
    }
}

/// Follows the events from one life of the daemon to the next, and counts how often each job ends.
#[derive(Default)]
struct Follower {
    last: Option<u64>,
    ends: BTreeMap<String, usize>,
}

impl Follower {
    /// Reads until the daemon is gone, or `is_enough`.
    async fn follow(mut self, url: String, is_enough: impl Fn(&Self) -> bool) -> Self {
        let mut request = reqwest::Client::new().get(format!("{url}/v1/events"));
        if let Some(last) = self.last {
            request = request.header("last-event-id", last);
        }
        let Ok(mut stream) = request.send().await else { return self };
        let mut text = String::new();
        while !is_enough(&self)
            && let Ok(Some(chunk)) = stream.chunk().await
        {
            text.push_str(&String::from_utf8_lossy(&chunk));
            while let Some(end) = text.find("\n\n") {
                self.hear(&text[..end]);
                text.drain(..end + 2);
            }
        }
        self
    }

    fn hear(&mut self, event: &str) {
        let line = |key: &str| event.lines().find_map(|line| line.strip_prefix(key));
        let (Some(number), Some(name), Some(data)) = (line("id: "), line("event: "), line("data: ")) else { return };
        let number = number.parse().unwrap();
        assert!(self.last.is_none_or(|last| last < number), "event {number} comes after {:?}", self.last);
        assert!(self.last.is_none() || name != "snapshot", "events were missed");
        self.last = Some(number);
        if name == "end" {
            let data: Value = serde_json::from_str(data).unwrap();
            *self.ends.entry(data["job"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
}

/// Returns every job of the daemon, with its state.
pub(crate) async fn jobs(url: &str) -> Vec<(String, String)> {
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

/// Waits until no job waits or runs, and returns how all ended.
pub(crate) async fn ended(url: &str) -> Vec<(String, String)> {
    let (mut fewest, mut deadline) = (usize::MAX, Instant::now());
    let mut look = interval(Duration::from_millis(200));
    loop {
        look.tick().await;
        let states = jobs(url).await;
        let left = states.iter().filter(|(_, state)| state == "queued" || state == "running").count();
        if left == 0 {
            return states;
        }
        // There may be thousands of them: only where none ends any more, none does.
        if left < fewest {
            (fewest, deadline) = (left, Instant::now() + Duration::from_secs(120));
        }
        assert!(Instant::now() < deadline, "{left} jobs do not end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_daemon_is_killed() {
    let kills = std::env::var("ATELIER_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let photo = Arc::new(picture(48, 32));
    let acknowledged = Arc::new(Acknowledged::default());
    // From the very first event on: a job may end before the first life is listened to.
    let mut follower = Follower { last: Some(0), ..Follower::default() };
    let mut chance = Chance(kills);
    for _ in 0..kills {
        let mut daemon = Atelierd::start(folder.path());
        let before = acknowledged.count();
        let following = tokio::spawn(follower.follow(daemon.url.clone(), |_| false));
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let (http, acknowledged) = (reqwest::Client::new(), Arc::clone(&acknowledged));
                let client = Client { http, url: daemon.url.clone(), photo: Arc::clone(&photo), acknowledged };
                tokio::spawn(client.work(chance.number()))
            })
            .collect();
        let moment = Duration::from_millis(chance.below(350));
        // The kill comes in the middle of submitting, whenever a busy machine begins with that; the clients end by
        // themselves when it does.
        timeout(Duration::from_secs(60), acknowledged.beyond(before + 1)).await.expect("submits are acknowledged");
        let _ = timeout(moment, std::future::pending::<()>()).await;
        daemon.kill();
        for client in clients {
            client.await.unwrap();
        }
        follower = following.await.unwrap();
    }
    let daemon = Atelierd::start(folder.path());
    // How many ends there are to hear of, once that is known. A silent stream shows that it lives every 15 seconds.
    let expected = Arc::new(AtomicUsize::new(usize::MAX));
    let heard = Arc::clone(&expected);
    let is_enough = move |follower: &Follower| follower.ends.len() >= heard.load(Ordering::Relaxed);
    let following = tokio::spawn(follower.follow(daemon.url.clone(), is_enough));
    let states = ended(&daemon.url).await;
    let count = states.len();
    expected.store(count, Ordering::Relaxed);
    let follower = timeout(Duration::from_secs(120), following).await.expect("every end is told");
    let ends = follower.unwrap().ends;
    let twice: Vec<_> = ends.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "ended more than once: {twice:?}");

    let states: BTreeMap<_, _> = states.into_iter().collect();
    assert_eq!(states.len(), count, "a job is listed twice");
    let (promised, unsure) = (acknowledged.ends.lock().unwrap().clone(), acknowledged.unsure.lock().unwrap().clone());
    assert!(promised.len() as u64 > kills, "only {} submits were acknowledged", promised.len());
    let broken: Vec<_> = promised
        .iter()
        .map(|(id, end)| (id, end, states.get(id)))
        .filter(|(id, end, state)| match state.map(String::as_str) {
            Some("cancelled") if unsure.contains(*id) => false,
            state => state != Some(end),
        })
        .collect();
    eprintln!("{kills} kills: {} acknowledged of {count}, {} broken", promised.len(), broken.len());
    assert!(broken.is_empty(), "acknowledged, and it came otherwise: {broken:?}");
}
