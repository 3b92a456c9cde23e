//! The table.

use ratatui::crossterm::event::KeyCode::{
    BackTab, Backspace, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up,
};

use super::{Action, Binding, Key, Scope, char, control, named};

const fn key(scope: Scope, keys: &'static [Key], action: Action, label: &'static str, help: &'static str) -> Binding {
    Binding { scope, keys, action, label, help }
}

/// Every key there is. Within a scope the most useful come first: the key line shows as many as fit.
#[rustfmt::skip]
pub(crate) const BINDINGS: &[Binding] = &{
    use Action as A;
    use Scope as S;
    [
        key(S::Everywhere, &[char('?'), named(ratatui::crossterm::event::KeyCode::F(1))], A::Help, "help", "Show every key"),
        key(S::Everywhere, &[char('q'), control('c')], A::Detach, "quit", "Leave; jobs go on without you"),
        key(S::Everywhere, &[char('1')], A::ShowJobs, "", "Jobs: everything that waits, runs and has run"),
        key(S::Everywhere, &[char('2')], A::ShowTraining, "", "Training: loss curves and previews"),
        key(S::Everywhere, &[char('3')], A::ShowStyles, "", "Styles: what can be painted"),
        key(S::Everywhere, &[char('4')], A::ShowDevices, "", "Devices: what does the work"),
        key(S::Everywhere, &[char('5')], A::ShowMail, "", "Mail: the outbox"),
        key(S::Everywhere, &[char('6')], A::ShowLog, "", "Log: what happens"),
        key(S::Everywhere, &[named(Tab)], A::NextView, "", "The next view"),
        key(S::Everywhere, &[named(BackTab)], A::PreviousView, "", "The view before"),
        key(S::Everywhere, &[control('r')], A::Reconnect, "reconnect", "Try to reconnect now"),
        key(S::Everywhere, &[control('l')], A::Repaint, "", "Draw the screen anew"),
        key(S::Everywhere, &[control('z')], A::Suspend, "", "Go to the background; `fg` brings you back"),

        key(S::List, &[named(Up), char('k')], A::Up, "", "Up"),
        key(S::List, &[named(Down), char('j')], A::Down, "", "Down"),
        key(S::List, &[named(PageUp), control('b')], A::PageUp, "", "A page up"),
        key(S::List, &[named(PageDown), control('f')], A::PageDown, "", "A page down"),
        key(S::List, &[named(Home), char('g')], A::First, "", "To the beginning"),
        key(S::List, &[named(End), char('G')], A::Last, "", "To the end; older jobs are fetched there"),

        key(S::Jobs, &[named(Enter)], A::Open, "open", "Show the job; a training's curves"),
        key(S::Jobs, &[char('s')], A::Submit, "submit", "Choose photos and paint them"),
        key(S::Jobs, &[char('t')], A::Train, "train", "Choose an artwork and learn its style"),
        key(S::Jobs, &[char('c')], A::Cancel, "cancel", "Stop the marked jobs, or this one, after a question"),
        key(S::Jobs, &[char('p')], A::Pause, "pause/resume", "Hold back or let go on"),
        key(S::Jobs, &[char('r')], A::Retry, "retry", "Put failed or cancelled jobs back into the queue"),
        key(S::Jobs, &[char('+'), char('=')], A::Raise, "sooner", "Make it interactive: before all batch jobs"),
        key(S::Jobs, &[char('-')], A::Lower, "later", "Make it batch: after all interactive jobs"),
        key(S::Jobs, &[char('a')], A::Paint, "paint", "Choose a photo and artworks, and paint it after them pixel by pixel: slow, without a learned style"),
        key(S::Jobs, &[char('x')], A::Forget, "forget", "Forget finished jobs, photo and painting too, after a question"),
        key(S::Jobs, &[char('w')], A::Save, "save", "Write the painting, or the learned style, into this folder"),
        key(S::Jobs, &[char('/')], A::Filter, "filter", "Filter: `text`, `!text`, `state:failed`, `kind:train`, `style:wave`, `device:cpu`, `note:mum`"),
        key(S::Jobs, &[char(' ')], A::Mark, "mark", "Mark it, for keys that change several"),
        key(S::Jobs, &[char('o')], A::Sort, "sort", "Sort by the next column"),
        key(S::Jobs, &[char('O')], A::Reverse, "", "Sort the other way round"),
        key(S::Jobs, &[named(Esc)], A::Back, "", "Drop the marks, then the filter"),

        key(S::Job, &[named(Esc), named(Enter)], A::Back, "back", "Back to the list"),
        key(S::Job, &[char('c')], A::Cancel, "cancel", "Stop it, after a question"),
        key(S::Job, &[char('p')], A::Pause, "pause/resume", "Hold it back or let it go on"),
        key(S::Job, &[char('r')], A::Retry, "retry", "Put it back into the queue"),
        key(S::Job, &[char('+'), char('=')], A::Raise, "sooner", "Make it interactive"),
        key(S::Job, &[char('-')], A::Lower, "later", "Make it batch"),
        key(S::Job, &[char('x')], A::Forget, "forget", "Forget it, photo and painting too, after a question"),
        key(S::Job, &[char('w')], A::Save, "save", "Write the painting, or the learned style, into this folder"),

        key(S::Training, &[named(Up), char('k')], A::Up, "", "The run before"),
        key(S::Training, &[named(Down), char('j')], A::Down, "", "The next run"),
        key(S::Training, &[named(Left), char('h')], A::CursorLeft, "", "The cursor to the left"),
        key(S::Training, &[named(Right), char('l')], A::CursorRight, "", "The cursor to the right; at the end it follows"),
        key(S::Training, &[char('m')], A::Terms, "terms", "Total alone, its terms, or the style's layers"),
        key(S::Training, &[char('z')], A::ZoomIn, "zoom", "Half as much of the run, around the cursor or at its end"),
        key(S::Training, &[char('Z')], A::ZoomOut, "", "Twice as much"),
        key(S::Training, &[char('0')], A::Whole, "whole", "The whole run"),
        key(S::Training, &[char('y')], A::Logarithmic, "log", "A logarithmic scale, or a linear one"),
        key(S::Training, &[char('x')], A::Clock, "clock", "By wall clock, or by steps"),
        key(S::Training, &[char(']')], A::Smoother, "smooth", "Smoother"),
        key(S::Training, &[char('[')], A::Rougher, "", "Less smooth"),
        key(S::Training, &[char(' ')], A::Compare, "compare", "Compare this run with others: up to six"),
        key(S::Training, &[char('v')], A::Picture, "picture", "The preview beside the curves, or the curves alone"),
        key(S::Training, &[char('t')], A::Train, "train", "Choose an artwork and learn its style"),
        key(S::Training, &[char('c')], A::Cancel, "cancel", "Stop it and throw it away, after a question"),
        key(S::Training, &[char('f')], A::Keep, "finish now", "Finish it now and keep what it has learned, after a question"),
        key(S::Training, &[char('p')], A::Pause, "pause/resume", "Hold it back or let it go on"),
        key(S::Training, &[char('r')], A::Retry, "retry", "Put it back into the queue"),
        key(S::Training, &[char('w')], A::Save, "save", "Write the learned style, or the painting, into this folder"),
        key(S::Training, &[char('a')], A::Paint, "paint", "Choose a photo and artworks, and paint it after them pixel by pixel"),
        key(S::Training, &[named(Esc)], A::Back, "", "Put the cursor away, then the comparison, then the zoom"),

        key(S::Styles, &[char('/')], A::Filter, "filter", "Filter by name, title or state"),
        key(S::Styles, &[char('s')], A::Submit, "submit", "Choose photos to paint in this style"),
        key(S::Styles, &[char('i')], A::Import, "import", "Import a package or a foreign weight file"),
        key(S::Styles, &[char('d')], A::Delete, "delete", "Delete it, after a question"),
        key(S::Styles, &[char('t')], A::Train, "train", "Choose an artwork and learn its style"),
        key(S::Styles, &[named(Esc)], A::Back, "", "Drop the filter"),

        key(S::Devices, &[named(Enter)], A::Open, "open job", "Show the job on it"),

        key(S::Mail, &[named(Enter)], A::Open, "open job", "Show the job that it is about"),
        key(S::Mail, &[char('/')], A::Filter, "filter", "Filter by recipient, state or answer"),
        key(S::Mail, &[named(Esc)], A::Back, "", "Drop the filter"),

        key(S::Log, &[char('f')], A::Follow, "follow", "Follow what happens, or stay"),
        key(S::Log, &[char('/')], A::Filter, "search", "Search"),
        key(S::Log, &[char('n')], A::NextMatch, "next", "The next match"),
        key(S::Log, &[char('N')], A::PreviousMatch, "", "The match before"),
        key(S::Log, &[named(Esc)], A::Back, "", "Drop the search"),

        key(S::Text, &[named(Enter)], A::Accept, "apply", "Apply it"),
        key(S::Text, &[named(Esc), control('c')], A::Abandon, "drop", "Drop it"),

        key(S::Question, &[char('y'), char('Y')], A::Accept, "yes", "Do it"),
        key(S::Question, &[char('n'), char('N'), named(Esc), control('c')], A::Abandon, "no", "Don't"),

        key(S::Form, &[named(Down), named(Tab)], A::NextField, "next", "The next field"),
        key(S::Form, &[named(Up), named(BackTab)], A::PreviousField, "", "The field before"),
        key(S::Form, &[named(Right)], A::NextChoice, "change", "The next choice"),
        key(S::Form, &[named(Left)], A::PreviousChoice, "", "The choice before"),
        key(S::Form, &[named(Enter)], A::Accept, "go", "Send it"),
        key(S::Form, &[named(Esc), control('c')], A::Abandon, "drop", "Drop it"),

        key(S::Files, &[named(Enter), named(Right)], A::Accept, "choose", "Open the folder, or take the file and all that are marked"),
        key(S::Files, &[char(' ')], A::Mark, "mark", "Mark the file, to take several"),
        key(S::Files, &[named(Backspace), named(Left)], A::Parent, "up", "The folder above"),
        key(S::Files, &[char('/')], A::Filter, "filter", "Filter by name"),
        key(S::Files, &[char('.')], A::Hidden, "hidden", "Show hidden files, or hide them"),
        key(S::Files, &[named(Esc), control('c')], A::Abandon, "drop", "Drop it"),

        key(S::Help, &[named(Esc), char('q'), char('?'), named(Enter), control('c')], A::Abandon, "close", "Close it"),
    ]
};
