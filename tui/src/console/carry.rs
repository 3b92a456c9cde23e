//! Effects carried out, each beside the loop, with their answers sent back into it.

use std::io;
use std::path::{Path, PathBuf};

use protocol::{JobId, JobRef, StateName};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::local;

use crate::app::form::{self, Form};
use crate::app::{Answer, Change, Effect, Failed, Input};
use crate::cli::files::{Existing, save};
use crate::cli::import;
use crate::conn::{CallError, Connection, Download, Filter, Order, Source};
use crate::picture::Picture;

/// The largest picture that is fetched to be looked at, in bytes.
const PICTURE_BYTES: usize = 64 << 20;

/// How many points of a curve are fetched: more than any screen has columns, each with its smallest and largest.
const POINTS: u32 = 20_000;

/// How many older jobs are fetched at once.
const PAGE: u32 = 200;

/// How many waiting jobs are asked for their places at once: the most that the daemon tells.
const QUEUE: u32 = 1_000;

/// Carries an effect out and sends its answers to `inputs`.
pub(super) fn out(effect: Effect, connection: Option<Connection>, inputs: &mpsc::Sender<Input>) {
    let inputs = inputs.clone();
    // What is about this machine alone needs no daemon.
    let Some(effect) = local::answer(effect, &inputs) else { return };
    let Some(connection) = connection else { return };
    tokio::spawn(async move {
        match effect {
            Effect::Change(what, jobs) => {
                for job in jobs {
                    say(&inputs, changed(&connection, what, job).await).await;
                }
            }
            Effect::Send(form, orders) => {
                let connection = &connection;
                send(*form, orders, |order| answer(connection, order), &inputs).await;
            }
            other => {
                if let Some(answer) = answer(&connection, other).await {
                    say(&inputs, answer).await;
                }
            }
        }
    });
}

async fn say(inputs: &mpsc::Sender<Input>, answer: Answer) {
    // Nobody listens once the console has been left.
    let _ = inputs.send(Input::Answer(answer)).await;
}

/// Sends what a form asks for. What is not accepted of it comes back: of many photos those that are left.
async fn send<F: Future<Output = Option<Answer>>>(
    mut form: Form,
    orders: Vec<Effect>,
    answer: impl Fn(Effect) -> F,
    inputs: &mpsc::Sender<Input>,
) {
    form.problem = None;
    let mut left = Vec::new();
    for order in orders {
        let photo = if let Effect::Submit(photo, _) = &order { Some(photo.clone()) } else { None };
        let Some(answer) = answer(order).await else { continue };
        if let Answer::Failed(_, failed) = &answer {
            form.problem = Some(failed.why().to_owned());
            left.extend(photo);
        }
        say(inputs, answer).await;
    }
    if let form::Order::Submit(photos) = &mut form.order {
        *photos = left;
    }
    if form.problem.is_some() {
        say(inputs, Answer::Returned(Box::new(form))).await;
    }
}

async fn changed(connection: &Connection, what: Change, job: JobId) -> Answer {
    let id = JobRef::Id(job);
    let answer = match what {
        Change::Cancel => connection.cancel(id).await,
        Change::Keep => connection.keep(id).await,
        Change::Pause => connection.pause(id).await,
        Change::Resume => connection.resume(id).await,
        Change::Retry => connection.retry(id).await,
        Change::Forget => connection.forget(id).await,
        Change::Priority(priority) => connection.set_priority(id, priority).await,
    };
    let about = Some(job.short().to_string());
    answer.map_or_else(|error| failed(about, "not changed", error), |job| Answer::Changed(what, Box::new(job)))
}

/// Returns what a failure of an effect is told about.
fn subject(effect: &Effect) -> Option<String> {
    match effect {
        Effect::StylePreview(style) | Effect::Delete(style) => Some(style.to_string()),
        Effect::Painting(job)
        | Effect::Losses(job)
        | Effect::Preview(job, _)
        | Effect::Checkpoints(job)
        | Effect::Save(job, _) => Some(job.short().to_string()),
        Effect::Submit(file, _) | Effect::Paint(file, ..) | Effect::Train(file, ..) | Effect::Import(file, _) => {
            Some(name(file))
        }
        _ => None,
    }
}

/// Returns a file's name without its folder.
fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Returns what has not been done when an effect fails that is a person's wish: nobody else asks for it again.
fn undone(effect: &Effect) -> Option<&'static str> {
    match effect {
        Effect::Submit(..) | Effect::Paint(..) | Effect::Train(..) | Effect::Import(..) => Some("not accepted"),
        Effect::Delete(_) => Some("not deleted"),
        Effect::Save(..) => Some("not written"),
        _ => None,
    }
}

async fn answer(connection: &Connection, effect: Effect) -> Option<Answer> {
    let (about, undone) = (subject(&effect), undone(&effect));
    let answer = match effect {
        Effect::Older(after) => {
            let filter = Filter { limit: Some(PAGE), after, ..Filter::default() };
            connection.jobs(filter).await.map(Answer::Older)
        }
        Effect::Queue => {
            let filter = Filter { state: Some(StateName::Queued), limit: Some(QUEUE), ..Filter::default() };
            connection.jobs(filter).await.map(|page| Answer::Queue(page.jobs))
        }
        Effect::Mail => connection.mail().await.map(Answer::Mail),
        Effect::Devices => connection.devices().await.map(Answer::Devices),
        Effect::StylePreview(name) => {
            let picture = look(connection.style_preview(&name).await).await;
            picture.map(|picture| Answer::StylePreview(name, picture))
        }
        Effect::Painting(job) => {
            let picture = look(connection.result(JobRef::Id(job)).await).await;
            picture.map(|picture| Answer::Painting(job, picture))
        }
        Effect::Losses(job) => connection.losses(JobRef::Id(job), Some(POINTS)).await.map(Answer::Losses),
        Effect::Preview(job, step) => match look(connection.preview(JobRef::Id(job)).await).await {
            // A run has none before its first.
            Err(CallError::Refused(_)) => return None,
            picture => picture.map(|picture| Answer::Preview(job, step, picture)),
        },
        Effect::Checkpoints(job) => connection.checkpoints(JobRef::Id(job)).await.map(Answer::Checkpoints),
        Effect::Submit(photo, order) => {
            let order = Order { idempotency_key: Some(Uuid::now_v7().to_string()), ..*order };
            let job = connection.stylize(order, &Source::File(photo)).await;
            job.map(|job| Answer::Accepted(Box::new(job)))
        }
        Effect::Paint(photo, artworks, order, wishes) => {
            let key = Uuid::now_v7().to_string();
            let artworks: Vec<_> = artworks.into_iter().map(Source::File).collect();
            let job = connection.paint(*order, (wishes, key), &Source::File(photo), &artworks).await;
            job.map(|job| Answer::Accepted(Box::new(job)))
        }
        Effect::Train(artwork, order, wishes) => {
            let key = Uuid::now_v7().to_string();
            let job = connection.train(*order, (wishes, key), &Source::File(artwork)).await;
            job.map(|job| Answer::Accepted(Box::new(job)))
        }
        Effect::Import(path, name) => {
            import::send(connection, &path, &name).await.map(|style| Answer::Imported(Box::new(style)))
        }
        Effect::Save(job, name) => kept(connection, job, name).await,
        Effect::Delete(name) => connection.delete_style(&name).await.map(|()| Answer::Deleted(name)),
        // Carried out elsewhere, or the loop's own.
        Effect::List(_)
        | Effect::Photo(_)
        | Effect::Send(..)
        | Effect::Change(..)
        | Effect::Reconnect
        | Effect::Repaint
        | Effect::Suspend
        | Effect::Detach => return None,
    };
    match answer {
        Ok(answer) => Some(answer),
        // The banner says that, and what was missed is asked for again.
        Err(error @ CallError::Unreachable { .. }) => undone.map(|what| failed(about, what, error)),
        Err(error) => Some(failed(about, undone.unwrap_or("failed"), error)),
    }
}

/// Fetches a picture and makes it small; none where it can't be shown.
async fn look(download: Result<Download, CallError>) -> Result<Option<Picture>, CallError> {
    let bytes = download?.whole(PICTURE_BYTES).await?;
    let decoded = tokio::task::spawn_blocking(move || Picture::decode(&bytes).ok()).await;
    Ok(decoded.unwrap_or_default())
}

async fn kept(connection: &Connection, job: JobId, name: String) -> Result<Answer, CallError> {
    loop {
        let path = free(Path::new(&name));
        match save(connection.result(JobRef::Id(job)).await?, &path, Existing::Keep).await {
            // Somebody took the name meanwhile.
            Err(CallError::File { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {}
            saved => return saved.map(|()| Answer::Saved(path.display().to_string())),
        }
    }
}

/// Returns this path, or, where something is there, the first numbered one that is free: `wave-2.png`.
fn free(path: &Path) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|extension| format!(".{}", extension.display())).unwrap_or_default();
    let numbered = (2..).map(|number| path.with_file_name(format!("{stem}-{number}{extension}")));
    let mut paths = std::iter::once(path.to_owned()).chain(numbered);
    paths.find(|path| path.symlink_metadata().is_err()).expect("numbers don't end")
}

fn failed(about: Option<String>, what: &str, error: CallError) -> Answer {
    let what = about.map_or_else(|| what.to_owned(), |about| format!("{about}: {what}"));
    match error {
        CallError::Refused(refused) => Answer::Failed(what, Failed::Refused(refused)),
        other => Answer::Failed(what, Failed::Other(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::app::fixtures;

    #[tokio::test]
    async fn a_form_comes_back_with_the_photos_that_were_not_accepted_and_why() {
        let (inputs, mut heard) = mpsc::channel(16);
        let mut app = fixtures::app();
        fixtures::filled(&mut app);
        let effects = fixtures::press(&mut app, "<Enter>");
        let Some(Effect::Send(form, orders)) = effects.into_iter().next() else { panic!("not sent: {app:?}") };
        let answer = async |order| match order {
            Effect::Submit(photo, _) if photo.ends_with("cat.jpg") => {
                Some(Answer::Accepted(Box::new(fixtures::jobs().remove(0))))
            }
            order => Some(Answer::Failed(subject(&order)?, Failed::Other("no picture".to_owned()))),
        };
        send(*form, orders, answer, &inputs).await;
        drop(inputs);
        let mut told = Vec::new();
        while let Some(Input::Answer(answer)) = heard.recv().await {
            told.push(answer);
        }
        let [Answer::Accepted(_), Answer::Failed(what, _), Answer::Returned(form)] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert_eq!((what.as_str(), form.problem.as_deref()), ("dog.png", Some("no picture")));
        assert_eq!(form.order, form::Order::Submit(vec!["/home/ada/dog.png".into()]));
    }

    #[test]
    fn a_result_never_takes_the_place_of_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, expected: &str| {
            let path = free(&folder.path().join(name));
            assert_eq!(path, folder.path().join(expected));
            std::fs::write(path, "mine").unwrap();
        };
        check("wave-0606c0de.png", "wave-0606c0de.png");
        check("wave-0606c0de.png", "wave-0606c0de-2.png");
        check("wave-0606c0de.png", "wave-0606c0de-3.png");
        check("wave-0606c0de.jpg", "wave-0606c0de.jpg");
    }

    #[tokio::test]
    async fn a_wish_that_goes_down_with_the_link_is_told() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let connection = Connection::open(server, None).await.unwrap();
        drop(listener);
        let told = answer(&connection, Effect::Delete("wave".parse().unwrap())).await;
        let Some(Answer::Failed(what, Failed::Other(why))) = told else { panic!("{told:?}") };
        assert_eq!(what, "wave: not deleted");
        assert!(why.starts_with("no daemon answers at"), "{why}");
        assert!(answer(&connection, Effect::Mail).await.is_none(), "what is asked for again needs no words");
    }
}
