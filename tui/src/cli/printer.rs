//! The two outputs: what was asked for on stdout, everything else on stderr.

use std::io::{self, IsTerminal as _, Write as _};

use clap::CommandFactory as _;
use clap_complete::Shell;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::args::Cli;
use super::view::{Look, Paint};
use super::{CallError, CliError};
use crate::words::plain;

/// Writes answers, as text or as JSON.
#[derive(Debug)]
pub(crate) struct Printer {
    json: bool,
    paint: Paint,
    columns: Option<usize>,
}

impl Printer {
    pub(crate) fn new(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let columns = terminal.then(|| crossterm::terminal::size().ok()).flatten();
        Self {
            json,
            paint: if colours { Paint::Colours } else { Paint::Plain },
            columns: columns.map(|(columns, _)| usize::from(columns)),
        }
    }

    /// Says whether a program reads the answers.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Returns how things look on stdout now.
    pub(crate) fn look(&self) -> Look {
        Look { paint: self.paint, columns: self.columns, now: Timestamp::now(), zone: TimeZone::system() }
    }

    /// Prints one answer: as a JSON value, or as `text` shows it.
    pub(crate) fn value(&self, value: &impl Serialize, text: impl FnOnce(&Look) -> String) -> Result<(), CliError> {
        if self.json { self.json(value) } else { self.text(&text(&self.look())) }
    }

    /// Prints a list: as a JSON object with one key, as over HTTP, or as `text` shows it.
    pub(crate) fn list<T: Serialize>(
        &self,
        key: &str,
        list: &[T],
        text: impl FnOnce(&Look) -> String,
    ) -> Result<(), CliError> {
        self.value(&std::collections::BTreeMap::from([(key, list)]), text)
    }

    /// Prints a JSON value on a line of its own.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), CliError> {
        let mut line = serde_json::to_string(value).map_err(|error| CliError::Output(error.into()))?;
        line.push('\n');
        self.text(&line)
    }

    /// Writes text to stdout as it is.
    pub(crate) fn text(&self, text: &str) -> Result<(), CliError> {
        self.bytes(text.as_bytes())
    }

    /// Writes bytes to stdout as they are.
    #[expect(clippy::unused_self, reason = "the printer is the only way to stdout")]
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(closed)
    }

    /// Tells people something. Nobody may be there to read it, which is no error.
    #[expect(clippy::unused_self, reason = "the printer is the only way to stderr")]
    pub(crate) fn say(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "atelier: {text}");
    }

    /// Says why a command did not end well; programs get the stable code too.
    pub(crate) fn error(&self, error: &CliError) {
        match error {
            CliError::Failed | CliError::Interrupted | CliError::Signal(_) | CliError::ClosedPipe => return,
            CliError::Call(CallError::Unreachable { .. }) => {
                self.say(&format!("{error}; start one with `atelierd`, or name another with --server"));
            }
            other => self.say(&plain(&other.to_string())),
        }
        if self.json {
            let _ = self.json(&Problem::of(error));
        }
    }

    /// Prints a shell's completion script.
    pub(crate) fn completions(&self, shell: Shell) -> Result<(), CliError> {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "atelier", &mut script);
        let script = String::from_utf8(script).map_err(|error| CliError::Output(io::Error::other(error)))?;
        let answer = Completions { shell: shell.to_string(), script };
        self.value(&answer, |_| answer.script.clone())
    }
}

/// Takes a reader that has gone for no reason to leave work undone.
pub(crate) fn unread(printed: Result<(), CliError>) -> Result<(), CliError> {
    match printed {
        Err(CliError::ClosedPipe) => Ok(()),
        other => other,
    }
}

fn closed(error: io::Error) -> CliError {
    if error.kind() == io::ErrorKind::BrokenPipe { CliError::ClosedPipe } else { CliError::Output(error) }
}

/// A completion script as programs read it.
#[derive(Debug, Serialize)]
struct Completions {
    shell: String,
    script: String,
}

/// An error as programs read it.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    error: ProblemBody,
}

#[derive(Debug, Serialize)]
struct ProblemBody {
    code: &'static str,
    detail: String,
}

impl Problem {
    /// Describes an error.
    pub(crate) fn of(error: &CliError) -> Self {
        let code = match error {
            CliError::Call(call) => return Self::of_call(call),
            CliError::Usage(_) => "usage",
            CliError::Interrupted | CliError::Signal(_) => "interrupted",
            CliError::Failed | CliError::ClosedPipe | CliError::Output(_) => "failed",
        };
        Self { error: ProblemBody { code, detail: error.to_string() } }
    }

    /// Describes a call without an answer.
    pub(crate) fn of_call(error: &CallError) -> Self {
        let code = match error {
            CallError::Refused(refused) => refused.code.as_str(),
            CallError::Unreachable { .. } => "unreachable",
            CallError::Foreign { .. } => "foreign",
            CallError::File { .. } => "file",
        };
        Self { error: ProblemBody { code, detail: error.to_string() } }
    }
}
