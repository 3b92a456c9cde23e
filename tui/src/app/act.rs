//! What the keys do in the views, and when they can.

use std::path::PathBuf;

use protocol::{Job, JobResult, JobState, Priority, StateName, StyleState};

use super::files::{Files, Purpose};
use super::jobs::Older;
use super::link::Role;
use super::list::Motion;
use super::overlay::{Overlay, Question};
use super::training::{COMPARED, Training, has_curve};
use super::{App, Change, Effect, Typing, View};
use crate::app::filter::Filter;
use crate::keys::Action;
use crate::theme::Tone;
use crate::words::style;

/// How often the part of a run that is shown can be halved.
const MOST_ZOOM: u32 = 16;

/// Says whether a key does something right now.
pub(crate) fn can(app: &App, action: Action) -> bool {
    use Action as A;
    let live = app.is_connected();
    let may = |role| live && app.role >= role;
    let any = |fits: fn(&JobState) -> bool| targets(app).iter().any(|job| fits(&job.state));
    let has_runs = || app.training.job(&app.jobs).is_some();
    match action {
        A::Reconnect => !live,
        A::Open => opened(app).is_some(),
        A::Cancel => may(Role::Submit) && any(|state| !state.is_finished()),
        A::Keep => {
            may(Role::Submit) && any(|state| matches!(state, JobState::Running { .. } | JobState::Paused { .. }))
        }
        A::Pause => may(Role::Submit) && any(|state| !state.is_finished()),
        A::Retry => may(Role::Submit) && any(is_retryable),
        A::Raise | A::Lower => may(Role::Submit) && any(|state| !state.is_finished()),
        A::Forget => may(Role::Admin) && any(JobState::is_finished),
        A::Save => live && result(app).is_some(),
        A::Sort | A::Reverse => !app.jobs.rows(app.now).is_empty(),
        // Marks are for changes.
        A::Mark => app.role >= Role::Submit && !app.jobs.rows(app.now).is_empty(),
        A::Filter => match app.view {
            View::Jobs => app.jobs.len() > 0,
            View::Styles => app.styles.all().next().is_some(),
            View::Mail => !app.mail.is_empty(),
            View::Log => !app.log.lines().is_empty(),
            View::Training | View::Devices => false,
        },
        A::CursorLeft
        | A::CursorRight
        | A::Terms
        | A::ZoomIn
        | A::Logarithmic
        | A::Clock
        | A::Smoother
        | A::Rougher
        | A::Compare
        | A::Picture => has_runs(),
        A::ZoomOut | A::Whole => app.training.zoom > 0,
        A::Submit => may(Role::Submit) && app.styles.all().any(|style| style.state == StyleState::Ready),
        A::Paint | A::Train => may(Role::Submit),
        A::Import => may(Role::Admin),
        A::Delete => may(Role::Admin) && app.styles.chosen().is_some(),
        A::NextMatch | A::PreviousMatch => !app.log.search.is_empty(),
        A::Back => match app.view {
            View::Jobs => app.jobs.open.is_some() || !app.jobs.marks.is_empty() || !app.jobs.filter.is_empty(),
            View::Styles => !app.styles.filter.is_empty(),
            View::Mail => !app.mail.filter.is_empty(),
            View::Log => !app.log.search.is_empty(),
            View::Training => app.training.can_go_back(),
            View::Devices => false,
        },
        _ => true,
    }
}

const fn is_retryable(state: &JobState) -> bool {
    matches!(state, JobState::Failed { .. } | JobState::Cancelled { .. })
}

/// Does what a key is for.
pub(crate) fn perform(app: &mut App, action: Action) -> Vec<Effect> {
    use Action as A;
    match action {
        A::ShowJobs => return show(app, View::Jobs),
        A::ShowTraining => return show(app, View::Training),
        A::ShowStyles => return show(app, View::Styles),
        A::ShowDevices => return show(app, View::Devices),
        A::ShowMail => return show(app, View::Mail),
        A::ShowLog => return show(app, View::Log),
        A::NextView => return show(app, app.view.beside(1)),
        A::PreviousView => return show(app, app.view.beside(View::ALL.len() - 1)),
        A::Help => app.overlay = Some(Overlay::Help { top: 0 }),
        A::Reconnect => return vec![Effect::Reconnect],
        A::Repaint => return vec![Effect::Repaint],
        A::Suspend => return vec![Effect::Suspend],
        A::Detach => return vec![Effect::Detach],
        A::Up => return go(app, Motion::By(-1)),
        A::Down => return go(app, Motion::By(1)),
        A::PageUp => return go(app, Motion::By(-page(app))),
        A::PageDown => return go(app, Motion::By(page(app))),
        A::First => return go(app, Motion::First),
        A::Last => return go(app, Motion::Last),
        A::Filter => {
            let before = filter_text(app).to_owned();
            app.typing = Some(Typing { text: before.clone(), before });
        }
        A::Back => back(app),
        A::Open => return open(app),
        A::Mark => app.jobs.mark(app.now),
        A::Sort => app.jobs.sort_by_next(),
        A::Reverse => app.jobs.reversed ^= true,
        A::Cancel => ask(app, "Stop", Change::Cancel, |state| !state.is_finished()),
        A::Keep => ask(app, "Finish and keep what there is of", Change::Keep, |state| !state.is_finished()),
        A::CursorLeft => app.training.point(&app.jobs, -1.0),
        A::CursorRight => app.training.point(&app.jobs, 1.0),
        A::ZoomIn => app.training.zoom = (app.training.zoom + 1).min(MOST_ZOOM),
        A::ZoomOut => app.training.zoom -= 1,
        A::Whole => app.training.zoom = 0,
        A::Logarithmic => app.training.logarithmic ^= true,
        A::Clock => app.training.switch_axis(),
        A::Smoother | A::Rougher => app.training.smooth(action == A::Smoother),
        A::Terms => app.training.next_terms(),
        A::Picture => app.training.shows_picture ^= true,
        A::Compare => {
            if !app.training.compare(&app.jobs) {
                app.tell(Tone::Waiting, format!("{COMPARED} runs are compared already"));
            }
        }
        A::Forget => ask(app, "Forget photo, result and record of", Change::Forget, JobState::is_finished),
        A::Pause => return pause(app),
        A::Retry => return change(app, Change::Retry, is_retryable),
        A::Raise => return change(app, Change::Priority(Priority::Interactive), |state| !state.is_finished()),
        A::Lower => return change(app, Change::Priority(Priority::Batch), |state| !state.is_finished()),
        A::Save => return save(app),
        A::Delete => delete(app),
        A::Follow => app.log.toggle_follow(),
        A::NextMatch | A::PreviousMatch => {
            if !app.log.find(action == A::NextMatch) {
                app.tell(Tone::Waiting, "nothing found");
            }
        }
        A::Submit => {
            let chosen = app.styles.chosen().filter(|_| app.view == View::Styles).map(|style| style.name.clone());
            return pick(app, Purpose::Submit(chosen));
        }
        A::Paint => return pick(app, Purpose::Photo),
        A::Train => return pick(app, Purpose::Train),
        A::Import => return pick(app, Purpose::Import),
        // Keys of what lies over the views.
        A::Accept
        | A::Abandon
        | A::NextField
        | A::PreviousField
        | A::NextChoice
        | A::PreviousChoice
        | A::Parent
        | A::Hidden => {}
    }
    look(app)
}

/// Begins to choose files.
fn pick(app: &mut App, purpose: Purpose) -> Vec<Effect> {
    app.overlay = Some(Overlay::Files(Files::new(purpose)));
    vec![Effect::List(PathBuf::from("."))]
}

fn show(app: &mut App, view: View) -> Vec<Effect> {
    app.view = view;
    let mut effects = look(app);
    match view {
        View::Mail => effects.push(Effect::Mail),
        View::Devices => effects.push(Effect::Devices),
        _ => {}
    }
    effects.retain(|_| app.is_connected());
    effects
}

/// Asks for the pictures that are in view and not here yet.
pub(crate) fn look(app: &mut App) -> Vec<Effect> {
    if !app.is_connected() {
        return Vec::new();
    }
    match app.view {
        View::Styles => app.styles.wanted_preview().map(Effect::StylePreview).into_iter().collect(),
        View::Training => app.training.wanted(&app.jobs),
        View::Jobs => {
            let open = app.jobs.open.and_then(|id| app.jobs.get(id));
            let finished = open.filter(|job| is_picture(job)).map(|job| job.id);
            match finished {
                Some(id) if app.painting.as_ref().is_none_or(|(known, _)| *known != id) => {
                    app.painting = Some((id, None));
                    vec![Effect::Painting(id)]
                }
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

fn is_picture(job: &Job) -> bool {
    matches!(&job.state, JobState::Succeeded { result, .. } if result.media_type.starts_with("image/"))
}

/// Returns how far a page is.
fn page(app: &App) -> isize {
    isize::from(app.size.1 as i16).saturating_sub(6).max(1)
}

fn go(app: &mut App, motion: Motion) -> Vec<Effect> {
    let mut effects = Vec::new();
    match app.view {
        View::Jobs => {
            let beyond = app.jobs.cursor.go(&app.jobs.rows(app.now), motion);
            if beyond && app.is_connected() {
                effects.extend(older(app));
            }
        }
        View::Training => {
            app.training.chosen.go(&Training::rows(&app.jobs), motion);
        }
        View::Styles => {
            app.styles.cursor.go(&app.styles.rows(), motion);
        }
        View::Devices => {
            app.devices.cursor.go(&app.devices.rows(), motion);
        }
        View::Mail => {
            app.mail.cursor.go(&app.mail.rows(), motion);
        }
        View::Log => {
            let chosen = app.log.chosen() as isize;
            app.log.go(match motion {
                Motion::By(lines) => chosen + lines,
                Motion::First => 0,
                Motion::Last => isize::MAX,
            });
        }
    }
    effects.extend(look(app));
    effects
}

/// Asks for older jobs, once.
fn older(app: &mut App) -> Option<Effect> {
    let cursor = match &app.jobs.older {
        Older::Unasked => None,
        Older::After(cursor) => Some(cursor.clone()),
        Older::Asked(_) | Older::All => return None,
    };
    app.jobs.older = Older::Asked(cursor.clone());
    Some(Effect::Older(cursor))
}

fn filter_text(app: &App) -> &str {
    match app.view {
        View::Jobs => app.jobs.filter.text(),
        View::Styles => app.styles.filter.text(),
        View::Mail => app.mail.filter.text(),
        View::Log => &app.log.search,
        View::Training | View::Devices => "",
    }
}

fn back(app: &mut App) {
    match app.view {
        View::Jobs if app.jobs.open.is_some() => app.jobs.open = None,
        View::Jobs if !app.jobs.marks.is_empty() => app.jobs.marks.clear(),
        View::Jobs => app.jobs.filter = Filter::default(),
        View::Styles => app.styles.filter = Filter::default(),
        View::Mail => app.mail.filter = Filter::default(),
        View::Log => app.log.search.clear(),
        View::Training => app.training.back(),
        View::Devices => {}
    }
}

/// Returns the job that Enter opens.
fn opened(app: &App) -> Option<protocol::JobId> {
    let id = match app.view {
        View::Jobs => app.jobs.chosen(app.now)?.id,
        View::Devices => app.devices.chosen()?.job?,
        View::Mail => app.mail.chosen()?.job,
        View::Training | View::Styles | View::Log => return None,
    };
    app.jobs.get(id).map(|job| job.id)
}

fn open(app: &mut App) -> Vec<Effect> {
    let Some(job) = opened(app).and_then(|id| app.jobs.get(id)) else { return Vec::new() };
    let (id, has_curve) = (job.id, has_curve(job));
    app.jobs.cursor.choose(id);
    if has_curve {
        app.view = View::Training;
        app.training.chosen.choose(id);
    } else {
        app.view = View::Jobs;
        app.jobs.open = Some(id);
    }
    look(app)
}

/// Returns the jobs that the next change is about.
fn targets(app: &App) -> Vec<&Job> {
    match app.view {
        View::Training => app.training.job(&app.jobs).into_iter().collect(),
        _ => app.jobs.targets(app.now),
    }
}

/// Returns the targets that a change fits.
fn fitting(app: &App, fits: fn(&JobState) -> bool) -> Vec<&Job> {
    targets(app).into_iter().filter(|job| fits(&job.state)).collect()
}

fn change(app: &mut App, change: Change, fits: fn(&JobState) -> bool) -> Vec<Effect> {
    let ids: Vec<_> = fitting(app, fits).iter().map(|job| job.id).collect();
    app.jobs.marks.clear();
    vec![Effect::Change(change, ids)]
}

/// Holds back whatever goes on; lets go on when all are held back.
fn pause(app: &mut App) -> Vec<Effect> {
    let goes_on = |state: &JobState| matches!(state.name(), StateName::Queued | StateName::Running);
    if fitting(app, goes_on).is_empty() {
        return change(app, Change::Resume, |state| matches!(state, JobState::Paused { .. }));
    }
    change(app, Change::Pause, goes_on)
}

fn ask(app: &mut App, verb: &str, change: Change, fits: fn(&JobState) -> bool) {
    let jobs = fitting(app, fits);
    let named = |job: &&Job| format!("{}  {} {}  {}", job.id.short(), job.kind(), style(job), job.state.name());
    let lines = jobs.iter().map(named).collect();
    let ids = jobs.iter().map(|job| job.id).collect();
    let title =
        if jobs.len() == 1 { format!("{verb} this job?") } else { format!("{verb} these {} jobs?", jobs.len()) };
    app.overlay = Some(Overlay::Question(Question { title, lines, effect: Effect::Change(change, ids) }));
}

fn delete(app: &mut App) {
    let Some(style) = app.styles.chosen() else { return };
    let lines =
        vec![format!("{}  {}", style.name, style.title.as_deref().map(crate::words::plain).unwrap_or_default())];
    let title = "Delete this style and its files?".to_owned();
    let effect = Effect::Delete(style.name.clone());
    app.overlay = Some(Overlay::Question(Question { title, lines, effect }));
}

/// Returns the job whose result can be saved.
fn result(app: &App) -> Option<(&Job, &JobResult)> {
    let job = match app.view {
        View::Training => app.training.job(&app.jobs),
        _ => app.jobs.chosen(app.now),
    }?;
    match &job.state {
        JobState::Succeeded { result, .. } => Some((job, result)),
        _ => None,
    }
}

fn save(app: &App) -> Vec<Effect> {
    let Some((job, result)) = result(app) else { return Vec::new() };
    vec![Effect::Save(job.id, crate::cli::files::result_name(job, &result.media_type))]
}
