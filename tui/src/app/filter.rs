//! What is typed after `/`.

use protocol::{Job, JobState};

use crate::words::style;

/// A filter: words that must all fit, `!` turns one round, `name:` looks in one place.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    text: String,
    words: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq)]
struct Word {
    field: Option<String>,
    text: String,
    negated: bool,
}

impl Filter {
    /// Reads a filter.
    pub(crate) fn new(text: &str) -> Self {
        let words = text.split_whitespace().filter_map(|word| {
            let (negated, word) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
            let (field, text) = match word.split_once(':') {
                Some((field, text)) if FIELDS.contains(&field) => (Some(field.to_owned()), text),
                _ => (None, word),
            };
            (!text.is_empty()).then(|| Word { field, text: text.to_lowercase(), negated })
        });
        Self { text: text.trim().to_owned(), words: words.collect() }
    }

    /// Returns it as it was typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Says whether everything fits.
    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Says whether a job fits.
    pub(crate) fn fits(&self, job: &Job) -> bool {
        self.fits_fields(|field| {
            Some(match field {
                "id" => job.id.to_string(),
                "state" => job.state.name().to_string(),
                "kind" => job.kind().to_string(),
                "style" => style(job).to_owned(),
                "priority" => job.priority.to_string(),
                "note" => job.note.clone()?,
                "mail" => job.mail.as_ref()?.to.clone(),
                "device" => job.state.device()?.to_owned(),
                "error" => match &job.state {
                    JobState::Failed { error, .. } => format!("{} {}", error.code, error.detail),
                    _ => return None,
                },
                _ => return None,
            })
        })
    }

    /// Says whether a text fits, for lists of other things.
    pub(crate) fn fits_text(&self, text: &str) -> bool {
        self.fits_fields(|field| (field == "id").then(|| text.to_owned()))
    }

    fn fits_fields(&self, value: impl Fn(&str) -> Option<String>) -> bool {
        self.words.iter().all(|word| {
            let contains = |field: &str| value(field).is_some_and(|value| value.to_lowercase().contains(&word.text));
            let found = match &word.field {
                Some(field) => contains(field),
                None => FIELDS.iter().any(|field| contains(field)),
            };
            found != word.negated
        })
    }
}

/// The places that can be looked in.
const FIELDS: [&str; 9] = ["id", "state", "kind", "style", "priority", "note", "mail", "device", "error"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fixtures;

    #[test]
    fn a_filter_has_words_fields_and_negations() {
        let job = fixtures::jobs().into_iter().find(|job| matches!(job.state, JobState::Failed { .. }));
        let job = job.expect("the fixtures have a failed job");
        let check = |text: &str, expected: bool| assert_eq!(Filter::new(text).fits(&job), expected, "{text}");
        check("", true);
        check("   ", true);
        check("failed", true);
        check("state:failed", true);
        check("STATE:failed", false);
        check("!state:failed", false);
        check("state:failed style:scream", true);
        check("state:failed style:wave", false);
        check("state:failed !style:wave", true);
        check("!failed", false);
        check("note:", true);
        check("FAILED", true);
        check("C:\\photos", false);
        check("error:finite", true);
        check("device:cpu", true);
        check(&job.id.short().to_string(), true);
    }
}
