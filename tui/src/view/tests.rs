//! Every view on every size of screen.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use jiff::SignedDuration;
use protocol::{Event, EventBody, JobState};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::*;
use crate::app::fixtures::{app, at, empty, press};
use crate::app::link::LinkNews;
use crate::app::{Answer, Input, update};
use crate::picture::Picture;
use crate::theme::{Depth, Ground};

const THEME: Theme = Theme { depth: Depth::None, ground: Ground::Dark, charset: Charset::Unicode };

/// The sizes that every view is drawn at.
const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (40, 10)];

/// Draws the app at a size, as text.
pub(crate) fn screen(app: &mut App, columns: u16, rows: u16) -> String {
    let now = app.now;
    update(app, now, Input::Size(columns, rows));
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| drop(draw(app, THEME, frame.area(), frame.buffer_mut()))).unwrap();
    let lines = terminal.backend().to_string();
    lines.lines().map(|line| line.trim_matches('"').trim_end().to_owned() + "\n").collect()
}

fn snapshots(name: &str, mut app: App) {
    for (columns, rows) in SIZES {
        insta::assert_snapshot!(format!("{name}-{columns}x{rows}"), screen(&mut app, columns, rows));
    }
}

/// A picture with a light upper left corner.
fn picture() -> Picture {
    let rgb = (0..64_u32 * 48).flat_map(|at| [(255 - at % 64 * 3) as u8, (255 - at / 64 * 5) as u8, 90]).collect();
    Picture::new(64, 48, rgb).unwrap()
}

fn after(keys: &str) -> App {
    let mut app = app();
    press(&mut app, keys);
    app
}

#[test]
fn jobs() {
    snapshots("jobs", after("j"));
}

#[test]
fn the_documentation_shows_this() {
    let screen = screen(&mut after("j"), 90, 24);
    crate::documented::check("docs/console.md", "jobs", &format!("```text\n{screen}```\n"));
}

#[test]
fn jobs_filtered_marked_and_sorted() {
    snapshots("jobs-filtered", after("/!state:cancelled<Enter>o  "));
}

#[test]
fn one_job_with_its_painting() {
    let mut app = after("<End><Enter>");
    let id = app.jobs.open.unwrap();
    update(&mut app, at(0), Input::Answer(Answer::Painting(id, Some(picture()))));
    snapshots("job", app);
}

#[test]
fn a_job_that_ended_badly_shows_on_which_device_and_when() {
    let mut app = after("/scream<Enter><Enter>");
    let shown = screen(&mut app, 80, 24);
    assert!(shown.contains(" state         failed on cpu after 5.0 s\n"), "{shown}");
}

#[test]
fn a_training_that_stands_still_shows_after_which_step_it_goes_on() {
    for (is_paused, words) in [(true, "paused, step 150 of 400"), (false, "queued, step 150 of 400, next, waits for")] {
        let mut app = training("");
        let mut job = app.jobs.get(crate::app::fixtures::id(9)).unwrap().clone();
        job.state = JobState::Queued { steps_done: 150 };
        job.queue_position = Some(0);
        if is_paused {
            job.state = JobState::Paused { steps_done: 150 };
            job.queue_position = None;
        }
        update(
            &mut app,
            at(0),
            Input::Event(Box::new(Event { sequence: 200, at: at(0), body: EventBody::State(Box::new(job)) })),
        );
        press(&mut app, "1<Home>");
        let jobs = screen(&mut app, 120, 40);
        let row = jobs.lines().find(|line| line.contains("0909c0de")).unwrap();
        assert!(row.contains("150/400"), "{row}");
        assert!(jobs.contains(words), "{jobs}");
        press(&mut app, "2");
        let trainings = screen(&mut app, 120, 40);
        assert!(trainings.lines().any(|line| line.contains("0909c0de") && line.contains("150/400")), "{trainings}");
    }
}

fn training(keys: &str) -> App {
    let mut app = app();
    crate::app::fixtures::train(&mut app);
    let id = crate::app::fixtures::id(9);
    update(&mut app, at(0), Input::Answer(Answer::Preview(id, Some(60), Some(picture()))));
    press(&mut app, "2");
    press(&mut app, keys);
    app
}

#[test]
fn training_with_its_total() {
    snapshots("training", training(""));
}

#[test]
fn training_with_every_layer_and_the_cursor_on_the_spike() {
    let mut app = training("mm[[[[yz");
    app.training.cursor = Some(37.0);
    snapshots("training-layers", app);
}

#[test]
fn trainings_compared() {
    snapshots("training-compared", training("  k"));
}

#[test]
fn the_documentation_shows_a_training() {
    let screen = self::screen(&mut training("m"), 110, 30);
    crate::documented::check("docs/console.md", "training", &format!("```text\n{screen}```\n"));
    let small = self::screen(&mut training(""), 80, 20);
    crate::documented::check("README.md", "training", &format!("```text\n{small}```\n"));
}

#[test]
fn styles() {
    let mut app = app();
    press(&mut app, "/");
    press(&mut app, "<Esc>");
    app.view = View::Styles;
    let name = app.styles.chosen().unwrap().name.clone();
    update(&mut app, at(0), Input::Answer(Answer::StylePreview(name, Some(picture()))));
    snapshots("styles", app);
}

#[test]
fn devices() {
    let mut app = app();
    app.view = View::Devices;
    update(&mut app, at(700), Input::Tick);
    snapshots("devices", app);
}

#[test]
fn mail() {
    let mut app = app();
    app.view = View::Mail;
    snapshots("mail", app);
}

#[test]
fn log() {
    let mut app = app();
    app.view = View::Log;
    for job in crate::app::fixtures::jobs().into_iter().rev() {
        let body = protocol::EventBody::State(Box::new(job));
        let event = protocol::Event { sequence: 101, at: at(5), body };
        update(&mut app, at(5), Input::Event(Box::new(event)));
    }
    press(&mut app, "/scream<Enter>");
    snapshots("log", app);
}

#[test]
fn a_question() {
    snapshots("question", after("  c"));
}

fn picking(keys: &str) -> App {
    let mut app = app();
    crate::app::fixtures::train(&mut app);
    press(&mut app, &keys[..1]);
    update(&mut app, at(0), Input::Answer(crate::app::fixtures::folder()));
    press(&mut app, &keys[1..]);
    app
}

#[test]
fn files() {
    let mut app = picking("s j");
    let path = "/home/ada/dog.png".into();
    update(&mut app, at(0), Input::Answer(Answer::Photo(path, Ok(picture()))));
    snapshots("files", app);
}

#[test]
fn a_form_for_painting() {
    snapshots("form-paint", picking("sj<Enter><Tab>0.5"));
}

#[test]
fn a_form_for_training_shows_its_cost() {
    snapshots("form-train", picking("tj<Enter><Tab><Tab><Tab>600"));
}

#[test]
fn a_form_for_painting_after_artworks_shows_its_cost() {
    let mut app = picking("aj");
    update(&mut app, at(0), Input::Answer(Answer::Photo("/home/ada/cat.jpg".into(), Ok(picture()))));
    press(&mut app, "<Enter>");
    update(&mut app, at(0), Input::Answer(crate::app::fixtures::folder()));
    press(&mut app, "j  <Enter><Tab>40");
    snapshots("form-artworks", app);
}

#[test]
fn help() {
    snapshots("help", after("?"));
}

#[test]
fn a_daemon_that_is_away() {
    let mut app = app();
    let retry_in = SignedDuration::from_millis(2_400);
    let reason = "connection refused".to_owned();
    update(&mut app, at(30), Input::Link(LinkNews::Lost { reason, retry_in }));
    snapshots("away", app);
}

#[test]
fn a_daemon_that_was_never_there() {
    let mut app = empty();
    let news = LinkNews::Lost { reason: "connection refused".to_owned(), retry_in: SignedDuration::from_millis(250) };
    update(&mut app, at(0), Input::Link(news));
    snapshots("never", app);
}

#[test]
fn what_was_true_once_is_dim() {
    let mut app = app();
    let news = LinkNews::Lost { reason: String::new(), retry_in: SignedDuration::from_secs(1) };
    update(&mut app, at(0), Input::Link(news));
    let area = Rect::new(0, 0, 80, 24);
    let mut buffer = Buffer::empty(area);
    draw(&app, THEME, area, &mut buffer);
    assert!((0..80).all(|x| (2..23).all(|y| buffer[(x, y)].modifier.contains(Modifier::DIM))));
    update(&mut app, at(0), crate::app::fixtures::connected(crate::app::link::Role::Admin));
    let mut buffer = Buffer::empty(area);
    draw(&app, THEME, area, &mut buffer);
    assert!(!buffer[(2, 3)].modifier.contains(Modifier::DIM));
}

#[test]
fn every_size_can_be_drawn_in_every_state() {
    let states: Vec<_> = ["", "j<Enter>", "2", "3", "4", "5", "6", "  c", "?", "/x"].into_iter().map(after).collect();
    let trainings = ["", "m", "mm", " j", "z<Left>x"].into_iter().map(training);
    let picking = ["s", "sj<Enter>", "t/", "tj<Enter>"].into_iter().map(picking);
    for mut app in states.into_iter().chain(trainings).chain(picking).chain([empty()]) {
        for (columns, rows) in
            [(80, 0), (0, 24), (1, 1), (19, 4), (20, 5), (21, 6), (33, 7), (80, 1), (500, 200), (20, 200), (500, 5)]
        {
            for charset in [Charset::Unicode, Charset::Ascii] {
                update(&mut app, at(1), Input::Size(columns, rows));
                let area = Rect::new(0, 0, columns, rows);
                let mut buffer = Buffer::empty(area);
                draw(&app, Theme { charset, depth: Depth::True, ground: Ground::Light }, area, &mut buffer);
                let text = |cell: &ratatui::buffer::Cell| cell.symbol().to_owned();
                let drawn: String = buffer.content().iter().map(text).collect();
                assert!(charset == Charset::Unicode || drawn.is_ascii(), "{columns}×{rows}: {drawn}");
                assert!(!drawn.chars().any(char::is_control), "{columns}×{rows}: {drawn}");
            }
        }
    }
}
