//! The program `atelier` as a process of its own.

use std::path::Path;
use std::process::{Output, Stdio};

use tests::{Served, picture};
use tokio::process::Command;

/// What a process said and how it ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// Reads stdout as JSON lines.
    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{self:?}"))).collect()
    }

    /// Reads stdout as one JSON value.
    pub(crate) fn json(&self) -> serde_json::Value {
        let mut lines = self.lines();
        assert_eq!(lines.len(), 1, "{self:?}");
        lines.remove(0)
    }

    /// Fails unless the process ended with this code.
    pub(crate) fn is(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

/// Prepares a command in a folder; its words are separated by spaces.
pub(crate) fn command(server: &str, folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atelier-under-test"));
    command.args(line.split(' ').filter(|word| !word.is_empty())).current_dir(folder);
    command.env("ATELIER_SERVER", server).env_remove("ATELIER_TOKEN").env_remove("NO_COLOR");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs a command to its end.
pub(crate) async fn run(server: &str, folder: &Path, line: &str) -> Answer {
    read(command(server, folder, line).output().await.unwrap())
}

/// Takes a finished process apart.
pub(crate) fn read(output: Output) -> Answer {
    Answer {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A folder of photos and a daemon to send them to.
pub(crate) struct Desk {
    pub(crate) served: Served,
    pub(crate) folder: tempfile::TempDir,
}

impl Desk {
    pub(crate) fn new(served: Served) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["cat.png", "dog.png"] {
            std::fs::write(folder.path().join(name), picture(40, 30)).unwrap();
        }
        Self { served, folder }
    }

    /// Runs a command in the folder.
    pub(crate) async fn run(&self, line: &str) -> Answer {
        run(&self.served.url(), self.folder.path(), line).await
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        command(&self.served.url(), self.folder.path(), line)
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.folder.path().join(name).exists()
    }

    /// Returns how many jobs there are.
    pub(crate) async fn jobs(&self) -> usize {
        self.served.house.intake().jobs(daemon::intake::JobFilter::default()).await.unwrap().jobs.len()
    }
}
