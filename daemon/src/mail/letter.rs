//! What is written.

use std::fmt::Write as _;
use std::time::SystemTime;

use jiff::Timestamp;
use lettre::message::header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Attachment, Body, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use protocol::{Job, JobResult, JobState, StyleName};

/// Everything that a letter is made of.
#[derive(Debug)]
pub struct Letter<'a> {
    /// The finished job.
    pub job: &'a Job,
    /// The sender.
    pub from: &'a Mailbox,
    /// The recipient.
    pub to: Address,
    /// How the painting gets there; of no account for a failed job.
    pub painting: Painting,
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
    let Letter { job, from, to, painting } = letter;
    let style = in_its_style(job);
    let (subject, text, finished_at, attachment) = match &job.state {
        JobState::Succeeded { result, finished_at, .. } => {
            let subject = format!("Your painting{style} is ready");
            let text = good_news(job, result, &painting);
            let attachment = match painting {
                Painting::Attached(bytes) => Some(attachment(job, result, bytes)),
                Painting::Link(..) | Painting::Kept(_) | Painting::Gone => None,
            };
            (subject, text, *finished_at, attachment)
        }
        JobState::Failed { error, finished_at, .. } => {
            let subject = format!("Your photo could not be painted{style}");
            (subject, bad_news(job, &error.detail), *finished_at, None)
        }
        _ => return Err(LetterError::Unfinished),
    };
    let message = Message::builder()
        .message_id(Some(format!("<{}@{}>", name(job), from.email.domain())))
        .date(SystemTime::try_from(finished_at).unwrap_or(SystemTime::UNIX_EPOCH))
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(subject)
        .header(AutoSubmitted);
    Ok(match attachment {
        None => message.singlepart(SinglePart::plain(text))?,
        // A boundary of our own, so that a second try sends the same bytes.
        Some(attachment) => message.multipart(
            MultiPart::mixed()
                .boundary(format!("atelier-{}", job.id))
                .singlepart(SinglePart::plain(text))
                .singlepart(attachment),
        )?,
    })
}

fn attachment(job: &Job, result: &JobResult, bytes: Vec<u8>) -> SinglePart {
    let kind = ContentType::parse(&result.media_type)
        .unwrap_or(ContentType::parse("application/octet-stream").expect("a media type"));
    let extension = match result.media_type.as_str() {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/webp" => "webp",
        _ => "bin",
    };
    // Left to itself, the library sends a picture that happens to be ASCII as text.
    let body = Body::new_with_encoding(bytes, ContentTransferEncoding::Base64).expect("base64 carries any bytes");
    let name = job.style().map_or("painting", StyleName::as_str);
    Attachment::new(format!("{name}-{}.{extension}", job.id.short())).body(body, kind)
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
        let letter = Letter { job, from: &from, to: "me@example.org".parse().unwrap(), painting };
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

    #[test]
    fn a_failed_job_tells_why() {
        let mut job = job();
        let error = Failure { code: ErrorCode::StyleGone, detail: "the style great-wave was removed".to_owned() };
        job.state = JobState::Failed { started_at: None, finished_at: job.created_at, error };
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
        job.state = JobState::Failed { started_at: None, finished_at: job.created_at, error };
        let text = written(&job, Painting::Gone);
        let (headers, body) = text.split_once("\n\n").unwrap();
        assert!(!headers.contains("Bcc"), "{headers}");
        assert!(!body.lines().any(|line| line.starts_with("Bcc")), "{body}");
    }

    #[test]
    fn a_job_that_goes_on_has_no_letter() {
        let mut job = job();
        job.state = JobState::Queued;
        let from = crate::mail::address::sender("a@example.org").unwrap();
        let letter = Letter { job: &job, from: &from, to: "me@example.org".parse().unwrap(), painting: Painting::Gone };
        assert!(matches!(compose(letter), Err(LetterError::Unfinished)));
    }
}
