//! The command line: one order, one answer, an exit code that scripts can trust.

use std::io;
use std::process::ExitCode;

use clap::Parser as _;
use protocol::JobRef;

use crate::conn::{CallError, Connection};

mod args;
mod console;
mod fetch;
pub(crate) mod files;
pub(crate) mod import;
mod jobs;
mod learn;
mod losses;
mod measure;
mod printer;
mod submit;
pub(crate) mod view;

use args::{Cli, Command};
use printer::Printer;

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The daemon's answer, or none.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The words fit the grammar but not each other.
    #[error("{0}")]
    Usage(String),
    /// A job or a part of the request failed, and that is said already.
    #[error("failed")]
    Failed,
    /// A person had enough of waiting, and what that means is said already.
    #[error("interrupted")]
    Interrupted,
    /// A signal ended the console.
    #[error("ended by signal {0}")]
    Signal(u8),
    /// Whoever read our output has gone.
    #[error("the reader of the output has gone")]
    ClosedPipe,
    /// The output can't be written.
    #[error("can't write the output: {0}")]
    Output(io::Error),
}

impl CliError {
    /// Returns the exit code that stands for this.
    fn code(&self) -> u8 {
        match self {
            Self::ClosedPipe => 0,
            Self::Call(CallError::Refused(_) | CallError::Foreign { .. } | CallError::File { .. })
            | Self::Failed
            | Self::Output(_) => 1,
            Self::Usage(_) => 2,
            Self::Call(CallError::Unreachable { .. }) => 3,
            Self::Interrupted => 130,
            Self::Signal(number) => 128 + number,
        }
    }
}

/// Reads the command line, carries it out and returns the exit code: 0 done, 1 the job or the request failed, 2 wrong
/// usage, 3 no daemon answers, 130 interrupted.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let printer = Printer::new(cli.global.json);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            printer.say(&format!("can't start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(cli, &printer));
    // Not waited for: a thread that opens a pipe without another end would never come back.
    runtime.shutdown_background();
    let Err(error) = ended else { return ExitCode::SUCCESS };
    printer.error(&error);
    ExitCode::from(error.code())
}

/// Does something unless a person interrupts it; what it has begun is dropped then, and cleans up after itself.
async fn unless_interrupted<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    tokio::select! {
        ended = work => ended,
        _ = tokio::signal::ctrl_c() => Err(CliError::Interrupted),
    }
}

async fn run(mut cli: Cli, printer: &Printer) -> Result<(), CliError> {
    cli.global.read_token()?;
    let Some(command) = cli.command else { return console::run(cli.console, cli.global, printer).await };
    if cli.console.is_given() {
        return Err(CliError::Usage(
            "--once, --ascii, --ground and --pictures are for the console, without a command".to_owned(),
        ));
    }
    if let Command::Completions { shell } = command {
        return printer.completions(shell);
    }
    // What is wrong on this side is said before anybody is asked.
    let command = match command {
        Command::Submit(order) => return submit::run(submit::Plan::new(order, printer)?, cli.global, printer).await,
        Command::Train(order) => return learn::run(learn::Plan::train(&order)?, cli.global, printer).await,
        Command::Paint(order) => return learn::run(learn::Plan::paint(&order, printer)?, cli.global, printer).await,
        other => other,
    };
    let connection = Connection::open(cli.global.server, cli.global.token).await?;
    match command {
        Command::Submit(_) | Command::Train(_) | Command::Paint(_) | Command::Completions { .. } => {
            unreachable!("carried out above")
        }
        Command::Losses(order) => losses::run(&connection, order, printer).await,
        Command::Jobs(order) => jobs::list(&connection, order, printer).await,
        Command::Show { job } => jobs::show(&connection, job.id, printer).await,
        Command::Watch { id } => jobs::watch(&connection, id, printer).await,
        Command::Cancel(order) => jobs::cancel(&connection, order, printer).await,
        Command::Pause(order) => jobs::each(order, printer, "paused", async |id| connection.pause(id).await).await,
        Command::Resume(order) => jobs::each(order, printer, "resumed", async |id| connection.resume(id).await).await,
        Command::Retry(order) => jobs::each(order, printer, "queued", async |id| connection.retry(id).await).await,
        Command::Forget(order) => jobs::each(order, printer, "forgotten", async |id| connection.forget(id).await).await,
        Command::Result(order) => jobs::result(&connection, order, printer).await,
        Command::Styles(order) => match measure::Plan::new(&order)? {
            Some(plan) => measure::run(&connection, plan, printer).await,
            None => jobs::styles(&connection, order.name, printer).await,
        },
        Command::Devices => {
            let devices = connection.devices().await?;
            printer.list("devices", &devices, |look| view::devices(&devices, look))
        }
        Command::Mail => {
            let mail = connection.mail().await?;
            printer.list("mail", &mail, |look| view::mail(&mail, look))
        }
        Command::Import(order) => import::run(&connection, order, printer).await,
    }
}
