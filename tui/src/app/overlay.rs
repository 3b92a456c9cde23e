//! What lies over the views: help and questions.

use super::{App, Effect};
use crate::keys::{Action, Scope};

/// What lies over the view.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Overlay {
    /// All keys, from this line on.
    Help {
        /// The first line shown.
        top: usize,
    },
    /// A question.
    Question(Question),
}

/// A question that must be answered before something is done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Question {
    /// What is asked.
    pub(crate) title: String,
    /// What it is about, a line each.
    pub(crate) lines: Vec<String>,
    /// What is done after a yes.
    pub(crate) effect: Effect,
}

impl Overlay {
    /// Returns where its keys are listed.
    pub(crate) const fn scope(&self) -> Scope {
        match self {
            Self::Help { .. } => Scope::Help,
            Self::Question(_) => Scope::Question,
        }
    }
}

/// A key while something lies over the view; it is put back unless it is done with.
pub(super) fn key(app: &mut App, overlay: Overlay, action: Option<Action>) -> Vec<Effect> {
    match (overlay, action) {
        (_, Some(Action::Abandon)) => Vec::new(),
        (Overlay::Question(question), Some(Action::Accept)) => {
            app.jobs.marks.clear();
            vec![question.effect]
        }
        (Overlay::Help { top }, Some(action)) => {
            let page = usize::from(app.size.1.saturating_sub(4)).max(1);
            let top = match action {
                Action::Up => top.saturating_sub(1),
                Action::Down => top + 1,
                Action::PageUp => top.saturating_sub(page),
                Action::PageDown => top + page,
                Action::First => 0,
                _ => top,
            };
            let last = crate::view::help::lines(app).len().saturating_sub(page);
            app.overlay = Some(Overlay::Help { top: top.min(last) });
            Vec::new()
        }
        (overlay, _) => {
            app.overlay = Some(overlay);
            Vec::new()
        }
    }
}
