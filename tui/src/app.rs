//! What the console knows and shows, and how it changes: `update(state, input) -> effects`.
//!
//! Nothing here reads a clock, a terminal, a file or the network: time comes with every input, and what must be done
//! outside is returned as [`Effect`]s, whose answers come back as inputs.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use protocol::{Event, EventBody, Job, JobId};
use ratatui::crossterm::event::{KeyCode, KeyEvent};

pub(crate) mod act;
pub(crate) mod devices;
pub(crate) mod files;
pub(crate) mod filter;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod form;
pub(crate) mod jobs;
pub(crate) mod link;
pub(crate) mod list;
pub(crate) mod log;
pub(crate) mod orders;
pub(crate) mod overlay;
pub(crate) mod styles;
#[cfg(test)]
mod tests;
mod traffic;
pub(crate) mod training;

use filter::Filter;
use form::Form;
use link::{Link, LinkNews, Role};
use overlay::Overlay;
pub(crate) use traffic::{Answer, Change, Effect, Failed, Input};

use crate::keys::{self, Action, Scope};
use crate::picture::Picture;
use crate::theme::Tone;
use crate::words::plain;

/// The views, in the order of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// Everything that waits, runs and has run.
    Jobs,
    /// Loss curves and previews.
    Training,
    /// What can be painted.
    Styles,
    /// What does the work.
    Devices,
    /// The outbox.
    Mail,
    /// What happens.
    Log,
}

impl View {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [Self::Jobs, Self::Training, Self::Styles, Self::Devices, Self::Mail, Self::Log];

    /// Returns its title.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Jobs => "Jobs",
            Self::Training => "Training",
            Self::Styles => "Styles",
            Self::Devices => "Devices",
            Self::Mail => "Mail",
            Self::Log => "Log",
        }
    }

    fn beside(self, step: usize) -> Self {
        let at = Self::ALL.iter().position(|view| *view == self).unwrap_or(0);
        Self::ALL[(at + step) % Self::ALL.len()]
    }
}

/// A line that passes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notice {
    /// What it says.
    pub(crate) text: String,
    /// What it means.
    pub(crate) tone: Tone,
    /// When it goes.
    pub(crate) until: Timestamp,
}

/// A text that is being typed into a view's filter.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Typing {
    /// What has been typed.
    pub(crate) text: String,
    /// What was there before.
    before: String,
}

/// Everything.
#[derive(Debug)]
pub(crate) struct App {
    /// Where the daemon is.
    pub(crate) server: String,
    /// The reader's time zone.
    pub(crate) zone: TimeZone,
    /// The present, as the last input had it.
    pub(crate) now: Timestamp,
    /// The terminal's columns and rows.
    pub(crate) size: (u16, u16),
    pub(crate) link: Link,
    pub(crate) role: Role,
    pub(crate) version: String,
    pub(crate) not_ready: Option<String>,
    pub(crate) view: View,
    pub(crate) overlay: Option<Overlay>,
    /// Forms that were not accepted while something else lay over the view.
    returned: Vec<Form>,
    pub(crate) typing: Option<Typing>,
    pub(crate) notice: Option<Notice>,
    pub(crate) jobs: jobs::Jobs,
    pub(crate) painting: Option<(JobId, Option<Picture>)>,
    pub(crate) training: training::Training,
    pub(crate) styles: styles::Styles,
    pub(crate) devices: devices::Devices,
    pub(crate) mail: styles::Outbox,
    pub(crate) log: log::Log,
}

impl App {
    /// Begins with nothing.
    pub(crate) fn new(server: String, now: Timestamp, zone: TimeZone) -> Self {
        Self {
            server,
            zone,
            now,
            size: (80, 24),
            link: Link::Connecting,
            role: Role::View,
            version: String::new(),
            not_ready: None,
            view: View::Jobs,
            overlay: None,
            returned: Vec::new(),
            typing: None,
            notice: None,
            jobs: jobs::Jobs::default(),
            painting: None,
            training: training::Training::default(),
            styles: styles::Styles::default(),
            devices: devices::Devices::default(),
            mail: styles::Outbox::default(),
            log: log::Log::default(),
        }
    }

    /// Says whether the daemon is there.
    pub(crate) fn is_connected(&self) -> bool {
        self.link == Link::Connected
    }

    /// Returns the scopes in which a key is looked up, the nearest first.
    pub(crate) fn scopes(&self) -> Vec<Scope> {
        if let Some(overlay) = &self.overlay {
            return overlay.scopes();
        }
        if self.typing.is_some() {
            return vec![Scope::Text];
        }
        let here = match self.view {
            View::Jobs if self.jobs.open.is_some() => return vec![Scope::Job, Scope::Everywhere],
            View::Jobs => Scope::Jobs,
            View::Training => return vec![Scope::Training, Scope::Everywhere],
            View::Styles => Scope::Styles,
            View::Devices => Scope::Devices,
            View::Mail => Scope::Mail,
            View::Log => Scope::Log,
        };
        vec![here, Scope::List, Scope::Everywhere]
    }

    /// Shows a passing line.
    pub(crate) fn tell(&mut self, tone: Tone, text: impl Into<String>) {
        let until = self.now + jiff::SignedDuration::from_secs(6);
        self.notice = Some(Notice { text: text.into(), tone, until });
    }
}

/// Changes the state and returns what must be done outside.
pub(crate) fn update(app: &mut App, now: Timestamp, input: Input) -> Vec<Effect> {
    app.now = now;
    if app.notice.as_ref().is_some_and(|notice| notice.until <= now) {
        app.notice = None;
    }
    let effects = match input {
        Input::Size(columns, rows) => {
            app.size = (columns, rows);
            Vec::new()
        }
        Input::Key(event) => key(app, &event),
        Input::Paste(text) => {
            if let Some(overlay) = &mut app.overlay {
                overlay::paste(overlay, &text);
            } else if let Some(typing) = &mut app.typing {
                typing.text.push_str(&overlay::pasted(&text, None));
                retype(app);
            }
            Vec::new()
        }
        Input::Tick => tick(app),
        Input::Link(news) => link(app, news),
        Input::Event(event) => hear(app, *event),
        Input::Answer(answer) => answered(app, answer),
    };
    if app.overlay.is_none() && app.typing.is_none() {
        app.overlay = app.returned.pop().map(Overlay::Form);
    }
    effects
}

fn key(app: &mut App, event: &KeyEvent) -> Vec<Effect> {
    app.notice = None;
    let action = keys::lookup(&app.scopes(), event);
    if let Some(overlay) = app.overlay.take() {
        return overlay::key(app, overlay, event, action);
    }
    if app.typing.is_some() {
        return typed(app, event, action);
    }
    match action {
        Some(action) if act::can(app, action) => act::perform(app, action),
        _ => Vec::new(),
    }
}

/// A key while a filter is typed: most of them write.
fn typed(app: &mut App, event: &KeyEvent, action: Option<Action>) -> Vec<Effect> {
    let Some(typing) = &mut app.typing else { return Vec::new() };
    match (action, event.code) {
        (Some(Action::Accept), _) => app.typing = None,
        (Some(Action::Abandon), _) => {
            typing.text = std::mem::take(&mut typing.before);
            retype(app);
            app.typing = None;
        }
        (_, KeyCode::Backspace) => {
            typing.text.pop();
            retype(app);
        }
        _ if overlay::empties(event) => {
            typing.text.clear();
            retype(app);
        }
        _ => {
            typing.text.extend(overlay::letter(event));
            retype(app);
        }
    }
    Vec::new()
}

/// Lets the filter follow what is typed.
fn retype(app: &mut App) {
    let Some(text) = app.typing.as_ref().map(|typing| typing.text.clone()) else { return };
    match app.view {
        View::Jobs => app.jobs.filter = Filter::new(&text),
        View::Styles => app.styles.filter = Filter::new(&text),
        View::Mail => app.mail.filter = Filter::new(&text),
        View::Log => {
            app.log.search = text;
            if !app.log.lines().back().is_some_and(|line| app.log.matches(line)) {
                app.log.find(false);
            }
        }
        View::Training | View::Devices => {}
    }
}

/// Time has passed: what no event tells is asked for.
fn tick(app: &mut App) -> Vec<Effect> {
    let mut effects = Vec::new();
    if app.is_connected() && app.devices.wants_news(app.now, app.view == View::Devices) {
        effects.push(Effect::Devices);
    }
    if app.is_connected() && app.jobs.wants_places(app.now) {
        effects.push(Effect::Queue);
    }
    effects
}

fn link(app: &mut App, news: LinkNews) -> Vec<Effect> {
    match news {
        LinkNews::Connected(host) => {
            if app.link != Link::Connected {
                let text = format!("connected to {}", plain(&app.server));
                app.log.say(app.now, "console", text, Tone::Good);
            }
            app.link = Link::Connected;
            app.role = host.role;
            app.version = host.version;
            app.not_ready = host.not_ready;
            // The outbox is in no snapshot, and a daemon that was killed may have forgotten to tell of a step.
            app.training.doubt();
            app.jobs.doubt();
            app.styles.doubt();
            app.painting.take_if(|(_, picture)| picture.is_none());
            let mut effects = act::look(app);
            effects.push(Effect::Mail);
            effects
        }
        LinkNews::Lost { reason, retry_in } => {
            if app.link == Link::Connected {
                app.log.say(app.now, "console", format!("disconnected: {}", plain(&reason)), Tone::Bad);
            }
            let retry_at = app.now + retry_in;
            app.link = Link::Lost { reason, retry_at };
            Vec::new()
        }
    }
}

fn hear(app: &mut App, event: Event) -> Vec<Effect> {
    app.log.hear(&event);
    let mut effects = Vec::new();
    match event.body {
        EventBody::Snapshot(snapshot) => {
            app.jobs.replace(snapshot.jobs);
            app.training.replace();
            app.styles.replace(snapshot.styles);
            app.devices.replace(event.at, snapshot.devices);
            effects.push(Effect::Mail);
        }
        EventBody::State(job) => app.jobs.put(*job),
        EventBody::Progress { job, progress, rate, eta_seconds } => {
            app.jobs.set_progress(job, progress, rate, eta_seconds);
        }
        EventBody::Style { name, style } => app.styles.put(name, style),
        EventBody::Device(device) => app.devices.put(event.at, device),
        EventBody::Mail(mail) => app.mail.put(mail),
        EventBody::Forgotten { job } => {
            app.jobs.remove(job);
            app.training.forget(job);
            app.mail.forget(job);
        }
        EventBody::Loss { job, point } => app.training.hear(job, &point),
        EventBody::Preview { job, step } => app.training.hear_preview(job, step),
        EventBody::End { .. } => {}
    }
    effects.extend(act::look(app));
    effects
}

fn answered(app: &mut App, answer: Answer) -> Vec<Effect> {
    match answer {
        Answer::Older(page) => app.jobs.add_older(page),
        Answer::Queue(queue) => app.jobs.set_places(queue),
        Answer::Mail(mail) => app.mail.replace(mail),
        Answer::Devices(devices) => app.devices.replace(app.now, devices),
        Answer::StylePreview(name, picture) => app.styles.set_preview(name, picture),
        Answer::Painting(job, picture) => app.painting = Some((job, picture)),
        Answer::Losses(curve) => app.training.set_curve(&curve),
        Answer::Preview(job, step, picture) => {
            if let Some(picture) = picture {
                app.training.set_preview(job, step, picture);
            }
        }
        Answer::Checkpoints(list) => app.training.set_checkpoints(list.job, list.checkpoints),
        Answer::Changed(change, job) => changed(app, change, &job),
        Answer::Saved(path) => app.tell(Tone::Good, format!("written: {}", plain(&path))),
        Answer::Deleted(name) => app.tell(Tone::Good, format!("deleted: {name}")),
        Answer::Accepted(job) => app.tell(Tone::Good, format!("accepted as {}", job.id.short())),
        Answer::Imported(style) => {
            app.tell(Tone::Good, format!("imported: {}  {}", style.name, style.state));
            app.styles.put(style.name.clone(), Some(*style));
        }
        Answer::Folder(folder, entries) => {
            if let Some(Overlay::Files(files)) = &mut app.overlay {
                return files.set_folder(folder, entries).into_iter().collect();
            }
        }
        Answer::NoFolder(problem) => match &mut app.overlay {
            Some(Overlay::Files(files)) if files.folder.is_none() => files.problem = Some(problem),
            _ => app.tell(Tone::Bad, plain(&problem)),
        },
        Answer::Photo(path, picture) => {
            // The cursor may have gone on since this was asked for.
            if let Some(Overlay::Files(files)) = &mut app.overlay
                && files.chosen().is_some_and(|(_, chosen)| chosen == path)
            {
                files.preview = Some((path, picture));
            }
        }
        Answer::Failed(what, failed) => fail(app, &what, &failed),
        Answer::Returned(form) => app.returned.push(*form),
    }
    Vec::new()
}

/// Says what did not work: for a moment, and in the log for those whom the next one would overtake.
fn fail(app: &mut App, what: &str, failed: &Failed) {
    let text = format!("{}: {}", plain(what), plain(failed.why()));
    app.tell(Tone::Bad, text.as_str());
    // What is asked for again and again is refused again and again.
    if app.log.lines().back().is_none_or(|line| line.text != text) {
        app.log.say(app.now, "console", text, Tone::Bad);
    }
}

/// Says what an answer says. What the job is now comes as an event, which the answer may be older than.
fn changed(app: &mut App, change: Change, job: &Job) {
    let (id, state) = (job.id, job.state.name());
    // A cancelled job that had finished before stays what it was.
    let late = change == Change::Cancel && state != protocol::StateName::Cancelled;
    let text =
        if late { format!("{}  {state} already", id.short()) } else { format!("{}  {}", id.short(), change.done()) };
    app.tell(if late { Tone::Waiting } else { Tone::Good }, text);
}
