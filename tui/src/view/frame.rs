//! The lines above and below everything.

use protocol::StateName;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use super::text::{bar, pieces, put};
use crate::app::link::{Link, Role};
use crate::app::{App, View, act};
use crate::keys::{BINDINGS, Scope};
use crate::theme::{Theme, Tone};
use crate::words::plain;

/// Draws the header: who, where, whether it is there, and how much there is to do.
pub(super) fn header(app: &App, theme: Theme, line: Rect, buffer: &mut Buffer) {
    buffer.set_style(line, theme.style(Tone::Frame));
    let state = match &app.link {
        Link::Connected if app.not_ready.is_some() => "● not ready",
        Link::Connected => "● connected",
        Link::Connecting => "○ connecting",
        Link::Lost { .. } => "○ disconnected",
    };
    let running = app.jobs.all().filter(|job| job.state.name() == StateName::Running).count();
    let load: Vec<_> = app
        .devices
        .all()
        .iter()
        .map(|device| {
            let share = device.utilisation.unwrap_or(if device.busy { 1.0 } else { 0.0 });
            format!("{} {} {:.0}%", plain(&device.name), bar(share, 4), share * 100.0)
        })
        .collect();
    let counts = format!("{running} running  {} queued", app.jobs.queued());
    // What matters least comes last and goes first.
    let mut parts = vec![state.to_owned(), counts, plain(&app.server).into_owned()];
    if app.is_connected() && app.role == Role::View {
        parts.insert(1, "view only".to_owned());
    }
    parts.extend(load);
    let room = usize::from(line.width);
    let mut text = " atelier".to_owned();
    for part in parts {
        if text.width() + 2 + part.width() < room {
            text.push_str("  ");
            text.push_str(&part);
        }
    }
    put(&text, Tone::Frame, theme, line, buffer);
}

/// Draws the line with the views' names.
pub(super) fn rule(app: &App, theme: Theme, line: Rect, buffer: &mut Buffer) {
    let about = about(app);
    let here = View::ALL.iter().position(|view| *view == app.view).unwrap_or(0);
    let others: usize = View::ALL.iter().map(|view| view.title().len() + 4).sum();
    let wide = others + about.width() < usize::from(line.width);
    let mut parts = Vec::new();
    for (at, view) in View::ALL.iter().enumerate() {
        if at == here {
            parts.push((format!(" {} {}{about} ", at + 1, view.title()), Tone::Heading));
        } else if wide {
            parts.push((format!(" {} {} ", at + 1, view.title()), Tone::Quiet));
        }
    }
    let x = pieces(&parts, theme, line, buffer);
    let rest = "─".repeat(usize::from(line.right().saturating_sub(x)));
    put(&rest, Tone::Quiet, theme, Rect { x, width: line.right().saturating_sub(x), ..line }, buffer);
}

/// Says how much of what there is the view shows.
fn about(app: &App) -> String {
    let of = |shown: usize, all: usize| if shown == all { format!(" {all}") } else { format!(" {shown} of {all}") };
    match app.view {
        View::Jobs if app.jobs.open.is_some() => String::new(),
        View::Jobs => {
            let sorted = match (app.jobs.order, app.jobs.reversed) {
                (crate::app::jobs::Order::Age, false) => String::new(),
                (order, reversed) => format!(" by {}{}", order.name(), if reversed { ", reversed" } else { "" }),
            };
            let marked = match app.jobs.marks.len() {
                0 => String::new(),
                marks => format!(", {marks} marked"),
            };
            let filter = filter(app.jobs.filter.text());
            format!("{}{sorted}{marked}{filter}", of(app.jobs.rows(app.now).len(), app.jobs.len()))
        }
        View::Training => format!(" {}", crate::app::training::Training::rows(&app.jobs).len()),
        View::Styles => of(app.styles.rows().len(), app.styles.all().count()) + &filter(app.styles.filter.text()),
        View::Devices => format!(" {}", app.devices.all().len()),
        View::Mail => format!(" {}{}", app.mail.rows().len(), filter(app.mail.filter.text())),
        View::Log => {
            let follows = if app.log.follows() { ", following" } else { "" };
            let search =
                if app.log.search.is_empty() { String::new() } else { format!(" /{}", plain(&app.log.search)) };
            format!(" {}{follows}{search}", app.log.lines().len())
        }
    }
}

fn filter(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" /{}", plain(text)) }
}

/// Draws the line that says that the daemon is away.
pub(super) fn banner(app: &App, theme: Theme, line: Rect, buffer: &mut Buffer) {
    let text = match &app.link {
        Link::Connected => return,
        Link::Connecting => format!(" connecting to {}", plain(&app.server)),
        Link::Lost { reason, retry_at } => {
            let left = retry_at.duration_since(app.now).as_secs_f64().max(0.0);
            format!(" disconnected, reconnecting in {left:.1} s  ({})", plain(reason))
        }
    };
    for x in line.left()..line.right() {
        buffer[(x, line.y)].reset();
    }
    buffer.set_style(line, theme.style(Tone::Banner));
    put(&text, Tone::Banner, theme, line, buffer);
}

/// Draws the keys that work right now; what is being typed or must be said takes their place.
pub(super) fn keys(app: &App, theme: Theme, line: Rect, buffer: &mut Buffer) {
    if let Some(typing) = &app.typing {
        let prompt = if app.view == View::Log { "search" } else { "filter" };
        let parts = [(format!(" {prompt}: "), Tone::Key), (format!("{}▏", plain(&typing.text)), Tone::Plain)];
        pieces(&parts, theme, line, buffer);
        return;
    }
    if let Some(notice) = &app.notice {
        put(&format!(" {}", notice.text), notice.tone, theme, line, buffer);
        return;
    }
    let room = usize::from(line.width);
    let mut parts: Vec<(String, Tone)> = Vec::new();
    let mut used = 0;
    for (name, label) in working(app) {
        let width = name.width() + label.width() + 3;
        if used + width > room {
            continue;
        }
        used += width;
        parts.push((format!(" {name}"), Tone::Key));
        parts.push((format!(" {label} "), Tone::Quiet));
    }
    pieces(&parts, theme, line, buffer);
}

/// Returns the keys that work right now and have a word on the key line. The way to all others comes first.
pub(super) fn working(app: &App) -> Vec<(String, &'static str)> {
    let scopes = app.scopes();
    let (mut everywhere, mut here) = (Vec::new(), Vec::new());
    let in_scope = scopes.iter().flat_map(|scope| BINDINGS.iter().filter(move |binding| binding.scope == *scope));
    for binding in in_scope.filter(|binding| !binding.label.is_empty()) {
        if app.overlay.is_some() || act::can(app, binding.action) {
            let list = if binding.scope == Scope::Everywhere { &mut everywhere } else { &mut here };
            list.push((binding.name(), binding.label));
        }
    }
    everywhere.extend(here);
    everywhere
}
