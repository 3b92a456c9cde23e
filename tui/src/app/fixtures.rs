//! A day in a studio, for tests.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use jiff::Timestamp;
use jiff::tz::TimeZone;
use protocol::job::ProgressUnit;
use protocol::{
    Checkpoint, CheckpointList, Delivery, Device, DeviceKind, ErrorCode, Event, EventBody, Failure, Job, JobId,
    JobResult, JobState, LossPoint, Mail, MailState, OutputFormat, Parameters, Priority, Progress, Snapshot, Style,
    StyleProblem, StyleState, StylizeParameters, TrainOrder,
};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::files::Entry;
use super::link::{Host, LinkNews, Role};
use super::{App, Effect, Input, update};

/// Noon, and so many seconds.
pub(crate) fn at(seconds: i64) -> Timestamp {
    "2026-03-01T12:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(seconds)
}

/// The job of this number.
pub(crate) fn id(number: u8) -> JobId {
    format!("0195a0c0-0000-7000-8000-0000{number:02x}{number:02x}c0de").parse().unwrap()
}

fn job(number: u8, style: &str, state: JobState) -> Job {
    let parameters = StylizeParameters {
        style: style.parse().unwrap(),
        strength: 1.0,
        size: None,
        preserve_color: false,
        format: OutputFormat::Jpeg,
    };
    Job {
        id: id(number),
        parameters: Parameters::Stylize(parameters),
        priority: Priority::Interactive,
        state,
        created_at: at(i64::from(number) * 10 - 200),
        attempt: 1,
        mail: None,
        note: None,
        warnings: Vec::new(),
        skipped_files: Vec::new(),
        queue_position: None,
    }
}

/// Seven jobs in every state, newest first.
pub(crate) fn jobs() -> Vec<Job> {
    let running = |done| JobState::Running {
        started_at: at(-60),
        device: "cpu".to_owned(),
        progress: Progress { done, total: 100, unit: ProgressUnit::Percent, rate: Some(1.5) },
    };
    let result = JobResult {
        url: "/v1/jobs/x/result".to_owned(),
        media_type: "image/jpeg".to_owned(),
        width: Some(1920),
        height: Some(1280),
        bytes: 734_003,
        sha256: "ab".repeat(32),
    };
    let succeeded =
        JobState::Succeeded { started_at: at(-190), finished_at: at(-175), device: "cpu".to_owned(), result };
    let error = Failure { code: ErrorCode::NotFinite, detail: "layer conv3_1 is not finite".to_owned() };
    let device = Some("cpu".to_owned());
    let failed = JobState::Failed { started_at: Some(at(-100)), finished_at: at(-95), device, error };
    let mut jobs = vec![
        job(7, "great-wave", JobState::Queued { steps_done: 0 }),
        job(6, "great-wave", JobState::Queued { steps_done: 0 }),
        job(5, "starry-night", running(62)),
        job(4, "composition-vii", JobState::Paused { steps_done: 0 }),
        job(3, "the-scream", failed),
        job(2, "great-wave", JobState::Cancelled { started_at: None, finished_at: at(-120), device: None }),
        job(1, "starry-night", succeeded),
    ];
    jobs[0].queue_position = Some(1);
    jobs[1].queue_position = Some(0);
    jobs[1].note = Some("for mum \u{1b}[31m and dad".to_owned());
    jobs[0].priority = Priority::Batch;
    jobs[6].mail = Some(Delivery { to: "mum@example.org".to_owned(), state: MailState::Sent, attempts: 1 });
    jobs
}

/// Two styles, one of them broken.
pub(crate) fn styles() -> Vec<Style> {
    let style = |name: &str, title: Option<&str>| Style {
        name: name.parse().unwrap(),
        title: title.map(str::to_owned),
        state: StyleState::Ready,
        architecture: Some("johnson".to_owned()),
        digest: Some("1f".repeat(32)),
        author: Some("Katsushika Hokusai".to_owned()),
        licence: Some("Apache-2.0".to_owned()),
        artwork: Some("The Great Wave off Kanagawa, 1831".to_owned()),
        trained_on: Some("COCO 2014".to_owned()),
        parameters: Some(1_679_235),
        has_preview: true,
        problem: None,
    };
    let mut broken = style("half-copied", None);
    let detail = "weights.safetensors is shorter than its header says".to_owned();
    broken.problem = Some(StyleProblem { code: "truncated".to_owned(), detail });
    (broken.state, broken.has_preview, broken.digest) = (StyleState::Broken, false, None);
    vec![style("great-wave", Some("The Great Wave")), broken, style("starry-night", Some("Starry Night"))]
}

/// A processor at work and an idle card.
pub(crate) fn devices() -> Vec<Device> {
    let cpu = Device {
        name: "cpu".to_owned(),
        kind: DeviceKind::Cpu,
        model: Some("AMD EPYC 9R14".to_owned()),
        threads: 16,
        memory_bytes: 48 << 30,
        busy: true,
        job: Some(id(5)),
        utilisation: Some(0.67),
        temperature: None,
    };
    let cuda = Device {
        name: "cuda:0".to_owned(),
        kind: DeviceKind::Cuda,
        model: Some("NVIDIA H100".to_owned()),
        threads: 0,
        memory_bytes: 80 << 30,
        busy: false,
        job: None,
        utilisation: Some(0.0),
        temperature: Some(41.0),
    };
    vec![cpu, cuda]
}

/// A mail that was sent and one that was not.
pub(crate) fn mail() -> Vec<Mail> {
    let mail = |number, recipient: &str, state| Mail {
        recipient: recipient.to_owned(),
        job: id(number),
        state,
        attempts: 1,
        next_try: None,
        last_answer: Some("250 2.0.0 Ok: queued as 4XyZ".to_owned()),
    };
    let mut waiting = mail(6, "dad@example.org", MailState::Queued);
    (waiting.attempts, waiting.next_try) = (3, Some(at(240)));
    waiting.last_answer = Some("451 4.7.1 greylisted, try again later".to_owned());
    vec![waiting, mail(1, "mum@example.org", MailState::Sent)]
}

/// The snapshot with all of it.
pub(crate) fn snapshot() -> Event {
    let body = EventBody::Snapshot(Snapshot { jobs: jobs(), styles: styles(), devices: devices() });
    Event { sequence: 100, at: at(0), body }
}

/// A daemon that is there, to somebody of this role.
pub(crate) fn connected(role: Role) -> Input {
    Input::Link(LinkNews::Connected(Host { version: "0.1.0".to_owned(), role, not_ready: None }))
}

/// A console before it has heard anything.
pub(crate) fn empty() -> App {
    App::new("http://127.0.0.1:7878".to_owned(), at(0), TimeZone::UTC)
}

/// A console that has heard everything above.
pub(crate) fn app() -> App {
    let mut app = empty();
    update(&mut app, at(0), connected(Role::Admin));
    update(&mut app, at(0), Input::Event(Box::new(snapshot())));
    update(&mut app, at(0), Input::Answer(super::Answer::Mail(mail())));
    app
}

/// A step of a training that goes well, with one spike.
pub(crate) fn point(step: u64) -> LossPoint {
    let fall = (-(step as f64) / 25.0).exp();
    let spike = if step == 37 { 9.0 } else { 0.0 };
    let (content, style) = (1.5 - fall, 8.0 * fall + 0.4 + (step * 7 % 5) as f64 * 0.03);
    let layers = [("relu1_1", 0.1), ("relu2_1", 0.2), ("relu3_1", 0.4), ("relu4_1", 0.2), ("relu5_1", 0.1)];
    let layers = layers.map(|(name, part)| (name.to_owned(), style * part)).into();
    LossPoint {
        step,
        seconds: step as f64 * 0.5,
        total: content + 3.0 * style + spike,
        content,
        style,
        tv: 0.0,
        layers,
    }
}

/// Adds a training that runs and one that is finished, with their curves.
pub(crate) fn train(app: &mut App) {
    let training = |number, name: &str, state| {
        let parameters = TrainOrder::new(name.parse().unwrap()).fill().unwrap();
        Job { parameters: Parameters::Train(parameters), priority: Priority::Batch, ..job(number, "x", state) }
    };
    let progress = Progress { done: 60, total: 400, unit: ProgressUnit::Step, rate: Some(2.0) };
    let mut running =
        training(9, "kandinsky", JobState::Running { started_at: at(-30), device: "cpu".to_owned(), progress });
    running.skipped_files = vec!["holiday/cut-short.jpg: cut short".to_owned()];
    let result = JobResult {
        url: "/v1/jobs/x/result".to_owned(),
        media_type: "application/octet-stream".to_owned(),
        width: None,
        height: None,
        bytes: 912_000,
        sha256: "cd".repeat(32),
    };
    let device = "cpu".to_owned();
    let finished = JobState::Succeeded { started_at: at(-900), finished_at: at(-700), device, result };
    let now = app.now;
    let mut hear = |body| update(app, now, Input::Event(Box::new(Event { sequence: 101, at: now, body })));
    for job in [training(8, "my-wave", finished), running] {
        hear(EventBody::State(Box::new(job)));
    }
    for step in 1..=60 {
        hear(EventBody::Loss { job: id(9), point: point(step) });
        let slower = LossPoint { total: point(step).total * 1.4, ..point(step) };
        hear(EventBody::Loss { job: id(8), point: slower });
    }
    hear(EventBody::Preview { job: id(9), step: 60 });
    let checkpoints = vec![Checkpoint { step: 50, at: at(-5), bytes: 2_700_000 }];
    let list = CheckpointList { job: id(9), checkpoints };
    update(app, now, Input::Answer(super::Answer::Checkpoints(list)));
}

/// A folder with two photos, a folder and something hidden.
pub(crate) fn folder() -> super::Answer {
    let entry = |name: &str, is_folder| Entry { name: name.to_owned(), is_folder, bytes: 123_456 };
    let entries = [("dog.png", false), ("cat.jpg", false), ("holiday", true), (".hidden.jpg", false)];
    super::Answer::Folder("/home/ada".into(), entries.map(|(name, is_folder)| entry(name, is_folder)).into())
}

/// Opens the form that paints two photos and fills it in.
pub(crate) fn filled(app: &mut App) -> super::form::Form {
    press(app, "s");
    let now = app.now;
    update(app, now, Input::Answer(folder()));
    press(app, "j  <Enter><Tab>0.5<Tab><Tab><Tab><Tab><Tab>mum@example");
    match &app.overlay {
        Some(super::Overlay::Form(form)) => form.clone(),
        other => panic!("no form: {other:?}"),
    }
}

/// Presses keys: characters as they are, and names in `<…>`.
pub(crate) fn press(app: &mut App, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut rest = keys;
    while let Some(c) = rest.chars().next() {
        let (code, modifiers, length) = match rest.strip_prefix('<').and_then(|named| named.split_once('>')) {
            Some((name, _)) => {
                let code = match name {
                    "Enter" => KeyCode::Enter,
                    "Esc" => KeyCode::Esc,
                    "Tab" => KeyCode::Tab,
                    "Up" => KeyCode::Up,
                    "Down" => KeyCode::Down,
                    "Left" => KeyCode::Left,
                    "Right" => KeyCode::Right,
                    "End" => KeyCode::End,
                    "Home" => KeyCode::Home,
                    "PgDn" => KeyCode::PageDown,
                    "Back" => KeyCode::Backspace,
                    _ => KeyCode::Char(name.chars().last().unwrap()),
                };
                let modifiers = if name.starts_with("C-") { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
                (code, modifiers, name.len() + 2)
            }
            None => (KeyCode::Char(c), KeyModifiers::NONE, c.len_utf8()),
        };
        let now = app.now;
        effects.extend(update(app, now, Input::Key(KeyEvent::new(code, modifiers))));
        rest = &rest[length..];
    }
    effects
}
