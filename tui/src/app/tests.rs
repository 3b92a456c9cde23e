//! What keys and events do.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use jiff::SignedDuration;
use protocol::{JobPage, JobState, StateName};

use super::fixtures::{app, at, connected, empty, id, jobs, press, snapshot};
use super::jobs::Order;
use super::*;

fn hear(app: &mut App, body: EventBody) -> Vec<Effect> {
    let now = app.now;
    update(app, now, Input::Event(Box::new(Event { sequence: 101, at: now, body })))
}

fn lost(reason: &str) -> Input {
    Input::Link(LinkNews::Lost { reason: reason.to_owned(), retry_in: SignedDuration::from_secs(2) })
}

#[test]
fn a_change_is_made_of_the_chosen_job_or_of_all_that_are_marked() {
    let mut app = app();
    assert_eq!(press(&mut app, "p"), [Effect::Change(Change::Pause, vec![id(7)])]);
    assert_eq!(press(&mut app, "  p"), [Effect::Change(Change::Pause, vec![id(7), id(6)])]);
    assert!(app.jobs.marks.is_empty(), "what was asked for is done with");
    assert_eq!(press(&mut app, "<Home>jjjp"), [Effect::Change(Change::Resume, vec![id(4)])]);
    assert_eq!(press(&mut app, "jr"), [Effect::Change(Change::Retry, vec![id(3)])]);
    let sooner = Change::Priority(protocol::Priority::Interactive);
    assert_eq!(press(&mut app, "<Home>+"), [Effect::Change(sooner, vec![id(7)])]);
}

#[test]
fn stopping_asks_first_and_names_the_jobs() {
    let mut app = app();
    assert_eq!(press(&mut app, "  c"), []);
    let Some(Overlay::Question(question)) = &app.overlay else { panic!("nobody asked") };
    assert_eq!(question.title, "Stop these 2 jobs?");
    assert!(question.lines[0].starts_with(&id(7).short().to_string()), "{:?}", question.lines);
    assert_eq!(press(&mut app, "n"), []);
    assert_eq!(app.overlay, None);
    assert_eq!(press(&mut app, "cq1y"), [Effect::Change(Change::Cancel, vec![id(7), id(6)])]);
}

#[test]
fn keys_that_would_fail_do_nothing() {
    let mut app = app();
    assert_eq!(press(&mut app, "r"), [], "a waiting job can't be tried again");
    assert_eq!(press(&mut app, "x"), []);
    assert_eq!(app.overlay, None, "a job that goes on can't be forgotten");
    press(&mut app, "<End>");
    assert_eq!(press(&mut app, "cp"), [], "a finished job can't be stopped or paused");
    assert_eq!(app.overlay, None);
}

#[test]
fn who_may_only_look_changes_nothing() {
    let mut app = app();
    update(&mut app, at(1), connected(Role::View));
    press(&mut app, "3<End>2<End>1<End>");
    assert_eq!(press(&mut app, "rxcp<Home>cprx+-2d"), []);
    assert_eq!(app.overlay, None);
    update(&mut app, at(1), connected(Role::Submit));
    press(&mut app, "1<End>");
    assert_eq!(press(&mut app, "x2d"), [], "forgetting and deleting are for the admin");
    assert_eq!(press(&mut app, "1<Home>p").len(), 1);
}

#[test]
fn nothing_is_changed_while_the_daemon_is_away() {
    let mut app = app();
    update(&mut app, at(1), lost("gone"));
    assert_eq!(press(&mut app, "cpr+3d12345"), []);
    assert_eq!(press(&mut app, "<C-r>"), [Effect::Reconnect]);
    update(&mut app, at(2), connected(Role::Admin));
    assert_eq!(press(&mut app, "1<C-r>"), []);
}

#[test]
fn leaving_changes_nothing() {
    let mut app = app();
    assert_eq!(press(&mut app, "q"), [Effect::Detach]);
    assert_eq!(press(&mut app, "<C-c>"), [Effect::Detach]);
}

#[test]
fn what_is_typed_into_a_filter_is_no_key() {
    let mut app = app();
    assert_eq!(press(&mut app, "/state:queued"), []);
    assert_eq!(app.jobs.rows(app.now), [id(7), id(6)], "the list follows what is typed");
    press(&mut app, "<Enter>");
    assert_eq!(press(&mut app, "q"), [Effect::Detach]);
    press(&mut app, "/<C-u>failed<Back><Back>ed<Esc>");
    assert_eq!(app.jobs.filter.text(), "state:queued", "Esc drops what was typed");
    press(&mut app, "<Esc>");
    assert_eq!(app.jobs.rows(app.now).len(), 7);
    update(&mut app, at(0), Input::Paste("ignored".to_owned()));
    press(&mut app, "/");
    update(&mut app, at(0), Input::Paste("wa\x1bve\n".to_owned()));
    assert_eq!(app.jobs.filter.text(), "wave");
}

#[test]
fn jobs_are_sorted_by_every_column_and_back() {
    let mut app = app();
    let states = |app: &App| -> Vec<_> {
        app.jobs.rows(app.now).iter().map(|id| app.jobs.get(*id).unwrap().state.name()).collect()
    };
    press(&mut app, "o");
    assert_eq!(app.jobs.order, Order::State);
    assert_eq!(states(&app)[0], StateName::Running);
    press(&mut app, "O");
    assert_eq!(states(&app)[0], StateName::Succeeded);
    press(&mut app, "Ooooo");
    assert_eq!((app.jobs.order, app.jobs.rows(app.now)[0]), (Order::Age, id(7)));
}

#[test]
fn events_change_what_is_known() {
    let mut app = app();
    let mut job = jobs().remove(2);
    job.state = JobState::Paused;
    hear(&mut app, EventBody::State(Box::new(job.clone())));
    assert_eq!(app.jobs.get(job.id).unwrap().state, JobState::Paused);
    hear(&mut app, EventBody::Forgotten { job: job.id });
    assert_eq!(app.jobs.get(job.id), None);
    let name: StyleName = "half-copied".parse().unwrap();
    hear(&mut app, EventBody::Style { name: name.clone(), style: None });
    assert_eq!(app.styles.get(&name), None);
    assert_eq!(app.log.lines().len(), 5);
}

#[test]
fn progress_comes_between_two_states() {
    let mut app = app();
    let progress = protocol::Progress { done: 80, total: 100, unit: protocol::job::ProgressUnit::Percent, rate: None };
    hear(&mut app, EventBody::Progress { job: id(5), progress, rate: Some(2.0), eta_seconds: Some(10.0) });
    let job = app.jobs.get(id(5)).unwrap();
    assert_eq!((app.jobs.rate(job), app.jobs.left(job)), (Some(2.0), Some(10.0)));
    let JobState::Running { progress: known, .. } = &job.state else { panic!("{job:?}") };
    assert_eq!(known.done, 80);
    hear(&mut app, EventBody::Progress { job: id(7), progress, rate: None, eta_seconds: None });
    assert_eq!(app.jobs.get(id(7)).unwrap().state, JobState::Queued, "late news of a job that waits again");
}

#[test]
fn a_new_snapshot_replaces_what_was_known() {
    let mut app = app();
    press(&mut app, "  <End><Enter>");
    let EventBody::Snapshot(mut after) = snapshot().body else { panic!("no snapshot") };
    after.jobs.retain(|job| job.id == id(6));
    hear(&mut app, EventBody::Snapshot(after));
    assert_eq!((app.jobs.len(), app.jobs.marks.len(), app.jobs.open), (1, 1, None));
}

#[test]
fn older_jobs_are_fetched_once_at_the_end_of_the_list() {
    let mut app = app();
    assert_eq!(press(&mut app, "<End>"), [Effect::Older(None)]);
    assert_eq!(press(&mut app, "<End>"), [], "they are on their way");
    let page = JobPage { jobs: vec![], next: Some("cursor".to_owned()) };
    update(&mut app, at(0), Input::Answer(Answer::Older(page)));
    assert_eq!(press(&mut app, "<End>"), [Effect::Older(Some("cursor".to_owned()))]);
    update(&mut app, at(0), Input::Answer(Answer::Older(JobPage { jobs: vec![], next: None })));
    assert_eq!(press(&mut app, "<End>"), []);
}

#[test]
fn a_painting_and_a_preview_are_fetched_when_they_come_into_view() {
    let mut app = app();
    assert_eq!(press(&mut app, "<End>"), [Effect::Older(None)]);
    assert_eq!(press(&mut app, "<Enter>"), [Effect::Painting(id(1))]);
    assert_eq!(press(&mut app, "<Esc><Enter>"), [], "it is on its way");
    let wave: StyleName = "great-wave".parse().unwrap();
    assert_eq!(press(&mut app, "<Esc>2"), [Effect::StylePreview(wave)]);
    assert_eq!(press(&mut app, "j"), [], "a broken style has none");
}

#[test]
fn a_result_is_saved_under_a_name_that_says_what_it_is() {
    let mut app = app();
    press(&mut app, "<End>");
    let name = format!("starry-night-{}.jpg", id(1).short());
    assert_eq!(press(&mut app, "w"), [Effect::Save(id(1), name)]);
    assert_eq!(press(&mut app, "<Home>w"), [], "it has no result yet");
}

#[test]
fn a_refusal_is_told_and_passes() {
    let mut app = app();
    let failed = Failed::Other("the queue is \x1b[31mfull".to_owned());
    update(&mut app, at(0), Input::Answer(Answer::Failed("not changed", failed)));
    assert_eq!(app.notice.as_ref().unwrap().text, r"not changed: the queue is \u{1b}[31mfull");
    update(&mut app, at(10), Input::Tick);
    assert_eq!(app.notice, None);
}

#[test]
fn the_devices_are_asked_about_while_they_work_or_are_looked_at() {
    let mut app = app();
    assert_eq!(update(&mut app, at(1), Input::Tick), [Effect::Devices]);
    assert_eq!(update(&mut app, at(2), Input::Tick), [], "not too often");
    assert_eq!(update(&mut app, at(3), Input::Tick), [Effect::Devices]);
    update(&mut app, at(4), lost("gone"));
    assert_eq!(update(&mut app, at(9), Input::Tick), []);
    assert_eq!(update(&mut empty(), at(9), Input::Tick), []);
}

#[test]
fn the_log_follows_until_somebody_looks_back() {
    let mut app = app();
    press(&mut app, "5");
    assert!(app.log.follows());
    press(&mut app, "k");
    assert!(!app.log.follows());
    hear(&mut app, EventBody::Forgotten { job: id(1) });
    assert!(!app.log.follows());
    press(&mut app, "G");
    assert!(app.log.follows());
    press(&mut app, "/forgotten<Enter>");
    assert_eq!(press(&mut app, "n"), []);
    assert!(app.log.lines()[app.log.chosen()].text.contains("forgotten"));
}

#[test]
fn a_device_and_a_mail_lead_to_their_job() {
    let mut app = app();
    press(&mut app, "3<Enter>");
    assert_eq!((app.view, app.jobs.open), (View::Jobs, Some(id(5))));
    press(&mut app, "4<Enter>");
    assert_eq!((app.view, app.jobs.open), (View::Jobs, Some(id(6))));
}
