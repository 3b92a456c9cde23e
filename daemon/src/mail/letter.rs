//! What is written.

mod learned;

use std::fmt::Write as _;
use std::time::SystemTime;

use jiff::Timestamp;
use lettre::message::header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Attachment, Body, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use protocol::{Job, JobResult, JobState, Parameters, StyleName};

pub use learned::Learned;

/// Everything that a letter is made of.
#[derive(Debug)]
pub struct Letter<'a> {
    /// The finished job.
    pub job: &'a Job,
    /// The sender.
    pub from: &'a Mailbox,
    /// The recipient.
    pub to: Address,
    /// How the painting gets there; of no account for a failed job or a style.
    pub painting: Painting,
    /// What there is to show of a style that has been learned.
    pub learned: Learned,
}

/// A file that comes along.
struct Enclosure {
    name: String,
    media_type: &'static str,
    bytes: Vec<u8>,
}

/// How a painting gets to its recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Painting {
    /// In the letter.
    Attached(Vec<u8>),
    /// By a link that needs no token, until then.
    Link(String, Timestamp),
    /// The recipient asks the daemon for it, until then.
    Kept(Timestamp),
    /// Not at all: its time is over.
    Gone,
}

/// A letter that can't be written.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// The job has no end that could be told.
    #[error("the job has neither a result nor a reason")]
    Unfinished,
    /// The mail library refuses a part.
    #[error("the mail can't be put together: {0}")]
    Parts(#[from] lettre::error::Error),
}

/// `Auto-Submitted` (RFC 3834): keeps other programs from answering.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Names a job's letter: the same for every try, and another one after the job was retried.
#[must_use]
pub fn name(job: &Job) -> String {
    format!("{}.{}", job.id, job.attempt)
}

/// Writes the letter of a finished job. The same job gives the same bytes.
///
/// # Errors
/// When the job is unfinished, or the parts make no mail.
pub fn compose(letter: Letter<'_>) -> Result<Message, LetterError> {
    let Letter { job, from, to, painting, learned } = letter;
    let finished_at = match &job.state {
        JobState::Succeeded { finished_at, .. } | JobState::Failed { finished_at, .. } => *finished_at,
        _ => return Err(LetterError::Unfinished),
    };
    let (subject, text, attachments) = contents(job, painting, learned);
    let message = Message::builder()
        .message_id(Some(format!("<{}@{}>", name(job), from.email.domain())))
        .date(SystemTime::try_from(finished_at).unwrap_or(SystemTime::UNIX_EPOCH))
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(subject)
        .header(AutoSubmitted);
    if attachments.is_empty() {
        return Ok(message.singlepart(SinglePart::plain(text))?);
    }
    // A boundary of our own, so that a second try sends the same bytes.
    let parts = MultiPart::mixed().boundary(format!("atelier-{}", job.id)).singlepart(SinglePart::plain(text));
    Ok(message.multipart(attachments.into_iter().fold(parts, MultiPart::singlepart))?)
}

/// Returns the subject, the text, and what comes along.
fn contents(job: &Job, painting: Painting, learned: Learned) -> (String, String, Vec<SinglePart>) {
    let style = in_its_style(job);
    match (&job.parameters, &job.state) {
        (Parameters::Train(train), JobState::Succeeded { result, .. }) => {
            let (subject, text) = learned::good_news(job, &train.name, result, &learned);
            (subject, text, learned::enclosures(job, &train.name, learned))
        }
        (Parameters::Train(train), JobState::Failed { error, .. }) => {
            let (subject, text) = learned::bad_news(job, &train.name, &error.detail);
            (subject, text, Vec::new())
        }
        (_, JobState::Succeeded { result, .. }) => {
            let text = good_news(job, result, &painting);
            let attachment = match painting {
                Painting::Attached(bytes) => Some(attachment(job, result, bytes)),
                Painting::Link(..) | Painting::Kept(_) | Painting::Gone => None,
            };
            (format!("Your painting{style} is ready"), text, attachment.into_iter().collect())
        }
        (_, JobState::Failed { error, .. }) => {
            (format!("Your photo could not be painted{style}"), bad_news(job, &error.detail), Vec::new())
        }
        _ => (String::new(), String::new(), Vec::new()),
    }
}

fn enclosed(Enclosure { name, media_type, bytes }: Enclosure) -> SinglePart {
    let kind =
        ContentType::parse(media_type).unwrap_or(ContentType::parse("application/octet-stream").expect("a media type"));
    // Left to itself, the library sends a picture that happens to be ASCII as text.
    let body = Body::new_with_encoding(bytes, ContentTransferEncoding::Base64).expect("base64 carries any bytes");
    Attachment::new(name).body(body, kind)
}

fn attachment(job: &Job, result: &JobResult, bytes: Vec<u8>) -> SinglePart {
    let (extension, media_type) = match result.media_type.as_str() {
        "image/jpeg" => ("jpg", "image/jpeg"),
        "image/png" => ("png", "image/png"),
        "image/webp" => ("webp", "image/webp"),
        _ => ("bin", "application/octet-stream"),
    };
    let name = job.style().map_or("painting", StyleName::as_str);
    enclosed(Enclosure { name: format!("{name}-{}.{extension}", job.id.short()), media_type, bytes })
}

fn good_news(job: &Job, result: &JobResult, painting: &Painting) -> String {
    let JobResult { width, height, bytes, .. } = result;
    let size = match (width, height) {
        (Some(width), Some(height)) => format!("{width} by {height} pixels, {}", people_bytes(*bytes)),
        _ => people_bytes(*bytes),
    };
    let short = job.id.short();
    let way = match painting {
        Painting::Attached(_) => format!("The painting is attached ({size})."),
        Painting::Link(url, until) => format!("Here it is ({size}), until {}:\n\n{url}", day(*until)),
        Painting::Kept(until) => format!(
            "It is too large to attach ({size}). Fetch it until {} with\n\n    atelier result {short}",
            day(*until)
        ),
        Painting::Gone => {
            "It is no longer kept, since its time is over. Send the photo again for a new one.".to_owned()
        }
    };
    let mut text = format!("Hello,\n\nyour photo has been painted{}.\n{way}\n", in_its_style(job));
    sign(&mut text, job);
    text
}

fn bad_news(job: &Job, reason: &str) -> String {
    let reason = one_line(reason);
    let mut text = format!(
        "Hello,\n\nyour photo could not be painted{}. The reason:\n\n    {reason}\n\n\
         You can try once more with\n\n    atelier retry {}\n",
        in_its_style(job),
        job.id.short()
    );
    sign(&mut text, job);
    text
}

/// Names the style, where the job has one.
fn in_its_style(job: &Job) -> String {
    job.style().map_or_else(String::new, |style| format!(" in the style {style}"))
}

fn sign(text: &mut String, job: &Job) {
    if let Some(note) = &job.note {
        let _ = write!(text, "\nYour note: {}\n", one_line(note));
    }
    let _ = write!(text, "\nJob {}\nSent in on {}\n\n-- \nAtelier\n", job.id, moment(job.created_at));
}

fn people_bytes(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} bytes"),
        1000..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn day(at: Timestamp) -> String {
    at.strftime("%-d %B %Y").to_string()
}

fn moment(at: Timestamp) -> String {
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use protocol::{ErrorCode, Failure};

    use super::*;
    use crate::fixtures;

    fn job() -> Job {
        let mut job = fixtures::record_with(None, Some("me@example.org")).job;
        job.id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        job.created_at = "2026-11-24T12:00:00Z".parse().unwrap();
        job.attempt = 1;
        job.note = Some("for the wall".to_owned());
        job.state = JobState::Succeeded {
            started_at: job.created_at,
            finished_at: "2026-11-24T12:00:05Z".parse().unwrap(),
            device: "cpu".to_owned(),
            result: JobResult {
                url: "/v1/jobs/x/result".to_owned(),
                media_type: "image/png".to_owned(),
                width: Some(1024),
                height: Some(768),
                bytes: 1_234_567,
                sha256: String::new(),
            },
        };
        job
    }

    fn written(job: &Job, painting: Painting) -> String {
        let from = crate::mail::address::sender("Atelier <atelier@example.org>").unwrap();
        let letter =
            Letter { job, from: &from, to: "me@example.org".parse().unwrap(), painting, learned: Learned::default() };
        String::from_utf8(compose(letter).unwrap().formatted()).unwrap().replace("\r\n", "\n")
    }

    fn until() -> Timestamp {
        "2026-12-24T12:00:05Z".parse().unwrap()
    }

    #[test]
    fn a_small_painting_comes_along() {
        insta::assert_snapshot!(written(&job(), Painting::Attached(b"PNG".to_vec())));
    }

    #[test]
    fn a_large_painting_has_a_link() {
        let url = "https://atelier.example.org/v1/jobs/01890a5d-ac96-774b-bcce-b302099a8057/result?cap=1798113605.0011";
        insta::assert_snapshot!(written(&job(), Painting::Link(url.to_owned(), until())));
    }

    #[test]
    fn without_a_public_address_the_way_to_it_is_told() {
        insta::assert_snapshot!(written(&job(), Painting::Kept(until())));
    }

    fn training() -> Job {
        let order = protocol::TrainOrder::new("my-wave".parse().unwrap());
        Job { parameters: Parameters::Train(order.fill().unwrap()), ..job() }
    }

    #[test]
    fn a_learned_style_comes_with_its_curve_and_a_sample() {
        let job = training();
        let from = crate::mail::address::sender("Atelier <atelier@example.org>").unwrap();
        let last = crate::curve::tests::point(400, 3.0);
        let learned = Learned { last: Some(last), curve: Some(b"PNG".to_vec()), sample: Some(b"JPEG".to_vec()) };
        let to = "me@example.org".parse().unwrap();
        let letter = Letter { job: &job, from: &from, to, painting: Painting::Gone, learned };
        let text = String::from_utf8(compose(letter).unwrap().formatted()).unwrap().replace("\r\n", "\n");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_style_that_could_not_be_learned_tells_why() {
        let mut job = training();
        let error = Failure { code: ErrorCode::NotFinite, detail: "the losses leap; lower learning_rate".to_owned() };
        job.state = JobState::Failed { started_at: None, finished_at: job.created_at, device: None, error };
        insta::assert_snapshot!(written(&job, Painting::Gone));
    }

    #[test]
    fn a_failed_job_tells_why() {
        let mut job = job();
        let error = Failure { code: ErrorCode::StyleGone, detail: "the style great-wave was removed".to_owned() };
        job.state = JobState::Failed { started_at: None, finished_at: job.created_at, device: None, error };
        insta::assert_snapshot!(written(&job, Painting::Gone));
    }

    #[test]
    fn the_same_job_gives_the_same_bytes_and_a_retried_one_another_id() {
        let (first, second) = (written(&job(), Painting::Gone), written(&job(), Painting::Gone));
        assert_eq!(first, second);
        let retried = Job { attempt: 2, ..job() };
        assert_ne!(name(&job()), name(&retried));
    }

    #[test]
    fn nothing_that_people_write_gets_into_the_headers() {
        let mut job = job();
        job.note = Some("x\r\nBcc: all@example.org\r\n\r\n<script>".to_owned());
        let error = Failure { code: ErrorCode::DeviceFailed, detail: "a\r\nBcc: all@example.org".to_owned() };
        job.state = JobState::Failed { started_at: None, finished_at: job.created_at, device: None, error };
        let text = written(&job, Painting::Gone);
        let (headers, body) = text.split_once("\n\n").unwrap();
        assert!(!headers.contains("Bcc"), "{headers}");
        assert!(!body.lines().any(|line| line.starts_with("Bcc")), "{body}");
    }

    #[test]
    fn a_job_that_goes_on_has_no_letter() {
        let mut job = job();
        job.state = JobState::Queued { steps_done: 0 };
        let from = crate::mail::address::sender("a@example.org").unwrap();
        let letter = Letter {
            job: &job,
            from: &from,
            to: "me@example.org".parse().unwrap(),
            painting: Painting::Gone,
            learned: Learned::default(),
        };
        assert!(matches!(compose(letter), Err(LetterError::Unfinished)));
    }
}
