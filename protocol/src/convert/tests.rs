#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use jiff::Timestamp;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message;

use super::WireError;
use crate::job::ProgressUnit;
use crate::job::paint::{Optimizer, PaintInit};
use crate::job::train::{Norm, Recipe, TrainInit, Upsample};
use crate::*;

/// Sends a value through its encoded message and back.
fn round_trip<D, W>(value: D) -> D
where
    W: From<D> + Message + Default,
    D: TryFrom<W, Error: std::fmt::Debug>,
{
    let bytes = W::from(value).encode_to_vec();
    W::decode(bytes.as_slice()).unwrap().try_into().unwrap()
}

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,12}"
}

fn at() -> impl Strategy<Value = Timestamp> {
    let (min, max) = (Timestamp::MIN.as_nanosecond(), Timestamp::MAX.as_nanosecond());
    (min..=max).prop_map(|nanoseconds| Timestamp::from_nanosecond(nanoseconds).unwrap())
}

fn id() -> impl Strategy<Value = JobId> {
    any::<[u8; 16]>().prop_map(JobId::from_bytes)
}

fn style_name() -> impl Strategy<Value = StyleName> {
    "[a-z0-9][a-z0-9_-]{0,63}".prop_map(|name| name.parse().unwrap())
}

fn finite() -> impl Strategy<Value = f64> {
    -1e300..1e300
}

fn word<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    select(all)
}

fn train() -> impl Strategy<Value = TrainParameters> {
    let init = prop_oneof![Just(TrainInit::Auto), Just(TrainInit::None), style_name().prop_map(TrainInit::Style)];
    let words = (word(Recipe::ALL), word(Norm::ALL), word(Upsample::ALL), init);
    let flags = (any::<bool>(), any::<bool>());
    (style_name(), text(), flags, words, any::<[u32; 8]>(), any::<u64>(), [(); 4].map(|()| finite())).prop_map(
        |(name, dataset, (replace, early_stop), (recipe, norm, upsample, init), whole, seed, real)| {
            // A style called "auto" or "none" can't be started from by name.
            let init = init.to_string().parse().unwrap();
            let [steps, batch, size, art_size, width, residuals, checkpoint_every, preview_every] = whole;
            let [learning_rate, content_weight, style_weight, tv_weight] = real;
            TrainParameters {
                name,
                dataset,
                replace,
                recipe,
                steps,
                batch,
                size,
                art_size,
                seed,
                learning_rate,
                content_weight,
                style_weight,
                tv_weight,
                norm,
                upsample,
                width,
                residuals,
                init,
                early_stop,
                checkpoint_every,
                preview_every,
            }
        },
    )
}

/// Orders what would be filled in as this.
fn order_of(parameters: TrainParameters) -> TrainOrder {
    TrainOrder {
        name: parameters.name,
        dataset: Some(parameters.dataset),
        replace: parameters.replace,
        recipe: Some(parameters.recipe),
        steps: Some(parameters.steps),
        batch: Some(parameters.batch),
        size: Some(parameters.size),
        art_size: Some(parameters.art_size),
        seed: Some(parameters.seed),
        learning_rate: Some(parameters.learning_rate),
        content_weight: Some(parameters.content_weight),
        style_weight: Some(parameters.style_weight),
        tv_weight: Some(parameters.tv_weight),
        norm: Some(parameters.norm),
        upsample: Some(parameters.upsample),
        width: Some(parameters.width),
        residuals: Some(parameters.residuals),
        init: Some(parameters.init),
        early_stop: parameters.early_stop,
        checkpoint_every: Some(parameters.checkpoint_every),
        preview_every: Some(parameters.preview_every),
    }
}

/// Orders what would be filled in as this.
fn painting_of(parameters: PaintParameters) -> PaintOrder {
    PaintOrder {
        artwork_weights: parameters.artwork_weights,
        steps: Some(parameters.steps),
        optimizer: Some(parameters.optimizer),
        init: Some(parameters.init),
        seed: Some(parameters.seed),
        content_weight: Some(parameters.content_weight),
        style_weight: Some(parameters.style_weight),
        tv_weight: Some(parameters.tv_weight),
        size: parameters.size,
        preserve_color: parameters.preserve_color,
        format: Some(parameters.format),
        preview_every: Some(parameters.preview_every),
    }
}

fn paint() -> impl Strategy<Value = PaintParameters> {
    let words = (word(Optimizer::ALL), word(PaintInit::ALL), word(OutputFormat::ALL));
    let whole = (any::<u32>(), any::<u64>(), of(any::<u32>()), any::<u32>());
    (vec(finite(), 0..3), words, whole, [(); 3].map(|()| finite()), any::<bool>()).prop_map(
        |(artwork_weights, (optimizer, init, format), (steps, seed, size, preview_every), real, preserve_color)| {
            let [content_weight, style_weight, tv_weight] = real;
            PaintParameters {
                artwork_weights,
                steps,
                optimizer,
                init,
                seed,
                content_weight,
                style_weight,
                tv_weight,
                size,
                preserve_color,
                format,
                preview_every,
            }
        },
    )
}

fn loss_point() -> impl Strategy<Value = LossPoint> {
    (any::<u64>(), [(); 5].map(|()| finite()), btree_map(text(), finite(), 0..3)).prop_map(|(step, real, layers)| {
        let [seconds, total, content, style, tv] = real;
        LossPoint { step, seconds, total, content, style, tv, layers }
    })
}

fn parameters() -> impl Strategy<Value = Parameters> {
    prop_oneof![stylize(), train().prop_map(Parameters::Train), paint().prop_map(Parameters::Paint)]
}

fn stylize() -> impl Strategy<Value = Parameters> {
    (style_name(), 0.0_f32..=1.0, of(any::<u32>()), any::<bool>(), word(OutputFormat::ALL)).prop_map(
        |(style, strength, size, preserve_color, format)| {
            Parameters::Stylize(StylizeParameters { style, strength, size, preserve_color, format })
        },
    )
}

fn progress() -> impl Strategy<Value = Progress> {
    (any::<u64>(), any::<u64>(), word(ProgressUnit::ALL), of(finite())).prop_map(|(done, total, unit, rate)| Progress {
        done,
        total,
        unit,
        rate,
    })
}

fn result() -> impl Strategy<Value = JobResult> {
    (text(), text(), of(any::<u32>()), of(any::<u32>()), any::<u64>(), text()).prop_map(
        |(url, media_type, width, height, bytes, sha256)| JobResult { url, media_type, width, height, bytes, sha256 },
    )
}

fn state() -> impl Strategy<Value = JobState> {
    let failure = (word(ErrorCode::ALL), text()).prop_map(|(code, detail)| Failure { code, detail });
    prop_oneof![
        any::<u64>().prop_map(|steps_done| JobState::Queued { steps_done }),
        any::<u64>().prop_map(|steps_done| JobState::Paused { steps_done }),
        (at(), text(), progress()).prop_map(|(started_at, device, progress)| JobState::Running {
            started_at,
            device,
            progress
        }),
        (at(), at(), text(), result()).prop_map(|(started_at, finished_at, device, result)| JobState::Succeeded {
            started_at,
            finished_at,
            device,
            result
        }),
        (of(at()), at(), of(text()), failure).prop_map(|(started_at, finished_at, device, error)| JobState::Failed {
            started_at,
            finished_at,
            device,
            error
        }),
        (of(at()), at(), of(text())).prop_map(|(started_at, finished_at, device)| JobState::Cancelled {
            started_at,
            finished_at,
            device
        }),
    ]
}

/// Takes steps away from a photo, which has none to go on after.
fn fitting(state: JobState, parameters: &Parameters) -> JobState {
    match state {
        JobState::Queued { .. } if parameters.steps().is_none() => JobState::Queued { steps_done: 0 },
        JobState::Paused { .. } if parameters.steps().is_none() => JobState::Paused { steps_done: 0 },
        state => state,
    }
}

fn delivery() -> impl Strategy<Value = Delivery> {
    (text(), word(MailState::ALL), any::<u32>()).prop_map(|(to, state, attempts)| Delivery { to, state, attempts })
}

fn job() -> impl Strategy<Value = Job> {
    let fixed = (id(), parameters(), word(Priority::ALL), state(), at(), any::<u32>());
    let texts = (vec(text(), 0..3), vec(text(), 0..3));
    (fixed, of(delivery()), of(text()), texts, of(any::<u64>())).prop_map(
        |(
            (id, parameters, priority, state, created_at, attempt),
            mail,
            note,
            (warnings, skipped_files),
            queue_position,
        )| Job {
            id,
            state: fitting(state, &parameters),
            parameters,
            priority,
            created_at,
            attempt,
            mail,
            note,
            warnings,
            skipped_files,
            queue_position,
        },
    )
}

fn style() -> impl Strategy<Value = Style> {
    let problem = of((text(), text()).prop_map(|(code, detail)| StyleProblem { code, detail }));
    let texts = [(); 7].map(|()| of(text()));
    (style_name(), word(StyleState::ALL), texts, of(any::<u64>()), any::<bool>(), problem).prop_map(
        |(name, state, texts, parameters, has_preview, problem)| {
            let [title, architecture, digest, author, licence, artwork, trained_on] = texts;
            Style {
                name,
                title,
                state,
                architecture,
                digest,
                author,
                licence,
                artwork,
                trained_on,
                parameters,
                has_preview,
                problem,
            }
        },
    )
}

fn device() -> impl Strategy<Value = Device> {
    let numbers = (any::<u32>(), any::<u64>(), of(finite()), of(finite()));
    (text(), word(DeviceKind::ALL), of(text()), any::<bool>(), of(id()), numbers).prop_map(
        |(name, kind, model, busy, job, (threads, memory_bytes, utilisation, temperature))| Device {
            name,
            kind,
            model,
            threads,
            memory_bytes,
            busy,
            job,
            utilisation,
            temperature,
        },
    )
}

fn mail() -> impl Strategy<Value = Mail> {
    (text(), id(), word(MailState::ALL), any::<u32>(), of(at()), of(text())).prop_map(
        |(recipient, job, state, attempts, next_try, last_answer)| Mail {
            recipient,
            job,
            state,
            attempts,
            next_try,
            last_answer,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let snapshot = (vec(job(), 0..3), vec(style(), 0..2), vec(device(), 0..2));
    let body = prop_oneof![
        snapshot.prop_map(|(jobs, styles, devices)| EventBody::Snapshot(Snapshot { jobs, styles, devices })),
        job().prop_map(|job| EventBody::State(Box::new(job))),
        (id(), progress(), of(finite())).prop_map(|(job, progress, eta_seconds)| {
            EventBody::Progress { job, progress, rate: progress.rate, eta_seconds }
        }),
        (id(), loss_point()).prop_map(|(job, point)| EventBody::Loss { job, point }),
        (id(), any::<u64>()).prop_map(|(job, step)| EventBody::Preview { job, step }),
        (style_name(), of(style())).prop_map(|(name, style)| EventBody::Style { name, style }),
        device().prop_map(EventBody::Device),
        mail().prop_map(EventBody::Mail),
        id().prop_map(|job| EventBody::Forgotten { job }),
        id().prop_map(|job| EventBody::End { job }),
    ];
    (any::<u64>(), at(), body).prop_map(|(sequence, at, body)| Event { sequence, at, body })
}

proptest! {
    #[test]
    fn an_order_survives_the_wire(train in train(), paint in paint(), is_bare in any::<bool>(), note in of(text())) {
        let name = train.name.clone();
        let order = if is_bare { TrainOrder::new(name) } else { order_of(train) };
        prop_assert_eq!(round_trip::<_, wire::TrainOrder>(order.clone()), order);
        let order = if is_bare { PaintOrder::default() } else { painting_of(paint) };
        prop_assert_eq!(round_trip::<_, wire::PaintOrder>(order.clone()), order);
        let wishes = Wishes { priority: is_bare.then_some(Priority::Batch), email: note.clone(), note };
        prop_assert_eq!(round_trip::<_, wire::Wishes>(wishes.clone()), wishes);
    }

    #[test]
    fn a_job_survives_the_wire(job in job()) {
        prop_assert_eq!(round_trip::<_, wire::Job>(job.clone()), job);
    }

    #[test]
    fn a_job_survives_its_json_to_the_bit(job in job()) {
        let json = serde_json::to_string(&job).unwrap();
        prop_assert_eq!(serde_json::from_str::<Job>(&json).unwrap(), job);
    }

    #[test]
    fn an_event_survives_the_wire(event in event()) {
        prop_assert_eq!(round_trip::<_, wire::Event>(event.clone()), event);
    }

    #[test]
    fn lists_survive_the_wire(
        jobs in vec(job(), 0..4), next in of(text()), styles in vec(style(), 0..4),
        devices in vec(device(), 0..4), mail in vec(mail(), 0..4), points in vec(loss_point(), 0..4),
        (id, at, numbers) in (id(), at(), any::<[u64; 2]>()),
    ) {
        let curve = LossCurve::new(id, points);
        prop_assert_eq!(round_trip::<_, wire::LossCurve>(curve.clone()), curve);
        let checkpoints = vec![Checkpoint { step: numbers[0], at, bytes: numbers[1] }];
        let checkpoints = CheckpointList { job: id, checkpoints };
        prop_assert_eq!(round_trip::<_, wire::CheckpointList>(checkpoints.clone()), checkpoints);
        let page = JobPage { jobs, next };
        prop_assert_eq!(round_trip::<_, wire::ListJobsResponse>(page.clone()), page);
        prop_assert_eq!(round_trip::<_, wire::ListStylesResponse>(styles.clone()), styles);
        prop_assert_eq!(round_trip::<_, wire::ListDevicesResponse>(devices.clone()), devices);
        prop_assert_eq!(round_trip::<_, wire::ListMailResponse>(mail.clone()), mail);
    }

    /// Whatever a peer sends, reading it ends in a value or an error.
    #[test]
    fn no_message_makes_reading_panic(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(message) = wire::Event::decode(bytes.as_slice()) {
            let _ = Event::try_from(message);
        }
        if let Ok(message) = wire::Job::decode(bytes.as_slice()) {
            let _ = Job::try_from(message);
        }
    }
}

fn succeeded() -> wire::Job {
    let stylize = wire::StylizeParameters { style: "wave".to_owned(), format: 1, ..Default::default() };
    let now = Some(prost_types::Timestamp { seconds: 1, nanos: 5 });
    wire::Job {
        id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        kind: 1,
        state: wire::JobState::Succeeded as i32,
        priority: 1,
        parameters: Some(wire::job::Parameters::Stylize(stylize)),
        created_at: now,
        started_at: now,
        finished_at: now,
        device: Some("cpu".to_owned()),
        result: Some(wire::JobResult::default()),
        ..Default::default()
    }
}

fn check(break_it: impl FnOnce(&mut wire::Job), expected: &str) {
    let mut message = succeeded();
    break_it(&mut message);
    let error: WireError = Job::try_from(message).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_job_that_lacks_what_its_state_needs_is_refused_by_name() {
    assert!(Job::try_from(succeeded()).is_ok());
    check(|job| job.result = None, "the field \"result\" is missing");
    check(|job| job.device = None, "the field \"device\" is missing");
    check(|job| job.finished_at = None, "the field \"finished_at\" is missing");
    check(|job| job.created_at = None, "the field \"created_at\" is missing");
    check(|job| job.parameters = None, "the field \"parameters\" is missing");
    check(|job| job.state = 0, "the field \"state\" is missing");
    check(|job| job.state = 99, "the field \"state\" is not valid: 99 stands for nothing known here");
    check(
        |job| job.id = "../etc".to_owned(),
        "the field \"id\" is not valid: a job is named by its UUID or by the last eight digits of it",
    );
}

#[test]
fn a_time_outside_the_calendar_is_refused() {
    let far = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: i32::MAX });
    let mut message = succeeded();
    message.created_at = far;
    assert!(matches!(Job::try_from(message), Err(WireError::Invalid { field: "created_at", .. })));
}
