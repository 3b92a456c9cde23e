//! What there is to say about a style.

use protocol::Style;

use super::{Cell, cell, toned};
use crate::theme::Tone;

/// Returns everything there is to say about a style.
pub(crate) fn style_rows(style: &Style) -> Vec<(&'static str, Cell)> {
    let mut rows = vec![("name", cell(style.name.as_str())), ("state", toned(style.state, style.state.as_str()))];
    if let Some(problem) = &style.problem {
        rows.push(("problem", toned(Tone::Bad, format!("{} ({})", problem.detail, problem.code))));
    }
    let texts = [
        ("title", &style.title),
        ("artwork", &style.artwork),
        ("author", &style.author),
        ("licence", &style.licence),
        ("trained on", &style.trained_on),
        ("architecture", &style.architecture),
    ];
    rows.extend(texts.into_iter().filter_map(|(name, text)| Some((name, cell(text.as_ref()?)))));
    if let Some(parameters) = style.parameters {
        rows.push(("parameters", cell(parameters.to_string())));
    }
    if let Some(digest) = &style.digest {
        rows.push(("digest", cell(digest)));
    }
    rows
}
