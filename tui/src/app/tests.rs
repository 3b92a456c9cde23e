//! What keys and events do.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use protocol::{JobPage, JobState, StateName, StyleName};

use super::fixtures::{app, at, connected, empty, id, jobs, press, snapshot};
use super::jobs::Order;
use super::*;

mod answers;

fn hear(app: &mut App, body: EventBody) -> Vec<Effect> {
    let now = app.now;
    update(app, now, Input::Event(Box::new(Event { sequence: 101, at: now, body })))
}

fn trained() -> App {
    let mut app = app();
    super::fixtures::train(&mut app);
    app
}

#[test]
fn the_past_of_a_run_is_fetched_when_it_comes_into_view_and_again_after_a_gap() {
    let mut app = trained();
    let asked = |id, step| vec![Effect::Losses(id), Effect::Preview(id, step), Effect::Checkpoints(id)];
    assert_eq!(press(&mut app, "2"), asked(id(9), Some(60)));
    assert_eq!(press(&mut app, "12"), []);
    assert_eq!(press(&mut app, "j"), asked(id(8), None));
    update(&mut app, at(1), lost("gone"));
    let effects = update(&mut app, at(2), connected(Role::Admin));
    assert!(effects.contains(&Effect::Losses(id(8))), "a step may have been missed: {effects:?}");
    let effects = hear(&mut app, snapshot().body);
    assert!(!effects.contains(&Effect::Losses(id(8))), "it is not in this snapshot: {effects:?}");
    super::fixtures::train(&mut app);
    assert!(hear(&mut app, EventBody::Preview { job: id(8), step: 80 }).contains(&Effect::Preview(id(8), Some(80))));
}

#[test]
fn what_was_fetched_and_what_was_heard_make_one_curve() {
    let mut app = trained();
    let curve = |app: &App| app.training.run(id(9)).unwrap().curve.len();
    assert_eq!(curve(&app), 60);
    let points: Vec<_> = (1..=50).map(super::fixtures::point).collect();
    let now = app.now;
    update(&mut app, now, Input::Answer(Answer::Losses(protocol::LossCurve::new(id(9), points))));
    assert_eq!(curve(&app), 60, "ten came while the rest was on its way");
    hear(&mut app, EventBody::Loss { job: id(9), point: super::fixtures::point(41) });
    assert_eq!(curve(&app), 41, "a run that went back");
}

#[test]
fn the_cursor_and_the_zoom_stay_within_the_run() {
    let mut app = trained();
    press(&mut app, "2");
    let range = |app: &App| app.training.range(&app.training.shown(&app.jobs)).unwrap();
    assert_eq!(range(&app), (1.0, 60.0));
    press(&mut app, "z");
    assert_eq!(range(&app), (30.5, 60.0), "the recent part");
    press(&mut app, "<Left><Left>");
    assert_eq!(app.training.cursor, Some(58.0));
    for _ in 0..100 {
        press(&mut app, "<Left>");
    }
    assert_eq!((app.training.cursor, range(&app)), (Some(1.0), (1.0, 30.5)));
    press(&mut app, "x");
    assert_eq!(app.training.cursor, None);
    press(&mut app, "0");
    assert_eq!(range(&app), (0.5, 30.0), "the whole run by clock");
    press(&mut app, "<Right>");
    assert_eq!(app.training.cursor, None, "beyond the end it follows");
    press(&mut app, "zzzzzzzzzzzzzzzzzzzzzzzzzz<Left>ZZ");
}

#[test]
fn six_runs_are_compared_at_most() {
    let mut app = trained();
    press(&mut app, "2  ");
    assert_eq!(app.training.compared, [id(9), id(8)]);
    assert_eq!(app.training.shown(&app.jobs), [id(8), id(9)]);
    press(&mut app, "<Esc>");
    assert_eq!(app.training.shown(&app.jobs).len(), 1);
}

#[test]
fn a_training_can_be_finished_early_after_a_question() {
    let mut app = trained();
    press(&mut app, "2");
    assert_eq!(press(&mut app, "f"), []);
    assert_eq!(press(&mut app, "y"), [Effect::Change(Change::Keep, vec![id(9)])]);
    press(&mut app, "j");
    assert_eq!(press(&mut app, "f"), [], "it is finished");
    assert_eq!(app.overlay, None);
}

/// Returns what a form asks for when it is sent.
fn sent(effects: &[Effect]) -> &[Effect] {
    match effects {
        [Effect::Send(_, orders)] => orders,
        other => panic!("{other:?}"),
    }
}

fn in_folder(app: &mut App, key: &str) -> Vec<Effect> {
    assert_eq!(press(app, key), [Effect::List(".".into())]);
    let now = app.now;
    update(app, now, Input::Answer(super::fixtures::folder()))
}

#[test]
fn photos_are_chosen_then_a_style_then_they_are_sent() {
    let mut app = app();
    assert_eq!(in_folder(&mut app, "s"), [], "a folder is first, and looks like nothing");
    assert_eq!(press(&mut app, "<Enter>"), [Effect::List("/home/ada/holiday".into())]);
    assert_eq!(press(&mut app, "j"), [Effect::Photo("/home/ada/cat.jpg".into())]);
    assert_eq!(press(&mut app, "  <Enter>").first(), Some(&Effect::Photo("/home/ada/dog.png".into())));
    let Some(Overlay::Form(form)) = &app.overlay else { panic!("no form") };
    assert_eq!(form.value("style"), Some("great-wave"));
    assert_eq!(press(&mut app, "<Right><Tab>0.5<Tab>800<Tab><Right>"), []);
    let effects = press(&mut app, "<Enter>");
    let [Effect::Submit(cat, order), Effect::Submit(dog, _)] = sent(&effects) else { panic!("{effects:?}") };
    assert_eq!([cat, dog], [Path::new("/home/ada/cat.jpg"), Path::new("/home/ada/dog.png")]);
    assert_eq!((order.style.as_str(), order.strength, order.size), ("starry-night", Some(0.5), Some(800)));
    assert!(order.preserve_color);
    assert_eq!((order.format, order.email.as_deref()), (None, None), "what is left alone is the daemon's to decide");
    assert_eq!(app.overlay, None);
}

#[test]
fn a_photo_is_painted_after_artworks_that_are_chosen_next() {
    let mut app = app();
    in_folder(&mut app, "a");
    let looked_at = Picture::new(30, 20, vec![9; 30 * 20 * 3]).unwrap();
    assert_eq!(press(&mut app, "j"), [Effect::Photo("/home/ada/cat.jpg".into())]);
    let other = Picture::new(3, 2, vec![9; 3 * 2 * 3]).unwrap();
    update(&mut app, at(0), Input::Answer(Answer::Photo("/home/ada/cat.jpg".into(), Ok(looked_at))));
    update(&mut app, at(0), Input::Answer(Answer::Photo("/home/ada/dog.png".into(), Ok(other))));
    assert_eq!(press(&mut app, "<Enter>"), [Effect::List("/home/ada".into())], "the same folder again");
    update(&mut app, at(0), Input::Answer(super::fixtures::folder()));
    press(&mut app, "j  <Enter>");
    let Some(Overlay::Form(form)) = &app.overlay else { panic!("{:?}", app.overlay) };
    assert_eq!(form.picture, Some((30, 20)), "what it costs goes by the photo");
    assert_eq!(press(&mut app, "1 x<Enter>"), []);
    let effects = press(&mut app, "<Back>0.5<Tab>40<Enter>");
    let [Effect::Paint(photo, artworks, order, _)] = sent(&effects) else { panic!("{effects:?} {:?}", app.overlay) };
    assert_eq!(*photo, PathBuf::from("/home/ada/cat.jpg"));
    assert_eq!(*artworks, ["/home/ada/cat.jpg", "/home/ada/dog.png"].map(PathBuf::from));
    assert_eq!((order.artwork_weights.as_slice(), order.steps), ([1.0, 0.5].as_slice(), Some(40)));
}

#[test]
fn a_form_says_what_is_wrong_and_stays() {
    let mut app = app();
    in_folder(&mut app, "s");
    press(&mut app, "j<Enter><Tab>7<Enter>");
    let problem = |app: &App| match &app.overlay {
        Some(Overlay::Form(form)) => form.problem.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(problem(&app).as_deref(), Some("strength: a number from 0 to 1"));
    press(&mut app, "<Back>");
    assert_eq!(problem(&app), None);
    press(&mut app, "x<Enter>");
    assert!(problem(&app).unwrap().starts_with("strength: "));
    update(&mut app, at(1), lost("gone"));
    press(&mut app, "<C-u><Enter>");
    assert!(problem(&app).unwrap().contains("away"));
    assert_eq!(press(&mut app, "<Esc>"), []);
    assert_eq!(app.overlay, None);
}

#[test]
fn a_style_is_learned_from_an_artwork_with_what_the_form_says() {
    let mut app = app();
    in_folder(&mut app, "t");
    press(&mut app, "j<Enter>");
    let effects = press(&mut app, "<C-u>my-cat<Tab><Tab><Right><Tab>90<Enter>");
    let [Effect::Train(artwork, order, _)] = sent(&effects) else { panic!("{effects:?} {:?}", app.overlay) };
    assert_eq!(*artwork, PathBuf::from("/home/ada/cat.jpg"));
    let filled = order.clone().fill().unwrap();
    assert_eq!((filled.name.as_str(), filled.recipe.as_str(), filled.steps), ("my-cat", "johnson", 90));
    assert_eq!(filled.init.to_string(), "none", "the recipe's own start");
}

#[test]
fn a_style_is_imported_under_a_name_made_of_its_file() {
    let mut app = app();
    press(&mut app, "3");
    in_folder(&mut app, "i");
    press(&mut app, " <Enter>");
    let Some(Overlay::Form(form)) = &app.overlay else { panic!("{:?}", app.overlay) };
    assert_eq!(form.value("name"), Some("holiday"), "a marked folder is taken");
    let name: StyleName = "holiday".parse().unwrap();
    assert_eq!(sent(&press(&mut app, "<Enter>")), [Effect::Import("/home/ada/holiday".into(), name)]);
}

#[test]
fn a_folder_that_can_not_be_read_is_told() {
    let mut app = app();
    press(&mut app, "s");
    update(&mut app, at(0), Input::Answer(Answer::NoFolder("permission denied".to_owned())));
    let Some(Overlay::Files(files)) = &app.overlay else { panic!("{:?}", app.overlay) };
    assert_eq!(files.problem.as_deref(), Some("permission denied"));
}

#[test]
fn hidden_files_are_shown_on_demand_and_names_are_filtered() {
    let mut app = app();
    in_folder(&mut app, "s");
    let shown = |app: &App| match &app.overlay {
        Some(Overlay::Files(files)) => files.shown().iter().map(|entry| entry.name.clone()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(shown(&app), ["holiday", "cat.jpg", "dog.png"]);
    press(&mut app, ".");
    assert_eq!(shown(&app), ["holiday", ".hidden.jpg", "cat.jpg", "dog.png"]);
    press(&mut app, "/dog<Enter>");
    assert_eq!(shown(&app), ["dog.png"]);
    assert_eq!(press(&mut app, "<Left>"), [Effect::List("/home".into())]);
}

#[test]
fn a_training_opens_with_its_curves() {
    let mut app = trained();
    press(&mut app, "<Enter>");
    assert_eq!((app.view, app.jobs.open), (View::Training, None));
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
    press(&mut app, "4<End>3<End>1<End>");
    assert_eq!(press(&mut app, "rxcpst<Home>cprx+-3dsit"), []);
    assert_eq!(app.overlay, None);
    update(&mut app, at(1), connected(Role::Submit));
    press(&mut app, "1<End>");
    assert_eq!(press(&mut app, "x3d"), [], "forgetting and deleting are for the admin");
    assert_eq!(press(&mut app, "1<Home>p").len(), 1);
}

#[test]
fn nothing_is_changed_while_the_daemon_is_away() {
    let mut app = app();
    update(&mut app, at(1), lost("gone"));
    assert_eq!(press(&mut app, "cpr+3d123456"), []);
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
    job.state = JobState::Paused { steps_done: 0 };
    hear(&mut app, EventBody::State(Box::new(job.clone())));
    assert_eq!(app.jobs.get(job.id).unwrap().state, JobState::Paused { steps_done: 0 });
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
    assert_eq!(
        app.jobs.get(id(7)).unwrap().state,
        JobState::Queued { steps_done: 0 },
        "late news of a job that waits again"
    );
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
    assert_eq!(press(&mut app, "<Esc>3"), [Effect::StylePreview(wave)]);
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
    update(&mut app, at(0), Input::Answer(Answer::Failed("not changed".to_owned(), failed)));
    assert_eq!(app.notice.as_ref().unwrap().text, r"not changed: the queue is \u{1b}[31mfull");
    update(&mut app, at(10), Input::Tick);
    assert_eq!(app.notice, None);
}

#[test]
fn every_refusal_of_a_batch_stays_in_the_log() {
    let mut app = app();
    for name in ["cat.jpg", "dog.png", "dog.png"] {
        let failed = Failed::Other("no picture".to_owned());
        update(&mut app, at(0), Input::Answer(Answer::Failed(format!("{name}: not accepted"), failed)));
    }
    let lines: Vec<_> = app.log.lines().iter().rev().take(3).map(|line| line.text.as_str()).collect();
    assert_eq!(lines[..2], ["dog.png: not accepted: no picture", "cat.jpg: not accepted: no picture"]);
    assert!(!lines[2].contains("not accepted"), "the same again is one line: {lines:?}");
}

#[test]
fn what_was_on_its_way_when_the_link_broke_is_asked_for_again() {
    let mut app = app();
    let again = |app: &mut App| {
        update(app, at(1), lost("gone"));
        update(app, at(2), connected(Role::Admin))
    };
    assert_eq!(press(&mut app, "<End>"), [Effect::Older(None)]);
    again(&mut app);
    assert_eq!(press(&mut app, "<End>"), [Effect::Older(None)]);
    let page = JobPage { jobs: vec![], next: Some("cursor".to_owned()) };
    update(&mut app, at(2), Input::Answer(Answer::Older(page)));
    assert_eq!(press(&mut app, "<End>"), [Effect::Older(Some("cursor".to_owned()))]);
    again(&mut app);
    assert_eq!(press(&mut app, "<End>"), [Effect::Older(Some("cursor".to_owned()))]);
    assert_eq!(press(&mut app, "<Enter>"), [Effect::Painting(id(1))]);
    assert!(again(&mut app).contains(&Effect::Painting(id(1))));
    let wave: StyleName = "great-wave".parse().unwrap();
    assert_eq!(press(&mut app, "<Esc>3"), [Effect::StylePreview(wave.clone())]);
    assert!(again(&mut app).contains(&Effect::StylePreview(wave.clone())));
    let picture = Picture::new(3, 2, vec![9; 3 * 2 * 3]);
    update(&mut app, at(2), Input::Answer(Answer::StylePreview(wave.clone(), picture)));
    assert!(!again(&mut app).contains(&Effect::StylePreview(wave)), "it is here");
}

#[test]
fn a_long_paste_is_cut_and_stays_on_its_line() {
    let mut app = app();
    in_folder(&mut app, "s");
    press(&mut app, "j<Enter><Tab>ab<Left>");
    update(&mut app, at(0), Input::Paste(format!("1\r\n2{}", "é".repeat(1_000_000))));
    let Some(Overlay::Form(form)) = &app.overlay else { panic!("{:?}", app.overlay) };
    let typed = form.value("strength").unwrap();
    assert!(typed.starts_with("a1  2é") && typed.ends_with("éb"), "{}", &typed[..20]);
    assert_eq!(typed.chars().count(), 4096 + 2);
    press(&mut app, "x<C-u>");
    let Some(Overlay::Form(form)) = &app.overlay else { panic!("{:?}", app.overlay) };
    assert_eq!(form.value("strength"), None);
}

#[test]
fn places_in_the_queue_are_asked_for_when_it_moves_and_not_too_often() {
    let mut app = empty();
    update(&mut app, at(0), connected(Role::View));
    let place = |app: &App| app.jobs.get(id(7)).unwrap().queue_position;
    let queued = || Job { queue_position: None, ..jobs().into_iter().find(|job| job.id == id(7)).unwrap() };
    hear(&mut app, EventBody::State(Box::new(queued())));
    assert_eq!((place(&app), app.jobs.queued()), (None, 1), "no event tells it");
    assert_eq!(update(&mut app, at(1), Input::Tick), [Effect::Queue]);
    let told = Job { queue_position: Some(3), ..queued() };
    update(&mut app, at(1), Input::Answer(Answer::Queue(vec![told])));
    assert_eq!((place(&app), update(&mut app, at(9), Input::Tick)), (Some(3), vec![]), "it has not moved");
    assert_eq!(app.jobs.queued(), 4, "three are before it that no snapshot has shown");
    hear(&mut app, EventBody::State(Box::new(queued())));
    assert_eq!(place(&app), Some(3), "the last that is known");
    update(&mut app, at(9), Input::Tick);
    hear(&mut app, EventBody::State(Box::new(Job { state: JobState::Paused { steps_done: 0 }, ..queued() })));
    assert_eq!(update(&mut app, at(9), Input::Tick), []);
    assert_eq!(update(&mut app, at(10), Input::Tick), [Effect::Queue], "one that leaves moves it too");
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
    press(&mut app, "6");
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
    press(&mut app, "4<Enter>");
    assert_eq!((app.view, app.jobs.open), (View::Jobs, Some(id(5))));
    press(&mut app, "5<Enter>");
    assert_eq!((app.view, app.jobs.open), (View::Jobs, Some(id(6))));
}
