//! The letter about a style that has been learned, or could not be.

use std::fmt::Write as _;

use lettre::message::SinglePart;
use protocol::{Job, JobResult, LossPoint, StyleName};

use super::{Enclosure, enclosed, one_line, people_bytes, sign};

/// What a letter about a style shows of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learned {
    /// The loss at the last step.
    pub last: Option<LossPoint>,
    /// The drawn curve, a PNG.
    pub curve: Option<Vec<u8>>,
    /// A photo in the style, a JPEG.
    pub sample: Option<Vec<u8>>,
}

/// Returns the subject and the text of good news.
pub(super) fn good_news(job: &Job, style: &StyleName, result: &JobResult, learned: &Learned) -> (String, String) {
    let short = job.id.short();
    let mut text = format!("Hello,\n\nthe style {style} has been learned");
    // Writing to a text can't fail.
    if let Some(LossPoint { step, total, content, style, .. }) = &learned.last {
        let _ = write!(
            text,
            " in {step} steps.\nThe loss came down to {total:.3} (content {content:.3}, style {style:.3})"
        );
    }
    text.push_str(match (&learned.curve, &learned.sample) {
        (Some(_), Some(_)) => ".\nIts curve and a sample are attached.\n",
        (Some(_), None) => ".\nIts curve is attached.\n",
        (None, Some(_)) => ".\nA sample is attached.\n",
        (None, None) => ".\n",
    });
    let size = people_bytes(result.bytes);
    let _ = write!(
        text,
        "\nPaint with it:\n\n    atelier submit photo.jpg --style {style}\n\nFetch it as one file ({size}), to pass it on:\n\n    \
         atelier result {short}\n"
    );
    sign(&mut text, job);
    (format!("Your style {style} is ready"), text)
}

/// Returns the subject and the text of bad news.
pub(super) fn bad_news(job: &Job, style: &StyleName, reason: &str) -> (String, String) {
    let reason = one_line(reason);
    let mut text = format!(
        "Hello,\n\nthe style {style} could not be learned. The reason:\n\n    {reason}\n\nYou can try once more with\n\n    \
         atelier retry {}\n",
        job.id.short()
    );
    sign(&mut text, job);
    (format!("Your style {style} could not be learned"), text)
}

/// Returns what comes along.
pub(super) fn enclosures(job: &Job, style: &StyleName, learned: Learned) -> Vec<SinglePart> {
    let short = job.id.short();
    let curve = learned.curve.map(|bytes| Enclosure {
        name: format!("{style}-{short}-loss.png"),
        media_type: "image/png",
        bytes,
    });
    let sample =
        learned.sample.map(|bytes| Enclosure { name: format!("{style}-{short}.jpg"), media_type: "image/jpeg", bytes });
    curve.into_iter().chain(sample).map(enclosed).collect()
}
