//! One life of the real program, with everything in it that is written down, recorded call by call.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use protocol::JobId;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tests::disk::{Call, Disk, Fact, Told, facts};
use tests::{noise, picture, tiny_training};
use tokio::sync::OnceCell;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::crash::Atelierd;

/// The data folder's name; it is new, so that its own name has to survive too.
pub(crate) const DATA: &str = "data";

/// How long anything may take before it counts as never.
const LONG: Duration = Duration::from_secs(240);

/// A recorded life.
pub(crate) struct Life {
    /// What was done to the disk, and what was said.
    pub(crate) calls: Vec<Call>,
    /// What was told, each after the calls before it.
    pub(crate) facts: Vec<Fact>,
    /// The idempotency keys of jobs that have one.
    pub(crate) keys: BTreeMap<JobId, String>,
}

/// A client of the daemon that lives.
struct Visitor<'a> {
    daemon: &'a Atelierd,
    client: Client,
}

impl Visitor<'_> {
    async fn ask(&self, method: Method, path: &str) -> Value {
        let answer = self.client.request(method, format!("{}{path}", self.daemon.url)).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        self.ask(Method::GET, path).await
    }

    async fn send(&self, path: &str, key: &str, form: Form) -> String {
        let request = self.client.post(format!("{}{path}", self.daemon.url)).header("idempotency-key", key);
        let answer = request.multipart(form).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
    }

    async fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + LONG;
        let mut looks = interval(Duration::from_millis(50));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let now = self.get(path).await;
            if is_so(&now) {
                return;
            }
            assert!(Instant::now() < deadline, "{path} stays {now}");
        }
    }

    async fn succeeds(&self, job: &str) {
        self.until(&format!("/v1/jobs/{job}"), |job| job["state"] == "succeeded").await;
    }

    async fn reaches(&self, job: &str, step: u64) {
        let path = format!("/v1/jobs/{job}/checkpoints");
        self.until(&path, |list| list["checkpoints"][0]["step"].as_u64().is_some_and(|at| at >= step)).await;
    }

    /// Reads the events as they come, so that they are told, until the daemon ends.
    fn watch(&self) -> UnboundedReceiver<String> {
        let request = self.client.get(format!("{}/v1/events", self.daemon.url));
        let (heard, hearing) = unbounded_channel();
        tokio::spawn(async move {
            let Ok(mut stream) = request.send().await else { return };
            while let Ok(Some(chunk)) = stream.chunk().await {
                // Most of it interests nobody.
                let _ = heard.send(String::from_utf8_lossy(&chunk).into_owned());
            }
        });
        hearing
    }
}

async fn hear(events: &mut UnboundedReceiver<String>, name: &str) {
    let heard = async { while !events.recv().await.expect("the daemon lives").contains(name) {} };
    timeout(LONG, heard).await.expect("the event comes");
}

fn photo(width: u32) -> Form {
    Form::new().part("image", file(width)).text("style", "great-wave")
}

fn file(width: u32) -> Part {
    Part::bytes(picture(width, 40)).file_name("picture.png")
}

fn lesson() -> Form {
    tiny_training("tiny", 24).text("checkpoint_every", "4").text("preview_every", "7")
}

/// Returns a life, the same for all tests. There is none where disks can't be watched.
pub(crate) async fn recorded() -> Option<&'static Life> {
    static LIFE: OnceCell<Option<Life>> = OnceCell::const_new();
    LIFE.get_or_init(record).await.as_ref()
}

async fn record() -> Option<Life> {
    let disk = Disk::open()?;
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let mut sent = BTreeMap::new();
    let training = youth(&start(&disk, folder.path(), &home), &mut sent).await;
    let cancelled = prime(&start(&disk, folder.path(), &home), &training, &mut sent).await;
    age(&start(&disk, folder.path(), &home), &training, &cancelled, &mut sent).await;
    let calls = disk.calls(&home);
    let facts = facts(&calls);
    let keys = sent.into_iter().map(|(id, key)| (id.parse().unwrap(), key)).collect();
    let life = Life { calls, facts, keys };
    life.is_worth_telling();
    Some(life)
}

impl Life {
    /// Checks that what was told has been understood, or nothing would be checked.
    fn is_worth_telling(&self) {
        let mut told = BTreeMap::new();
        for fact in &self.facts {
            let kind = match &fact.told {
                Told::Job(id, _) => {
                    *told.entry(id.to_string()).or_insert(0) += 1;
                    "job"
                }
                Told::Forgotten(_) => "forgotten",
                Told::Event(_) => "event",
                Told::Checkpoint(..) => "checkpoint",
                Told::Sent(_) => "sent",
            };
            *told.entry(kind.to_owned()).or_insert(0) += 1;
        }
        let kinds = ["job", "forgotten", "event", "checkpoint", "sent"].map(str::to_owned);
        let all = self.keys.keys().map(ToString::to_string).chain(kinds);
        let untold: Vec<_> = all.filter(|wanted| !told.contains_key(wanted)).collect();
        assert!(untold.is_empty(), "never told: {untold:?}");
    }
}

/// Starts the daemon in a folder, watching its data alone: styles are the registry's.
fn start(disk: &Disk, folder: &Path, home: &Path) -> Atelierd {
    Atelierd::start_with(folder, |command| {
        command.env("ATELIER_DATA__DIR", home.join(DATA)).env("ATELIER_MODELS__DIR", folder.join("styles"));
        disk.put_under(command, home);
    })
}

async fn youth(daemon: &Atelierd, sent: &mut BTreeMap<String, String>) -> String {
    let visitor = Visitor { daemon, client: Client::new() };
    let mut events = visitor.watch();
    let first = visitor.send("/v1/stylize", "first", photo(48)).await;
    visitor.succeeds(&first).await;
    let training = visitor.send("/v1/train", "training", lesson()).await;
    visitor.reaches(&training, 4).await;
    visitor.ask(Method::POST, &format!("/v1/jobs/{training}/pause")).await;
    visitor.get(&format!("/v1/jobs/{training}")).await;
    let second = visitor.send("/v1/stylize", "second", photo(50).text("email", "me@example.org")).await;
    visitor.until("/v1/mail", |mail| mail["mail"][0]["state"] == "sent").await;
    visitor.ask(Method::DELETE, &format!("/v1/jobs/{first}?purge=true")).await;
    hear(&mut events, "event: forgotten").await;
    // What is said last is not in the record when the daemon is killed for having been heard.
    visitor.get("/v1/jobs").await;
    sent.extend([(first, "first".into()), (training.clone(), "training".into()), (second, "second".into())]);
    training
}

async fn prime(daemon: &Atelierd, training: &str, sent: &mut BTreeMap<String, String>) -> String {
    let visitor = Visitor { daemon, client: Client::new() };
    visitor.watch();
    visitor.ask(Method::POST, &format!("/v1/jobs/{training}/resume")).await;
    let third = visitor.send("/v1/stylize", "third", photo(52)).await;
    visitor.ask(Method::DELETE, &format!("/v1/jobs/{third}")).await;
    visitor.reaches(training, 8).await;
    let url = format!("{}/v1/jobs/{training}", daemon.url);
    let noted = visitor.client.patch(url).json(&json!({ "note": "seen" })).send().await.unwrap();
    assert_eq!(noted.json::<Value>().await.unwrap()["note"], "seen");
    sent.insert(third.clone(), "third".into());
    third
}

async fn age(daemon: &Atelierd, training: &str, cancelled: &str, sent: &mut BTreeMap<String, String>) {
    let visitor = Visitor { daemon, client: Client::new() };
    let mut events = visitor.watch();
    hear(&mut events, "event: snapshot").await;
    // No journal speaks of it any more.
    visitor.ask(Method::DELETE, &format!("/v1/jobs/{cancelled}?purge=true")).await;
    hear(&mut events, "event: forgotten").await;
    visitor.succeeds(training).await;
    let form = Form::new().part("image", file(40)).part("artwork", file(64)).part("artwork", file(72));
    let painting = visitor.send("/v1/paint", "painting", form.text("steps", "4")).await;
    visitor.succeeds(&painting).await;
    let form = Form::new().part("image", Part::bytes(noise()).file_name("noise.png")).text("style", "great-wave");
    let large = visitor.send("/v1/stylize", "large", form).await;
    visitor.succeeds(&large).await;
    sent.extend([(painting, "painting".into()), (large, "large".into())]);
}
