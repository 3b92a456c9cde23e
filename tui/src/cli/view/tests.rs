//! Screens as people see them.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;

use insta::assert_snapshot;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use protocol::job::ProgressUnit;
use protocol::{
    Checkpoint, Delivery, Device, DeviceKind, ErrorCode, Event, EventBody, Failure, Job, JobResult, JobState,
    LossCurve, LossPoint, Mail, MailState, OutputFormat, PaintOrder, Parameters, Priority, Progress, Snapshot, Style,
    StyleProblem, StyleState, StylizeParameters, TrainOrder,
};

use super::{Look, Paint, Printed};

fn at(clock: &str) -> Timestamp {
    format!("2026-03-01T{clock}Z").parse().unwrap()
}

fn look() -> Look {
    Look { paint: Paint::Plain, columns: None, now: at("12:00:00"), zone: TimeZone::UTC }
}

fn job(tail: u8, state: JobState) -> Job {
    Job {
        id: format!("01890a5d-ac96-774b-bcce-b302099a80{tail:02x}").parse().unwrap(),
        parameters: Parameters::Stylize(StylizeParameters {
            style: "great-wave".parse().unwrap(),
            strength: 0.5,
            size: Some(640),
            preserve_color: true,
            format: OutputFormat::Jpeg,
        }),
        priority: Priority::Interactive,
        state,
        created_at: at("11:58:30"),
        attempt: 1,
        mail: None,
        note: None,
        warnings: Vec::new(),
        skipped_files: Vec::new(),
        queue_position: None,
    }
}

fn queued() -> Job {
    Job { queue_position: Some(3), note: Some("for the wall".to_owned()), ..job(1, JobState::Queued { steps_done: 0 }) }
}

fn running() -> Job {
    let progress = Progress { done: 40, total: 100, unit: ProgressUnit::Percent, rate: Some(5.0) };
    job(2, JobState::Running { started_at: at("11:59:50"), device: "cpu".to_owned(), progress })
}

fn succeeded() -> Job {
    let result = JobResult {
        url: "/v1/jobs/x/result".to_owned(),
        media_type: "image/jpeg".to_owned(),
        width: Some(640),
        height: Some(480),
        bytes: 123_456,
        sha256: "ab".repeat(32),
    };
    let mail = Delivery { to: "me@example.org".to_owned(), state: MailState::Sent, attempts: 1 };
    let state = JobState::Succeeded {
        started_at: at("11:59:00"),
        finished_at: at("11:59:03"),
        device: "cpu".to_owned(),
        result,
    };
    Job {
        mail: Some(mail),
        warnings: vec!["the colour profile is unknown; sRGB is assumed".to_owned()],
        ..job(3, state)
    }
}

fn failed() -> Job {
    let error = Failure { code: ErrorCode::NotFinite, detail: "the network gave NaN\u{1b}[2J".to_owned() };
    let device = Some("cpu".to_owned());
    job(4, JobState::Failed { started_at: Some(at("11:59:00")), finished_at: at("11:59:01"), device, error })
}

fn cancelled() -> Job {
    job(5, JobState::Cancelled { started_at: None, finished_at: at("11:59:01"), device: None })
}

fn style() -> Style {
    Style {
        name: "great-wave".parse().unwrap(),
        title: Some("The Great Wave off Kanagawa".to_owned()),
        state: StyleState::Ready,
        architecture: Some("house".to_owned()),
        digest: Some("cd".repeat(32)),
        author: Some("Hokusai".to_owned()),
        licence: Some("CC0-1.0".to_owned()),
        artwork: None,
        trained_on: Some("builtin".to_owned()),
        parameters: Some(424_102),
        has_preview: true,
        problem: None,
    }
}

fn broken() -> Style {
    let problem = StyleProblem { code: "digest".to_owned(), detail: "the weights don't match their digest".to_owned() };
    Style {
        name: "torn".parse().unwrap(),
        title: None,
        state: StyleState::Broken,
        licence: None,
        problem: Some(problem),
        ..style()
    }
}

#[test]
fn jobs_are_a_table() {
    let jobs = [queued(), running(), job(6, JobState::Paused { steps_done: 0 }), succeeded(), failed(), cancelled()];
    assert_snapshot!("jobs", super::jobs(&jobs, &look()));
    assert_snapshot!("no_jobs", super::jobs(&[], &look()));
}

#[test]
fn the_last_column_is_cut_at_the_terminals_edge() {
    let note = Some("a note that is longer than the terminal is wide, 漢字 and all".to_owned());
    let jobs = [Job { note, ..queued() }];
    let narrow = Look { columns: Some(80), ..look() };
    let shown = super::jobs(&jobs, &narrow);
    assert_snapshot!("narrow", shown);
    assert!(shown.lines().all(|line| unicode_width::UnicodeWidthStr::width(line) <= 80));
}

fn training() -> Job {
    let progress = Progress { done: 120, total: 400, unit: ProgressUnit::Step, rate: Some(2.5) };
    let state = JobState::Running { started_at: at("11:59:12"), device: "cpu".to_owned(), progress };
    let parameters = Parameters::Train(TrainOrder::new("my-wave".parse().unwrap()).fill().unwrap());
    Job { parameters, priority: Priority::Batch, ..job(7, state) }
}

fn painting() -> Job {
    let order = PaintOrder { artwork_weights: vec![2.0, 1.0], ..PaintOrder::default() };
    let parameters = Parameters::Paint(order.fill(2, OutputFormat::Jpeg).unwrap());
    Job { parameters, ..job(8, JobState::Paused { steps_done: 45 }) }
}

#[test]
fn training_and_painting_are_shown_like_other_jobs() {
    let job = Job { skipped_files: vec!["cat.jpg: the file is cut short".to_owned()], ..training() };
    let checkpoint = Checkpoint { step: 100, at: at("11:59:40"), bytes: 3_300_000 };
    assert_snapshot!("job_training", super::job(&job, &[checkpoint], &look()));
    assert_snapshot!("job_painting", super::job(&painting(), &[], &look()));
    let layers = BTreeMap::new();
    let point = LossPoint { step: 1, seconds: 75.5, total: 12.5, content: 2.0, style: 3.5, tv: 0.0, layers };
    assert_snapshot!("losses", super::losses(&LossCurve::new(job.id, vec![point]), &look()));
    assert_snapshot!("jobs_of_all_kinds", super::jobs(&[queued(), training(), painting()], &look()));
}

#[test]
fn colours_do_not_move_columns() {
    let jobs = [queued(), running(), failed()];
    let coloured = super::jobs(&jobs, &Look { paint: Paint::Colours, ..look() });
    assert!(coloured.contains("\u{1b}["));
    let mut bare = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        bare.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    bare.push_str(rest);
    assert_eq!(bare, super::jobs(&jobs, &look()));
}

#[test]
fn a_job_is_shown_in_full() {
    assert_snapshot!("job_queued", super::job(&queued(), &[], &look()));
    assert_snapshot!("job_running", super::job(&running(), &[], &look()));
    assert_snapshot!("job_succeeded", super::job(&succeeded(), &[], &look()));
    assert_snapshot!("job_failed", super::job(&failed(), &[], &look()));
}

#[test]
fn styles_are_a_table_with_a_column_for_problems_where_there_are_any() {
    assert_snapshot!("styles", super::styles(&[style()], &look()));
    assert_snapshot!("styles_with_problem", super::styles(&[style(), broken()], &look()));
    assert_snapshot!("style", super::style(&style(), &look()));
    assert_snapshot!("style_broken", super::style(&broken(), &look()));
}

#[test]
fn devices_and_mails_are_tables() {
    let cpu = Device {
        name: "cpu:0".to_owned(),
        kind: DeviceKind::Cpu,
        model: Some("Example 9000".to_owned()),
        threads: 4,
        memory_bytes: 8 << 30,
        busy: true,
        job: Some(running().id),
        utilisation: Some(0.97),
        temperature: None,
    };
    let card = Device {
        name: "cuda:0".to_owned(),
        kind: DeviceKind::Cuda,
        model: None,
        threads: 0,
        busy: false,
        job: None,
        utilisation: None,
        temperature: Some(61.4),
        ..cpu.clone()
    };
    assert_snapshot!("devices", super::devices(&[cpu, card], &look()));
    let sent = Mail {
        recipient: "me@example.org".to_owned(),
        job: succeeded().id,
        state: MailState::Sent,
        attempts: 1,
        next_try: None,
        last_answer: Some("250 ok".to_owned()),
    };
    let waiting = Mail {
        state: MailState::Queued,
        attempts: 3,
        next_try: Some(at("12:04:00")),
        last_answer: Some("451 try later\r\n".to_owned()),
        ..sent.clone()
    };
    assert_snapshot!("mail", super::mail(&[sent, waiting], &look()));
}

#[test]
fn events_are_lines() {
    let progress = |done| {
        let progress = Progress { done, total: 100, unit: ProgressUnit::Percent, rate: None };
        EventBody::Progress { job: running().id, progress, rate: None, eta_seconds: None }
    };
    let bodies = [
        EventBody::Snapshot(Snapshot { jobs: vec![running(), queued()], ..Snapshot::default() }),
        EventBody::State(Box::new(running())),
        progress(5),
        progress(20),
        progress(21),
        progress(30),
        EventBody::State(Box::new(succeeded())),
        EventBody::State(Box::new(failed())),
        EventBody::End { job: failed().id },
        EventBody::Style { name: style().name, style: Some(style()) },
        EventBody::Style { name: broken().name, style: Some(broken()) },
        EventBody::Style { name: style().name, style: None },
        EventBody::Forgotten { job: failed().id },
    ];
    let mut printed = Printed::default();
    let lines: String = bodies
        .into_iter()
        .enumerate()
        .map(|(i, body)| Event { sequence: i as u64, at: at("11:59:00"), body })
        .map(|event| super::event(&event, &mut printed, &look()))
        .collect();
    assert_snapshot!("events", lines);
}
