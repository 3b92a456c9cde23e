//! What lies over the views: help, questions, files to choose, forms.

use std::path::PathBuf;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::files::{Files, Purpose};
use super::form::Form;
use super::{App, Effect, orders};
use crate::app::list::Motion;
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
    /// Files to choose from.
    Files(Files),
    /// A form.
    Form(Form),
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
    /// Returns where its keys are looked up, the nearest first.
    pub(crate) fn scopes(&self) -> Vec<Scope> {
        match self {
            Self::Help { .. } => vec![Scope::Help, Scope::List],
            Self::Question(_) => vec![Scope::Question],
            Self::Files(files) if files.is_typing => vec![Scope::Text],
            Self::Files(_) => vec![Scope::Files, Scope::List],
            Self::Form(_) => vec![Scope::Form],
        }
    }
}

/// A key while something lies over the view; what lies there is put back unless it is done with.
pub(super) fn key(app: &mut App, overlay: Overlay, event: &KeyEvent, action: Option<Action>) -> Vec<Effect> {
    match overlay {
        Overlay::Help { top } => help(app, top, action),
        Overlay::Question(question) => match action {
            Some(Action::Accept) => {
                app.jobs.marks.clear();
                vec![question.effect]
            }
            Some(Action::Abandon) => Vec::new(),
            _ => {
                app.overlay = Some(Overlay::Question(question));
                Vec::new()
            }
        },
        Overlay::Files(files) => choose(app, files, event, action),
        Overlay::Form(form) => fill(app, form, event, action),
    }
}

/// Returns the character that a key writes, if it writes one.
pub(super) fn letter(event: &KeyEvent) -> Option<char> {
    match event.code {
        KeyCode::Char(c) if event.modifiers.difference(KeyModifiers::SHIFT).is_empty() => Some(c),
        _ => None,
    }
}

/// Says whether a key empties what is typed.
pub(super) fn empties(event: &KeyEvent) -> bool {
    event.code == KeyCode::Char('u') && event.modifiers == KeyModifiers::CONTROL
}

fn help(app: &mut App, top: usize, action: Option<Action>) -> Vec<Effect> {
    let page = usize::from(app.size.1.saturating_sub(4)).max(1);
    let last = crate::view::help::lines(app).len().saturating_sub(page);
    let top = match action {
        Some(Action::Abandon) => return Vec::new(),
        Some(Action::Up) => top.saturating_sub(1),
        Some(Action::Down) => top + 1,
        Some(Action::PageUp) => top.saturating_sub(page),
        Some(Action::PageDown) => top + page,
        Some(Action::First) => 0,
        Some(Action::Last) => last,
        _ => top,
    };
    app.overlay = Some(Overlay::Help { top: top.min(last) });
    Vec::new()
}

fn choose(app: &mut App, mut files: Files, event: &KeyEvent, action: Option<Action>) -> Vec<Effect> {
    if files.is_typing {
        match (action, event.code) {
            (Some(Action::Accept), _) => files.is_typing = false,
            (Some(Action::Abandon), _) => (files.is_typing, files.filter) = (false, String::new()),
            (_, KeyCode::Backspace) => drop(files.filter.pop()),
            _ if empties(event) => files.filter.clear(),
            _ => files.filter.extend(letter(event)),
        }
        let effect = files.look();
        app.overlay = Some(Overlay::Files(files));
        return effect.into_iter().collect();
    }
    let page = isize::from(app.size.1 as i16).saturating_sub(6).max(1);
    let effect = match action {
        Some(Action::Abandon) => return Vec::new(),
        Some(Action::Up) => files.go(Motion::By(-1)),
        Some(Action::Down) => files.go(Motion::By(1)),
        Some(Action::PageUp) => files.go(Motion::By(-page)),
        Some(Action::PageDown) => files.go(Motion::By(page)),
        Some(Action::First) => files.go(Motion::First),
        Some(Action::Last) => files.go(Motion::Last),
        Some(Action::Parent) => files.parent(),
        Some(Action::Mark) => files.mark(),
        Some(Action::Hidden) => {
            files.toggle_hidden();
            files.look()
        }
        Some(Action::Filter) => {
            files.is_typing = true;
            None
        }
        Some(Action::Accept) => match files.accept() {
            Some(Ok(chosen)) => return take(app, files, chosen),
            Some(Err(effect)) => Some(effect),
            None => None,
        },
        _ => None,
    };
    app.overlay = Some(Overlay::Files(files));
    effect.into_iter().collect()
}

/// Goes on with the chosen files: to the form that they need, or to the choice that comes next.
fn take(app: &mut App, files: Files, mut chosen: Vec<PathBuf>) -> Vec<Effect> {
    let size = chosen.first().and_then(|first| files.size_px(first));
    let form = match files.purpose {
        Purpose::Photo => {
            let Some(photo) = chosen.pop() else { return Vec::new() };
            app.overlay = Some(Overlay::Files(Files::new(Purpose::Artworks(photo, size))));
            return files.folder.map(Effect::List).into_iter().collect();
        }
        Purpose::Submit(style) => Some(orders::submit(app, chosen, style.as_ref())),
        Purpose::Artworks(photo, size) => Some(orders::paint(photo, chosen, size)),
        Purpose::Train => chosen.pop().map(|artwork| orders::train(app, artwork, size)),
        Purpose::Import => chosen.pop().map(orders::import),
    };
    app.overlay = form.map(Overlay::Form);
    Vec::new()
}

fn fill(app: &mut App, mut form: Form, event: &KeyEvent, action: Option<Action>) -> Vec<Effect> {
    match (action, event.code) {
        (Some(Action::Abandon), _) => return Vec::new(),
        (Some(Action::Accept), _) if !app.is_connected() => {
            form.problem = Some("the daemon is away; try again when it is back".to_owned());
        }
        (Some(Action::Accept), _) => match orders::effects(&form) {
            Ok(effects) => return vec![Effect::Send(Box::new(form), effects)],
            Err(problem) => form.problem = Some(problem),
        },
        (Some(Action::NextField), _) => form.go(true),
        (Some(Action::PreviousField), _) => form.go(false),
        (Some(Action::NextChoice), _) => form.turn(true),
        (Some(Action::PreviousChoice), _) => form.turn(false),
        (_, KeyCode::Backspace) => form.erase(),
        _ if empties(event) => form.clear(),
        _ => letter(event).into_iter().for_each(|c| form.write(c)),
    }
    app.overlay = Some(Overlay::Form(form));
    Vec::new()
}

/// The most letters that are taken of one paste: more than any field has a use for.
const PASTED: usize = 4096;

/// Returns what a paste writes into a line; `control` is what a control character becomes.
pub(super) fn pasted(text: &str, control: Option<char>) -> String {
    text.chars().filter_map(|c| if c.is_control() { control } else { Some(c) }).take(PASTED).collect()
}

/// A paste while something lies over the view.
pub(super) fn paste(overlay: &mut Overlay, text: &str) {
    match overlay {
        Overlay::Form(form) => form.insert(&pasted(text, Some(' '))),
        Overlay::Files(files) if files.is_typing => files.filter.push_str(&pasted(text, None)),
        _ => {}
    }
}
