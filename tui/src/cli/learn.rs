//! Training and painting: one job, sent and followed to its end.

use std::path::Path;

use protocol::{Event, EventBody, Job, JobId, JobRef, JobState, PaintOrder, TrainOrder, Wishes};
use serde::Serialize;
use uuid::Uuid;

use super::args::{self, Global};
use super::fetch::fetch;
use super::files::{Existing, Target};
use super::printer::{Printer, unread};
use super::submit::{Patience, Place, format_of, open, refuse_existing, same_format, stdin_once};
use super::{CliError, unless_interrupted};
use crate::conn::{CallError, Connection, Source};
use crate::words::plain;

mod shown;

use shown::Shown;

/// A job that was followed to its end, as programs read it.
#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    job: &'a Job,
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
}

/// What is sent, decided before anything is.
#[derive(Debug)]
pub(super) struct Plan {
    /// What the file is called here.
    label: String,
    order: Order,
    wishes: Wishes,
    waits: bool,
    /// Makes sending it safe to repeat.
    key: String,
}

#[derive(Debug)]
enum Order {
    Train { order: TrainOrder, artwork: Source },
    Paint { order: PaintOrder, photo: Source, artworks: Vec<Source>, place: Place, existing: Existing },
}

impl Plan {
    /// Reads an order to learn a style.
    ///
    /// # Errors
    /// A number that no training can have; an artwork that can't be read.
    pub(super) fn train(order: &args::Train) -> Result<Self, CliError> {
        let wanted = order.order();
        wanted.clone().fill().map_err(|error| CliError::Usage(error.to_string()))?;
        let (label, artwork, _) = open(order.artwork.clone())?;
        Ok(Self::new(label, Order::Train { order: wanted, artwork }, &order.about))
    }

    /// Reads an order to paint a photo.
    ///
    /// # Errors
    /// A number that no painting can have; a picture that can't be read; a painting that would overwrite a file.
    pub(super) fn paint(order: &args::Paint, printer: &Printer) -> Result<Self, CliError> {
        let paths = order.artwork.iter().map(|artwork| artwork.path.as_path());
        stdin_once(paths.clone().chain([order.photo.as_path()]))?;
        let (label, photo, head) = open(order.photo.clone())?;
        let artworks = paths.map(|path| Ok(open(path.to_owned())?.1)).collect::<Result<Vec<_>, CliError>>()?;
        let target = Target::new(order.output.clone(), 1)?;
        if target == Target::Stdout && printer.is_json() {
            return Err(CliError::Usage("the picture and JSON don't both fit into stdout; give -o a file".to_owned()));
        }
        let format = order.format.or_else(|| format_of(&target));
        let wanted = PaintOrder { format, ..order.order() };
        let own = same_format(&head);
        wanted.clone().fill(artworks.len(), own).map_err(|error| CliError::Usage(error.to_string()))?;
        let place = match target {
            Target::Stdout => Place::Stdout,
            Target::File(path) => Place::File(path),
            Target::Folder(folder) => Place::Named(folder, stem(order)),
        };
        if !order.about.no_wait && !order.force {
            refuse_existing(&place, format.unwrap_or(own))?;
        }
        let existing = if order.force { Existing::Replace } else { Existing::Keep };
        Ok(Self::new(label, Order::Paint { order: wanted, photo, artworks, place, existing }, &order.about))
    }

    fn new(label: String, order: Order, about: &args::About) -> Self {
        Self { label, order, wishes: about.wishes(), waits: !about.no_wait, key: Uuid::now_v7().to_string() }
    }
}

/// Names a painting after its photo and its first artwork.
fn stem(order: &args::Paint) -> String {
    let stem = |path: &Path| {
        let path = if path.as_os_str() == "-" { Path::new("stdin") } else { path };
        path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
    };
    let artwork = order.artwork.first().map_or_else(|| "painting".to_owned(), |artwork| stem(&artwork.path));
    format!("{}-{artwork}", stem(&order.photo))
}

/// Sends the job and, unless told not to, follows it to its end.
pub(super) async fn run(plan: Plan, global: Global, printer: &Printer) -> Result<(), CliError> {
    let connection = Connection::open(global.server, global.token).await?;
    let job = send(&plan, &connection, printer).await?;
    if !plan.waits {
        if printer.is_json() {
            return printer.json(&Line { job: &job, file: &plan.label, output: None });
        }
        return printer.text(&format!("{}\n", job.id));
    }
    let mut shown = Shown::new(&job);
    let mut finished = None;
    let ended = unless_interrupted(async {
        let job = finished.insert(follow(&connection, job.clone(), &mut shown).await?);
        shown.clear();
        conclude(&plan, &connection, job, printer).await
    });
    let ended = ended.await;
    shown.clear();
    match &ended {
        Ok(()) | Err(CliError::Failed | CliError::ClosedPipe) => {}
        Err(_) if finished.is_some() => remind(job.id, printer),
        Err(_) => farewell(job.id, printer),
    }
    ended
}

async fn send(plan: &Plan, connection: &Connection, printer: &Printer) -> Result<Job, CallError> {
    let again =
        |error: &CallError| printer.say(&format!("{}: {}; trying again", plan.label, plain(&error.to_string())));
    let send = async || match &plan.order {
        Order::Train { order, artwork } => {
            connection.train(order.clone(), (plan.wishes.clone(), plan.key.clone()), artwork).await
        }
        Order::Paint { order, photo, artworks, .. } => {
            connection.paint(order.clone(), (plan.wishes.clone(), plan.key.clone()), photo, artworks).await
        }
    };
    Patience::Single.with(again, send).await
}

/// Waits for a job's end and shows how it gets there.
async fn follow(connection: &Connection, mut job: Job, shown: &mut Shown) -> Result<Job, CallError> {
    let id = job.id;
    let mut events = Patience::Single.with(|_| {}, async || connection.watch(Some(JobRef::Id(id))).await).await?;
    while let Some(event) = events.next().await? {
        let loss = take_in(&mut job, event);
        if job.state.is_finished() {
            return Ok(job);
        }
        shown.show(&job, loss);
    }
    Patience::Single.with(|_| {}, async || connection.job(JobRef::Id(id)).await).await
}

/// Brings what is known of a job up to date, and returns the loss where the event tells it.
fn take_in(job: &mut Job, event: Event) -> Option<f64> {
    match event.body {
        EventBody::Snapshot(snapshot) => *job = snapshot.jobs.into_iter().find(|known| known.id == job.id)?,
        EventBody::State(now) if now.id == job.id => *job = *now,
        EventBody::Progress { progress: now, .. } => {
            if let JobState::Running { progress, .. } = &mut job.state {
                *progress = now;
            }
        }
        EventBody::Loss { point, .. } => return Some(point.total),
        _ => {}
    }
    None
}

/// Says what became of a job, and brings a painting home.
async fn conclude(plan: &Plan, connection: &Connection, job: &Job, printer: &Printer) -> Result<(), CliError> {
    for warning in &job.warnings {
        printer.say(&plain(warning));
    }
    if !job.skipped_files.is_empty() {
        let count = job.skipped_files.len();
        let files = if count == 1 { "1 file was".to_owned() } else { format!("{count} files were") };
        printer.say(&format!("{files} passed over; `atelier show {}` tells why", job.id.short()));
    }
    let why = match &job.state {
        JobState::Succeeded { .. } => None,
        JobState::Failed { error, .. } => Some(format!("{} ({})", error.detail, error.code)),
        _ => Some("somebody cancelled it".to_owned()),
    };
    if let Some(why) = why {
        let (short, state) = (job.id.short(), job.state.name());
        printer.say(&format!("{}: job {short} {state}: {}", plan.label, plain(&why)));
        if printer.is_json() {
            unread(printer.json(&Line { job, file: &plan.label, output: None }))?;
        }
        return Err(CliError::Failed);
    }
    match &plan.order {
        Order::Train { .. } if printer.is_json() => printer.json(&Line { job, file: &plan.label, output: None }),
        Order::Train { order, .. } => {
            printer.say(&format!("the style is ready: atelier submit photo.jpg --style {}", order.name));
            printer.text(&format!("{}\n", order.name))
        }
        Order::Paint { place, existing, .. } => {
            let Some(output) = fetch(connection, job.id, place, *existing, printer).await? else { return Ok(()) };
            if printer.is_json() {
                return printer.json(&Line { job, file: &plan.label, output: Some(output) });
            }
            printer.text(&format!("{output}\n"))
        }
    }
}

/// Says what happens to the job now that nobody waits for it here.
fn farewell(id: JobId, printer: &Printer) {
    let id = id.short();
    printer.say(&format!(
        "the job {id} goes on without this program; `atelier watch {id}` follows it, `atelier cancel --keep {id}` ends it \
         with what there is"
    ));
}

/// Says how to get what a finished job has made.
fn remind(id: JobId, printer: &Printer) {
    let id = id.short();
    printer.say(&format!("the job {id} is finished; `atelier result {id}` fetches what it has made"));
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use clap::Parser as _;

    use super::*;

    #[test]
    fn a_painting_takes_only_one_of_its_pictures_from_stdin() {
        let photo = tempfile::NamedTempFile::new().unwrap();
        let photo = photo.path().to_str().unwrap();
        for (photo, first, second) in [(photo, "-", "-"), ("-", photo, "-")] {
            let line = ["atelier", "paint", photo, "--artwork", first, "--artwork", second];
            let Some(args::Command::Paint(order)) = args::Cli::try_parse_from(line).unwrap().command else {
                panic!("{line:?}")
            };
            let refused = Plan::paint(&order, &Printer::new(false));
            assert!(matches!(refused, Err(CliError::Usage(_))), "{line:?}: {refused:?}");
        }
    }
}
