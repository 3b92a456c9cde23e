//! `atelierd` as a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long anything may take before it counts as never.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Where the program is.
pub(crate) const ATELIERD: &str = env!("CARGO_BIN_EXE_atelierd-under-test");

/// The program, away from this machine's configuration.
pub(crate) fn atelierd(folder: &Path) -> Command {
    away(ATELIERD, folder)
}

/// A program that may start it, away from this machine's configuration.
pub(crate) fn away(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ATELIER_")) {
        command.env_remove(name);
    }
    command.env_remove("NOTIFY_SOCKET").current_dir(folder).env("ATELIER_DATA__RESERVE_BYTES", "0");
    command
}

/// Runs the program to its end.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    atelierd(folder).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// The one line that a failed start prints.
pub(crate) fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    // What is logged on the way comes before it.
    let told: Vec<_> = text.lines().filter(|line| line.starts_with("atelierd: ")).collect();
    assert_eq!(told.len(), 1, "{text}");
    told[0].to_owned()
}

/// A running daemon; it is killed when the test lets go of it.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    log: Receiver<String>,
    /// What it printed when it started.
    pub(crate) block: Vec<String>,
    /// Where it listens.
    pub(crate) address: String,
}

impl Running {
    /// Starts a daemon in a folder, on a free port, and waits for its block.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_as(atelierd(folder).args(["--listen", "127.0.0.1:0", "--data", "data"]))
    }

    /// Starts a daemon by a command.
    pub(crate) fn start_as(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (lines, log) = (follow(child.stdout.take().unwrap()), follow(child.stderr.take().unwrap()));
        let mut running = Self { child, lines, log, block: Vec::new(), address: String::new() };
        while !running.block.last().is_some_and(|line| line.trim_start().starts_with("mail ")) {
            match running.lines.recv_timeout(PATIENCE) {
                Ok(line) => running.block.push(line),
                Err(error) => panic!("no block ({error}); log: {:?}", running.log.try_iter().collect::<Vec<_>>()),
            }
        }
        let page = running.block.iter().find(|line| line.contains("page and API")).unwrap();
        running.address = page.rsplit_once("http://").unwrap().1.to_owned();
        running
    }

    /// Returns how much memory it has in use.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// Returns the most memory that it has taken so far.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.status_bytes("VmHWM:")
    }

    fn status_bytes(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Returns the number of the poll that it has opened last.
    pub(crate) fn last_poll(&self) -> u32 {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().map(Result::unwrap);
        let polls = files.filter(|file| {
            // One that is closed meanwhile leads nowhere.
            std::fs::read_link(file.path()).is_ok_and(|target| target.to_string_lossy().contains("eventpoll"))
        });
        polls.map(|poll| poll.file_name().to_string_lossy().parse().unwrap()).max().unwrap()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        // The log's pipe closes when the process ends.
        while self.log.recv_timeout(PATIENCE).is_ok() {}
        self.child.wait().unwrap()
    }

    /// Says whether the process has ended, and how.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for a log line that has this text in it.
    pub(crate) fn logged(&self, text: &str) -> String {
        loop {
            let line = self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("the log never said {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Sends an HTTP/1.1 request and returns the whole answer.
    pub(crate) fn ask(&self, request: &str, body: &[u8]) -> String {
        let mut answer = Vec::new();
        self.begin(request, body).read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Sends an HTTP/1.1 request and returns the connection.
    pub(crate) fn begin(&self, request: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head =
            format!("{request}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        stream
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines on a thread, so that a test can wait for one with a limit.
fn follow(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Writes a file and returns its path as text.
pub(crate) fn file(folder: &Path, name: &str, text: &str) -> String {
    let path: PathBuf = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}
