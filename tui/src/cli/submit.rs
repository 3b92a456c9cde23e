//! Painting photos: every file is sent, followed and fetched on its own; they share one connection.

use std::cell::Cell;
use std::sync::Mutex;

use futures::stream::FuturesUnordered;
use futures::{StreamExt as _, stream};
use protocol::{Job, JobId, JobRef, JobState};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::args::Global;
use super::fetch::fetch;
use super::files::Existing;
use super::printer::{Printer, Problem, unread};
use super::{CliError, unless_interrupted};
use crate::conn::{CallError, Connection};
use crate::words::plain;

mod follow;
mod patience;
mod plan;
mod shown;

use follow::Followers;
pub(super) use patience::Patience;
use plan::Item;
pub(super) use plan::{Place, Plan, format_of, open, refuse_existing, same_format, stdin_once};
use shown::{Row, Shown};

/// How many files travel at once in each direction.
const TRANSFERS: usize = 4;

/// One photo's fate, as programs read it: the job with two more keys.
#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    job: &'a Job,
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
}

/// A photo that became no job, as programs read it.
#[derive(Debug, Serialize)]
struct Refusal<'a> {
    file: &'a str,
    #[serde(flatten)]
    problem: Problem,
}

/// Sends the photos and, unless told not to, waits for their paintings.
pub(super) async fn run(plan: Plan, global: Global, printer: &Printer) -> Result<(), CliError> {
    let connection = Connection::open(global.server, global.token).await?;
    if plan.waits { paint_all(&plan, &connection, printer).await } else { send_all(&plan, &connection, printer).await }
}

async fn send_all(plan: &Plan, connection: &Connection, printer: &Printer) -> Result<(), CliError> {
    let mut failed = false;
    let told = |item: &Item, answer: Result<Job, CallError>| match answer {
        // The photos that are left are sent, too, when nobody reads the answers any more.
        Ok(job) if printer.is_json() => unread(printer.json(&Line { job: &job, file: &item.label, output: None })),
        Ok(job) => unread(printer.text(&format!("{}\n", job.id))),
        Err(error) => {
            failed = true;
            tell(item, error, printer)
        }
    };
    until_lost(&plan.items, async |item| send(plan, item, connection, printer).await, told).await?;
    if failed { Err(CliError::Failed) } else { Ok(()) }
}

/// Sends some items at a time and tells each answer, in their order. Once there is no daemon no other is begun, but those
/// that are on their way may have been accepted: they are told as well, before that is the error.
async fn until_lost<I, T>(
    items: &[I],
    send: impl AsyncFn(&I) -> Result<T, CallError>,
    mut told: impl FnMut(&I, Result<T, CallError>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let lost = Cell::new(false);
    let open = items.iter().take_while(|_| !lost.get());
    let send = &send;
    let mut answers = stream::iter(open.map(|item| async move { (item, send(item).await) })).buffered(TRANSFERS);
    let mut ended = Ok(());
    while let Some((item, answer)) = answers.next().await {
        match told(item, answer) {
            Err(error @ CliError::Call(_)) => {
                lost.set(true);
                ended = ended.and(Err(error));
            }
            other => other?,
        }
    }
    ended
}

/// Sends one photo; its key makes that safe to repeat when the connection breaks before the answer.
async fn send(plan: &Plan, item: &Item, connection: &Connection, printer: &Printer) -> Result<Job, CallError> {
    let mut order = plan.order.clone();
    order.idempotency_key = Some(item.key.clone());
    let patience = if plan.items.len() > 1 { Patience::Batch } else { Patience::Single };
    let again =
        |error: &CallError| printer.say(&format!("{}: {}; trying again", item.label, plain(&error.to_string())));
    patience.with(again, async || connection.stylize(order.clone(), &item.source).await).await
}

/// Says what became of a photo that gives no painting. Without a daemon there is no point in going on.
fn tell(item: &Item, error: CallError, printer: &Printer) -> Result<(), CliError> {
    if matches!(error, CallError::Unreachable { .. }) {
        return Err(error.into());
    }
    let text = match &error {
        CallError::File { what, .. } if *what == item.label => error.to_string(),
        _ => format!("{}: {error}", item.label),
    };
    printer.say(&plain(&text));
    if printer.is_json() {
        unread(printer.json(&Refusal { file: &item.label, problem: Problem::of_call(&error) }))?;
    }
    Ok(())
}

/// What the photos of one call share.
struct Studio<'a> {
    plan: &'a Plan,
    connection: &'a Connection,
    printer: &'a Printer,
    followers: Followers,
    shown: Shown,
    uploads: Semaphore,
    downloads: Semaphore,
    /// Jobs that were accepted and are not done with, for the person who interrupts.
    open: Mutex<Vec<JobId>>,
}

async fn paint_all(plan: &Plan, connection: &Connection, printer: &Printer) -> Result<(), CliError> {
    let studio = Studio {
        plan,
        connection,
        printer,
        followers: Followers::new(connection.clone()),
        shown: Shown::new(plan.items.len()),
        uploads: Semaphore::new(TRANSFERS),
        downloads: Semaphore::new(TRANSFERS),
        open: Mutex::default(),
    };
    let mut paintings: FuturesUnordered<_> = plan.items.iter().map(|item| studio.paint(item)).collect();
    let every = async {
        let mut failed = false;
        while let Some(painted) = paintings.next().await {
            failed |= !painted?;
        }
        if failed { Err(CliError::Failed) } else { Ok(()) }
    };
    let events = Patience::Single.with(|_| {}, async || connection.watch(None).await).await?;
    let ended = unless_interrupted(async {
        tokio::select! {
            ended = every => ended,
            lost = studio.followers.run(events) => Err(lost.into()),
        }
    });
    let ended = ended.await;
    studio.shown.clear();
    if matches!(ended, Err(CliError::Interrupted | CliError::Call(_))) {
        studio.farewell();
    }
    ended
}

impl Studio<'_> {
    /// Takes one photo all the way; false when it gives no painting.
    async fn paint(&self, item: &Item) -> Result<bool, CliError> {
        let mut row = self.shown.row(&item.label);
        match self.order(item, &mut row).await {
            Ok(done) => {
                row.done();
                done
            }
            Err(error) => {
                row.done();
                self.shown.aside(|| tell(item, error, self.printer)).map(|()| false)
            }
        }
    }

    async fn order(&self, item: &Item, row: &mut Row<'_>) -> Result<Result<bool, CliError>, CallError> {
        let sent = {
            let _turn = self.uploads.acquire().await;
            row.sending();
            send(self.plan, item, self.connection, self.printer).await?
        };
        self.open_jobs(|open| open.push(sent.id));
        let job = self.follow(sent, row).await?;
        let told = match &job.state {
            JobState::Succeeded { .. } => {
                row.fetching();
                self.fetch(item, &job).await
            }
            JobState::Failed { error, .. } => {
                Ok(self.say_failed(item, &job, &format!("{} ({})", error.detail, error.code)))
            }
            _ => Ok(self.say_failed(item, &job, "somebody cancelled it")),
        };
        self.open_jobs(|open| open.retain(|id| *id != job.id));
        told
    }

    /// Waits for a job's end and shows how it gets there.
    async fn follow(&self, job: Job, row: &mut Row<'_>) -> Result<Job, CallError> {
        let id = job.id;
        let mut seen = self.followers.follow(job).await?;
        loop {
            let now = seen.borrow_and_update().clone();
            if now.state.is_finished() {
                self.followers.leave(id);
                return Ok(now);
            }
            row.state(&now);
            if seen.changed().await.is_err() {
                // The daemon does not know the job any more: asking says so in its words.
                let ask = async || self.connection.job(JobRef::Id(id)).await;
                return Patience::Single.with(|_| {}, ask).await;
            }
        }
    }

    async fn fetch(&self, item: &Item, job: &Job) -> Result<Result<bool, CliError>, CallError> {
        let _turn = self.downloads.acquire().await;
        let existing = if self.plan.force { Existing::Replace } else { Existing::Keep };
        let output = match fetch(self.connection, job.id, &item.place, existing, self.printer).await {
            Ok(Some(output)) => output,
            Ok(None) => return Ok(Ok(true)),
            Err(CliError::Call(error)) => return Err(error),
            Err(error) => return Ok(Err(error)),
        };
        let printed = self.shown.aside(|| {
            if self.printer.is_json() {
                return self.printer.json(&Line { job, file: &item.label, output: Some(output) });
            }
            self.printer.text(&format!("{output}\n"))
        });
        // The paintings that are left are fetched, too, when nobody reads their names any more.
        Ok(unread(printed).map(|()| true))
    }

    /// Says that a job ended without a painting.
    fn say_failed(&self, item: &Item, job: &Job, why: &str) -> Result<bool, CliError> {
        self.shown.aside(|| {
            self.printer.say(&format!("{}: job {} {}: {}", item.label, job.id.short(), job.state.name(), plain(why)));
            if self.printer.is_json() {
                unread(self.printer.json(&Line { job, file: &item.label, output: None }))?;
            }
            Ok(false)
        })
    }

    fn open_jobs<T>(&self, with: impl FnOnce(&mut Vec<JobId>) -> T) -> T {
        with(&mut self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Says what happens to the jobs now that nobody waits for them here.
    fn farewell(&self) {
        let open = self.open_jobs(|open| open.iter().map(|id| id.short().to_string()).collect::<Vec<_>>());
        if open.is_empty() {
            return;
        }
        let (jobs, go) = if open.len() == 1 { ("job", "goes") } else { ("jobs", "go") };
        self.printer.say(&format!(
            "the {jobs} {} {go} on without this program; `atelier watch ID` follows one, `atelier result ID` fetches it",
            open.join(" ")
        ));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[tokio::test]
    async fn without_a_daemon_what_it_had_accepted_is_told_and_nothing_else_is_sent() {
        let away = || CallError::Unreachable { server: "localhost:1".parse().unwrap(), reason: String::new() };
        let others = tokio::sync::Barrier::new(TRANSFERS);
        let send = async |item: &usize| {
            // The first one's answer is there when the others have theirs.
            others.wait().await;
            if *item == 0 || *item == 2 { Err(away()) } else { Ok(*item) }
        };
        let mut accepted = Vec::new();
        let told = |_: &usize, answer: Result<usize, CallError>| {
            accepted.push(answer?);
            Ok(())
        };
        let ended = until_lost(&[0, 1, 2, 3, 4, 5, 6, 7], send, told).await;
        assert!(matches!(ended, Err(CliError::Call(CallError::Unreachable { .. }))), "{ended:?}");
        assert_eq!(accepted, [1, 3]);
    }
}
