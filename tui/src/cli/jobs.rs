//! Looking at jobs and styles, and steering jobs.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use protocol::{Checkpoint, EventBody, Job, JobKind, JobState, StateName, StyleName};
use serde::Serialize;

use super::files::{Existing, Target, pour, result_name, save};
use super::printer::{Printer, Problem, unread};
use super::{CliError, JobRef, args, unless_interrupted, view};
use crate::conn::{CallError, Connection, Filter};
use crate::words::{dimensions, plain};

/// Lists jobs.
pub(super) async fn list(connection: &Connection, order: args::Jobs, printer: &Printer) -> Result<(), CliError> {
    let args::Jobs { state, kind, style, limit, after } = order;
    let page = connection.jobs(Filter { state, kind, style, limit: Some(limit), after }).await?;
    printer.value(&page, |look| view::jobs(&page.jobs, look))?;
    if let Some(next) = page.next.filter(|_| !printer.is_json()) {
        printer.say(&format!("there are more; go on with --after {next}"));
    }
    Ok(())
}

/// Asks for the same change of several jobs. Each is tried, whatever became of the one before and whoever still reads
/// the answers.
pub(super) async fn each(
    order: args::Several,
    printer: &Printer,
    done: &str,
    change: impl AsyncFn(JobRef) -> Result<Job, CallError>,
) -> Result<(), CliError> {
    let mut failed = false;
    for id in order.ids {
        match change(id).await {
            Ok(job) if printer.is_json() => unread(printer.json(&job))?,
            // A cancelled job that had finished before stays what it was.
            Ok(job) if done == "cancelled" && job.state.name() != StateName::Cancelled => {
                unread(printer.text(&format!("{}  {} already\n", job.id.short(), job.state.name())))?;
            }
            Ok(job) => unread(printer.text(&format!("{}  {done}\n", job.id.short())))?,
            Err(error @ CallError::Refused(_)) => {
                failed = true;
                printer.say(&format!("{id}: {}", plain(&error.to_string())));
                if printer.is_json() {
                    unread(printer.json(&Problem::of_call(&error)))?;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    if failed { Err(CliError::Failed) } else { Ok(()) }
}

/// Follows one job to its end, or everything for ever.
pub(super) async fn watch(connection: &Connection, id: Option<JobRef>, printer: &Printer) -> Result<(), CliError> {
    let mut watch = connection.watch(id).await?;
    let mut printed = view::Printed::default();
    let mut last = None;
    while let Some(event) = watch.next().await? {
        if printer.is_json() {
            printer.json(&event)?;
        } else {
            printer.text(&view::event(&event, &mut printed, &printer.look()))?;
        }
        match event.body {
            EventBody::State(job) => last = Some(job.state.name()),
            EventBody::Snapshot(snapshot) if id.is_some() => {
                last = snapshot.jobs.first().map(|job| job.state.name());
            }
            _ => {}
        }
    }
    match last {
        Some(StateName::Failed | StateName::Cancelled) => Err(CliError::Failed),
        _ => Ok(()),
    }
}

/// A job and what it could go on from, as programs read it.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    job: &'a Job,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoints: Option<&'a [Checkpoint]>,
}

/// Shows one job in full.
pub(super) async fn show(connection: &Connection, id: JobRef, printer: &Printer) -> Result<(), CliError> {
    let job = connection.job(id).await?;
    let checkpoints = match job.kind() {
        JobKind::Stylize => None,
        JobKind::Train | JobKind::Paint => Some(connection.checkpoints(id).await?.checkpoints),
    };
    let checkpoints = checkpoints.as_deref();
    printer.value(&Shown { job: &job, checkpoints }, |look| view::job(&job, checkpoints.unwrap_or_default(), look))
}

/// Stops jobs, or ends them with what there is.
pub(super) async fn cancel(connection: &Connection, order: args::Cancel, printer: &Printer) -> Result<(), CliError> {
    let args::Cancel { ids, keep } = order;
    let several = args::Several { ids };
    if keep {
        return each(several, printer, "ends with what there is", async |id| connection.keep(id).await).await;
    }
    each(several, printer, "cancelled", async |id| connection.cancel(id).await).await
}

/// A job and where its result was written, as programs read it.
#[derive(Debug, Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    job: &'a Job,
    output: &'a str,
}

/// Writes a finished job's result.
pub(super) async fn result(connection: &Connection, order: args::Fetch, printer: &Printer) -> Result<(), CliError> {
    let target = Target::new(order.output.clone(), 1)?;
    if target == Target::Stdout {
        if printer.is_json() {
            return Err(CliError::Usage("the picture and JSON don't both fit into stdout; give -o a file".to_owned()));
        }
        if std::io::stdout().is_terminal() {
            return Err(CliError::Usage(
                "a terminal can't show the file; redirect stdout or give -o a file".to_owned(),
            ));
        }
    }
    unless_interrupted(write(connection, &order, target, printer)).await
}

async fn write(
    connection: &Connection,
    order: &args::Fetch,
    target: Target,
    printer: &Printer,
) -> Result<(), CliError> {
    let id = order.job.id;
    let job = connection.job(id).await?;
    let download = connection.result(id).await?;
    let name = result_name(&job, download.media_type());
    let path: PathBuf = match target {
        Target::Stdout => return pour(download, printer).await,
        Target::File(path) => path,
        Target::Folder(folder) => folder.join(name),
    };
    let existing = if order.force { Existing::Replace } else { Existing::Keep };
    save(download, &path, existing).await?;
    let shown = path.display().to_string();
    printer.value(&Written { job: &job, output: &shown }, |_| {
        let size = match &job.state {
            JobState::Succeeded { result, .. } => dimensions(result).map_or_else(String::new, |px| format!("  {px}")),
            _ => String::new(),
        };
        format!("{shown}{size}\n")
    })
}

/// Lists styles, or shows one.
pub(super) async fn styles(
    connection: &Connection,
    name: Option<StyleName>,
    printer: &Printer,
) -> Result<(), CliError> {
    let styles = connection.styles().await?;
    let Some(name) = name else { return printer.list("styles", &styles, |look| view::styles(&styles, look)) };
    match styles.iter().find(|style| style.name == name) {
        Some(style) => printer.value(style, |look| view::style(style, look)),
        None => Err(CallError::Refused(protocol::convert::Refused {
            code: protocol::ErrorCode::StyleNotFound,
            detail: format!("there is no style \"{name}\"; `atelier styles` lists them"),
            retry_after: None,
        })
        .into()),
    }
}
