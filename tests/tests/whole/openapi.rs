//! The `OpenAPI` document against the daemon, by a tool that nobody here wrote.

use std::process::Stdio;
use std::time::Duration;

use tests::{Door, House, installed, not_tested, puppet};
use tokio::process::Command;

/// How long the default test asks, in seconds; `ATELIER_SCHEMATHESIS` asks for longer.
const SECONDS: &str = "40";

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing_that_the_document_does_not_say() {
    let given = std::env::var_os("SCHEMATHESIS").map(std::path::PathBuf::from);
    let Some(program) = given.or_else(|| installed("schemathesis")) else {
        return not_tested("against schemathesis: install it from PyPI, on the path or named by SCHEMATHESIS");
    };
    let house = House::open_with(vec![puppet("a").0], |config| config.max_waiting = 100_000);
    let door = Door::open(&house).await;
    let seconds = std::env::var("ATELIER_SCHEMATHESIS").unwrap_or_else(|_| SECONDS.to_owned());
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(program)
        .args(["--config-file", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/schemathesis.toml"), "run"])
        .args(["--seed", "7878", "--max-time", &seconds, "--continue-on-failure", "--no-color"])
        .arg(format!("http://{}/openapi.json", door.address))
        // It remembers what it did in the folder that it works in.
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let patience = Duration::from_secs(10 * seconds.parse::<u64>().unwrap());
    let output = tokio::time::timeout(patience, output).await.expect("it ends").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("{}", said.lines().filter(|line| line.contains("generated")).collect::<String>());
}
