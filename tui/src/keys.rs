//! Every key, in one table: what it is called, where it works, what it does. The key line, the help and the
//! documentation are made from it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

mod table;

pub(crate) use table::BINDINGS;

/// A key as a person presses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    code: KeyCode,
    control: bool,
}

/// A key that writes a character.
pub(crate) const fn char(c: char) -> Key {
    Key { code: KeyCode::Char(c), control: false }
}

/// A character's key with Ctrl.
pub(crate) const fn control(c: char) -> Key {
    Key { code: KeyCode::Char(c), control: true }
}

/// A key with a name.
pub(crate) const fn named(code: KeyCode) -> Key {
    Key { code, control: false }
}

impl Key {
    /// Says whether this key was pressed. Shift is part of the character that it makes.
    fn is(self, event: &KeyEvent) -> bool {
        let modified = event.modifiers.difference(KeyModifiers::SHIFT);
        let control = if self.control { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
        self.code == event.code && modified == control
    }

    /// Returns what is written on it.
    fn name(self) -> String {
        let name = match self.code {
            KeyCode::Char(' ') => "Space".to_owned(),
            KeyCode::Char(c) if self.control => return format!("Ctrl-{}", c.to_ascii_uppercase()),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::Up => "↑".to_owned(),
            KeyCode::Down => "↓".to_owned(),
            KeyCode::Left => "←".to_owned(),
            KeyCode::Right => "→".to_owned(),
            KeyCode::PageUp => "PgUp".to_owned(),
            KeyCode::PageDown => "PgDn".to_owned(),
            KeyCode::BackTab => "Shift-Tab".to_owned(),
            KeyCode::F(number) => format!("F{number}"),
            other => format!("{other:?}"),
        };
        if self.control { format!("Ctrl-{name}") } else { name }
    }
}

/// Where a key works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// In every view.
    Everywhere,
    /// In lists of every kind.
    List,
    /// In the jobs' list.
    Jobs,
    /// With one job open.
    Job,
    /// With the curves.
    Training,
    /// With the styles.
    Styles,
    /// With the devices.
    Devices,
    /// With the outbox.
    Mail,
    /// With the log.
    Log,
    /// While a text is typed.
    Text,
    /// In a question.
    Question,
    /// In a form.
    Form,
    /// In the list of files.
    Files,
    /// In the help.
    Help,
}

impl Scope {
    /// Returns the heading under which the help lists it.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Everywhere => "Everywhere",
            Self::List => "Lists",
            Self::Jobs => "Jobs",
            Self::Job => "One job",
            Self::Training => "Training",
            Self::Styles => "Styles",
            Self::Devices => "Devices",
            Self::Mail => "Mail",
            Self::Log => "Log",
            Self::Text => "Typing a filter",
            Self::Question => "A question",
            Self::Form => "A form",
            Self::Files => "Choosing files",
            Self::Help => "This help",
        }
    }
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    ShowJobs,
    ShowTraining,
    ShowStyles,
    ShowDevices,
    ShowMail,
    ShowLog,
    NextView,
    PreviousView,
    Help,
    Reconnect,
    Repaint,
    Suspend,
    Detach,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Filter,
    Back,
    Open,
    Mark,
    Sort,
    Reverse,
    Cancel,
    Keep,
    Pause,
    Retry,
    Raise,
    Lower,
    Forget,
    Save,
    Submit,
    Paint,
    Train,
    CursorLeft,
    CursorRight,
    ZoomIn,
    ZoomOut,
    Whole,
    Logarithmic,
    Clock,
    Smoother,
    Rougher,
    Terms,
    Compare,
    Picture,
    Import,
    Delete,
    Follow,
    NextMatch,
    PreviousMatch,
    Accept,
    Abandon,
    NextField,
    PreviousField,
    NextChoice,
    PreviousChoice,
    Parent,
    Hidden,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    /// Where it works.
    pub(crate) scope: Scope,
    /// The keys, the first of which is shown.
    pub(crate) keys: &'static [Key],
    /// What it does.
    pub(crate) action: Action,
    /// A word for the key line; none where the help alone tells of it.
    pub(crate) label: &'static str,
    /// A sentence for the help.
    pub(crate) help: &'static str,
}

impl Binding {
    /// Returns its keys' names.
    pub(crate) fn names(&self) -> String {
        let names: Vec<_> = self.keys.iter().map(|key| key.name()).collect();
        names.join(" ")
    }

    /// Returns the first key's name.
    pub(crate) fn name(&self) -> String {
        self.keys.first().map_or_else(String::new, |key| key.name())
    }
}

/// Finds what a key does in the first of these scopes that knows it.
pub(crate) fn lookup(scopes: &[Scope], event: &KeyEvent) -> Option<Action> {
    scopes.iter().find_map(|scope| {
        let mut known = BINDINGS.iter().filter(|binding| binding.scope == *scope);
        known.find(|binding| binding.keys.iter().any(|key| key.is(event))).map(|binding| binding.action)
    })
}

/// Returns the scopes that the table has, in its order.
pub(crate) fn scopes() -> Vec<Scope> {
    let mut scopes = Vec::new();
    for binding in BINDINGS {
        if !scopes.contains(&binding.scope) {
            scopes.push(binding.scope);
        }
    }
    scopes
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// The table as the documentation shows it.
    fn markdown() -> String {
        let mut page = String::new();
        for scope in scopes() {
            let _ = write!(page, "### {}\n\n| key | does |\n|---|---|\n", scope.title());
            for binding in BINDINGS.iter().filter(|binding| binding.scope == scope) {
                let keys: Vec<_> = binding.keys.iter().map(|key| format!("`{}`", key.name())).collect();
                let _ = writeln!(page, "| {} | {} |", keys.join(" "), binding.help);
            }
            page.push('\n');
        }
        page
    }

    #[test]
    fn no_key_means_two_things_in_one_place() {
        for (at, one) in BINDINGS.iter().enumerate() {
            for other in &BINDINGS[at + 1..] {
                let together = one.scope == other.scope
                    || (matches!(one.scope, Scope::Everywhere | Scope::List)
                        && matches!(other.scope, Scope::Everywhere | Scope::List));
                let same = one.keys.iter().any(|key| other.keys.contains(key));
                assert!(!(together && same), "{one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn a_key_is_found_in_the_nearest_scope() {
        let press = |c, modifiers| KeyEvent::new(KeyCode::Char(c), modifiers);
        let scopes = [Scope::Jobs, Scope::List, Scope::Everywhere];
        assert_eq!(lookup(&scopes, &press('c', KeyModifiers::NONE)), Some(Action::Cancel));
        assert_eq!(lookup(&scopes, &press('c', KeyModifiers::CONTROL)), Some(Action::Detach));
        assert_eq!(lookup(&scopes, &press('G', KeyModifiers::SHIFT)), Some(Action::Last));
        assert_eq!(lookup(&[Scope::Everywhere], &press('c', KeyModifiers::NONE)), None);
    }

    #[test]
    fn the_documentation_has_this_table() {
        crate::documented::check("docs/console.md", "keys", &markdown());
    }
}
