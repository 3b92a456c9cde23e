//! A headless Chromium, where one is installed, driven as a person would.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::Door;
use crate::installed::{installed, not_tested};

/// How long a test waits for the page before it counts as never.
const LONG: Duration = Duration::from_secs(30);

/// One browser at a time: several would starve each other on a small machine, and then fail for no reason.
static ONE: Mutex<()> = Mutex::const_new(());

/// A desk's screen, in pixels.
pub const DESK: (u32, u32) = (1280, 900);

/// A small phone's screen, in pixels.
pub const PHONE: (u32, u32) = (360, 740);

/// A browser with one window. Its processes end with it, however the test ends.
pub struct Browser {
    /// The window.
    pub window: Client,
    driver_url: String,
    driver: Child,
    _profile: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Browser {
    /// Starts a browser with a screen of this size. Where none is installed it says so, and there is none; where
    /// `ATELIER_REQUIRE_SERVERS=1` that is a failure.
    pub async fn start(screen: (u32, u32)) -> Option<Self> {
        let browsers = ["chromium", "chromium-browser", "google-chrome", "chrome"];
        if installed("chromedriver").is_none() || !browsers.into_iter().any(|browser| installed(browser).is_some()) {
            not_tested("in a browser: install Chromium and its driver (Debian: chromium chromium-driver)");
            return None;
        }
        let turn = ONE.lock().await;
        let (driver, driver_url) = start_driver();
        let profile = tempfile::tempdir().unwrap();
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(screen, profile.path()).as_object().unwrap().clone());
        let window = builder.connect(&driver_url).await.unwrap();
        Some(Self { window, driver_url, driver, _profile: profile, _turn: turn })
    }

    /// Opens a house's page.
    pub async fn visit(&self, door: &Door) {
        self.window.goto(&format!("http://{}/", door.address)).await.unwrap();
    }

    /// Finds an element, by its CSS selector.
    pub async fn find(&self, selector: &str) -> Element {
        self.window.wait().at_most(LONG).for_element(Locator::Css(selector)).await.unwrap()
    }

    /// Clicks.
    pub async fn click(&self, selector: &str) {
        self.find(selector).await.click().await.unwrap();
    }

    /// Types into an element.
    pub async fn type_into(&self, selector: &str, text: &str) {
        self.find(selector).await.send_keys(text).await.unwrap();
    }

    /// Chooses files, as a file dialogue would.
    pub async fn choose(&self, files: &[&Path]) {
        let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        self.type_into("#file", &files.join("\n")).await;
    }

    /// Presses a key, wherever the focus is.
    pub async fn press(&self, key: Key) {
        let value = char::from(key);
        let strokes = KeyActions::new("keyboard".to_owned());
        let strokes = strokes.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        self.window.perform_actions(strokes).await.unwrap();
    }

    /// Runs a script and returns what it returns.
    pub async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.window.execute(script, arguments).await.unwrap()
    }

    /// Returns the value of an expression.
    pub async fn value(&self, expression: &str) -> Value {
        self.run(&format!("return {expression}"), Vec::new()).await
    }

    /// Waits until an expression is true. The page itself looks, so that nothing is missed between two questions.
    pub async fn until(&self, expression: &str) {
        let script = format!(
            "const done = arguments[0];
             const look = () => ({expression}) ? done(true) : setTimeout(look, 10);
             look();"
        );
        if let Err(error) = self.window.execute_async(&script, Vec::new()).await {
            let shown = self.value("document.body.innerText").await;
            panic!("never true: {expression} ({error}); the page shows {shown}");
        }
    }

    /// Returns what the console has said since the last time, warnings and errors only.
    pub async fn complaints(&self) -> Vec<String> {
        let id = self.window.session_id().await.unwrap().expect("the session is open");
        let url = format!("{}/session/{id}/se/log", self.driver_url);
        let answer = reqwest::Client::new().post(url).json(&json!({ "type": "browser" })).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let entries = answer["value"].as_array().expect("the driver keeps a log");
        let is_serious = |entry: &&Value| matches!(entry["level"].as_str(), Some("WARNING" | "SEVERE"));
        entries.iter().filter(is_serious).map(|entry| entry["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver leads a group that its browser is part of; the browser would outlive it otherwise.
        let _ = kill_process_group(Pid::from_child(&self.driver), Signal::KILL);
        let _ = self.driver.wait();
    }
}

/// Starts a driver on a port of its own choice, and returns it with its address.
fn start_driver() -> (Child, String) {
    let mut command = Command::new("chromedriver");
    command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let mut driver = command.spawn().unwrap();
    let mut lines = BufReader::new(driver.stdout.take().expect("it was asked for")).lines();
    let port = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("successfully on port ")?.1.trim_end_matches('.').to_owned()))
        .expect("the driver names its port");
    // Its later lines are read and dropped, lest it wait for a reader.
    std::thread::Builder::new().name("driver's words".to_owned()).spawn(move || lines.for_each(drop)).unwrap();
    (driver, format!("http://127.0.0.1:{port}"))
}

fn capabilities((width, height): (u32, u32), profile: &Path) -> Value {
    let mut arguments = vec![
        "--headless=new".to_owned(),
        // The sandbox needs rights that containers and root lack; the page is our own.
        "--no-sandbox".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        format!("--user-data-dir={}", profile.display()),
    ];
    let quiet = ["gpu", "quic", "background-networking", "component-update", "default-apps", "sync", "extensions"];
    arguments.extend(quiet.map(|part| format!("--disable-{part}")));
    arguments.push("--no-first-run".to_owned());
    json!({
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": {
            "args": arguments,
            "mobileEmulation": { "deviceMetrics": { "width": width, "height": height, "pixelRatio": 1.0, "touch": false, "mobile": false } },
        },
    })
}
